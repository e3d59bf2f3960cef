//! What can go wrong, one variant per operation; messages name the thing and, where there is one,
//! the fix.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

use groklab_domain::Digest;

/// The error of every fallible operation of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be opened or read.
    #[error("read `{path}`")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("write `{path}`")]
    Write {
        path: PathBuf,
        source: std::io::Error,
    },
    /// A file is not what its name says.
    #[error("`{path}` is damaged or incomplete ({reason}); fetch it again")]
    Corrupt { path: PathBuf, reason: String },
    /// The source names nothing that can be loaded.
    #[error("no model at `{source_text}`: {reason}")]
    Source { source_text: String, reason: String },
    /// The model asks for something that this crate does not compute.
    #[error("{what} `{value}` is not supported; supported: {supported}")]
    Unsupported {
        what: &'static str,
        value: String,
        supported: &'static str,
    },
    /// A field of a configuration is missing or has no sense.
    #[error("{what}: {reason}")]
    Config { what: String, reason: String },
    /// A field of a configuration that nobody here knows.
    #[error(
        "{file}: `{key}` = {value} is not known here and may change what is computed; \
         remove it if it does not"
    )]
    UnknownField {
        file: String,
        key: String,
        value: String,
    },
    /// A weight is missing or has another shape than the configuration says.
    #[error("weight `{name}`: {reason}")]
    Weight { name: String, reason: String },
    /// The tokenizer or the chat template could not be read or used.
    #[error("{what}: {reason}")]
    Tokenizer { what: &'static str, reason: String },
    /// What the experiment asks of the chat template is not possible with it.
    #[error("`model.chat.{key}`: {reason}")]
    Chat { key: String, reason: String },
    /// A model could not be fetched from the hub.
    #[error("fetch `{repository}` from the hub: {reason}")]
    Hub { repository: String, reason: String },
    /// The adapter's files are unreadable or use what is not implemented.
    #[error("adapter: {0}")]
    Adapter(String),
    /// The adapter was made for another base.
    #[error("adapter was made for the base {adapter}, this model is {model}")]
    OtherBase { adapter: Digest, model: Digest },
    /// The weights are not those that the experiment began with.
    #[error("`{source_text}` has the digest {found} here, the experiment began with {expected}")]
    OtherWeights {
        source_text: String,
        expected: Digest,
        found: Digest,
    },
    /// A request has no sense.
    #[error("request: {0}")]
    Request(String),
    /// One of the rows, sequences or examples of a request has no sense: empty, too long for the
    /// model, an id outside the vocabulary.
    #[error("row {row}: {reason}")]
    Row { row: usize, reason: String },
    /// The loss or the gradient is not a finite number.
    #[error(
        "{what} is {value} at step {step} (examples {examples:?}); \
         lower the learning rate or look at these examples"
    )]
    NotFinite {
        what: &'static str,
        value: f64,
        step: u64,
        examples: Vec<usize>,
    },
    /// The model's output is not a number.
    #[error(
        "the model's logits are not finite for row {row}; the weights or the adapter are damaged"
    )]
    Diverged { row: usize },
    /// The caller's hook asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// The GPU that was asked for is not here.
    #[error(
        "no CUDA device {index}: {found} can be used here \
         (it takes a driver and libtorch's CUDA libraries); use --device cpu or auto"
    )]
    NoDevice { index: usize, found: usize },
    /// A GPU is here and cannot be used.
    #[error("the GPU cannot be used: {reason}; {fix}")]
    UnusableGpu { reason: String, fix: &'static str },
    /// The device ran out of memory.
    #[error("out of memory while {doing} ({reason}); {fix}")]
    OutOfMemory {
        doing: &'static str,
        reason: String,
        fix: &'static str,
        /// A GPU's memory: others may share it, and give back what they took.
        on_gpu: bool,
    },
    /// The model cannot fit; nothing of it was read.
    #[error(
        "the model's weights take {} and work with them at least {}, {} are available here: \
         use a smaller model, a machine with more memory, or end what else runs",
        gigabytes(*weights), gigabytes(*needed), gigabytes(*available)
    )]
    TooBig {
        weights: u64,
        needed: u64,
        available: u64,
    },
    /// libtorch refused an operation.
    #[error("libtorch while {doing}: {reason}")]
    Torch { doing: &'static str, reason: String },
}

impl Error {
    /// Whether the same work may succeed later or elsewhere: the cause lies in a file, a network,
    /// this machine's memory, a GPU that others share, or libtorch.
    pub fn retry_may_help(&self) -> bool {
        matches!(
            self,
            Self::Read { .. }
                | Self::Corrupt { .. }
                | Self::Source { .. }
                | Self::OtherWeights { .. }
                | Self::Hub { .. }
                | Self::TooBig { .. }
                // Others share a GPU. On a CPU memory was asked for before loading, and a job that
                // fills it nevertheless would do so again.
                | Self::OutOfMemory { on_gpu: true, .. }
                | Self::UnusableGpu { .. }
                | Self::Torch { .. }
        )
    }

    /// The row of the request that it is about.
    pub fn row(&self) -> Option<usize> {
        match self {
            Self::Row { row, .. } | Self::Diverged { row } => Some(*row),
            _ => None,
        }
    }
}

/// Set once a context of CUDA was lost.
static GPU_IS_LOST: AtomicBool = AtomicBool::new(false);

/// Whether this process can compute nothing on its GPU any more: after some errors of CUDA every
/// later call fails as well, and only a new process gets a new context.
pub fn gpu_is_lost() -> bool {
    GPU_IS_LOST.load(Ordering::Relaxed)
}

/// This crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

/// Runs tensor code, whose wrappers panic when libtorch reports an error, and turns such a panic
/// into an [`Error`].
pub(crate) fn guard<T>(
    doing: &'static str,
    fix: &'static str,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let reason = panic_text(panic.as_ref());
        let lower = reason.to_lowercase().replace('_', " ");
        // First, as some of these texts hold `CUDA error` like those of a lost context.
        if FULL_MEMORY.iter().any(|sign| lower.contains(sign)) {
            return Err(Error::OutOfMemory {
                doing,
                reason: first_line(&reason),
                fix,
                on_gpu: ON_GPU.iter().any(|sign| lower.contains(sign)),
            });
        }
        if BROKEN_CONTEXT.iter().any(|sign| reason.contains(sign)) {
            GPU_IS_LOST.store(true, Ordering::Relaxed);
        }
        Err(Error::Torch {
            doing,
            reason: first_line(&reason),
        })
    })
}

/// How libtorch, CUDA, cuBLAS and cuDNN say that memory did not suffice, with spaces for
/// underscores. cuBLAS is not initialised where there is no room for its workspace.
const FULL_MEMORY: [&str; 6] = [
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "alloc failed",
    "allocation failed",
    "cublas status not initialized",
];

/// Who says so of a GPU's memory.
const ON_GPU: [&str; 3] = ["cuda", "cublas", "cudnn"];

/// How libtorch, cuBLAS and cuDNN speak of a context that is lost.
const BROKEN_CONTEXT: [&str; 4] = [
    "CUDA error",
    "CUBLAS_STATUS_EXECUTION_FAILED",
    "CUBLAS_STATUS_INTERNAL_ERROR",
    "cuDNN error",
];

pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
        .unwrap_or_else(|| "unknown panic".into())
}

pub(crate) fn first_line(text: &str) -> String {
    // tch panics with the debug form of its error, in which line ends are spelled out.
    text.replace("\\n", "\n")
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_about_memory_names_the_fix() {
        let signs = [
            "CUDA out of memory. Tried to allocate",
            "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling",
            "CUDA_ERROR_OUT_OF_MEMORY",
            "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
            "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
        ];
        for sign in signs {
            let result: Result<()> = guard("testing", "use less", || panic!("{sign}"));
            assert!(
                matches!(
                    result,
                    Err(Error::OutOfMemory {
                        fix: "use less",
                        on_gpu: true,
                        ..
                    })
                ),
                "{sign}"
            );
            assert!(result.is_err_and(|error| error.retry_may_help()), "{sign}");
        }
        let here: Result<()> = guard("testing", "use less", || {
            panic!("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")
        });
        assert!(here.is_err_and(|error| !error.retry_may_help()));
        let result: Result<()> = guard("testing", "use less", || {
            panic!("mat1 and mat2 shapes differ")
        });
        assert!(matches!(result, Err(Error::Torch { .. })));
    }

    #[test]
    fn a_lost_context_needs_a_new_process() {
        for (text, lost) in [
            ("mat1 and mat2 shapes differ", false),
            ("CUDA out of memory. Tried to allocate", false),
            (
                "Torch(\"CUDA error: device-side assert triggered\\nCUDA kernel",
                true,
            ),
            ("CUDA error: an illegal memory access was encountered", true),
            (
                "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling",
                true,
            ),
            ("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", true),
        ] {
            GPU_IS_LOST.store(false, Ordering::Relaxed);
            let result: Result<()> = guard("testing", "", || panic!("{text}"));
            assert!(result.is_err());
            assert_eq!(gpu_is_lost(), lost, "{text}");
        }
    }
}
