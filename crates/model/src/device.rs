//! Where tensors live: CUDA in bfloat16 where there is a GPU, else the CPU in float32. The CUDA half is untested where no GPU is.

use std::{path::PathBuf, sync::OnceLock};

use tch::{Device, Kind};

/// A device and the kind of numbers that weights and activations have on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    pub device: Device,
    pub kind: Kind,
}

impl Placement {
    /// The CPU in float32.
    pub const CPU: Self = Self { device: Device::Cpu, kind: Kind::Float };

    /// The best place that this process has. Loads `libtorch_cuda.so` where it is installed beside `libtorch_cpu.so`.
    pub fn detect() -> Self {
        static LOADED: OnceLock<bool> = OnceLock::new();
        LOADED.get_or_init(load_cuda);
        if tch::Cuda::is_available() { Self { device: Device::Cuda(0), kind: Kind::BFloat16 } } else { Self::CPU }
    }

    /// True on the CPU, where adapters are merged and small kernels of our own run.
    pub(crate) fn is_cpu(self) -> bool {
        self.device == Device::Cpu
    }

    /// For records: what results may depend on, such as `cpu float32, 2 threads`.
    pub fn description(self) -> String {
        let kind = if self.kind == Kind::BFloat16 { "bfloat16" } else { "float32" };
        match self.device {
            Device::Cpu => format!("cpu {kind}, {} threads", tch::get_num_threads()),
            Device::Cuda(index) => format!("cuda:{index} {kind}"),
            other => format!("{other:?} {kind}"),
        }
    }
}

/// OpenMP's and MKL's settings for the calling thread alone; `tch::set_num_threads` would change those of the whole process.
struct ThreadLimits {
    openmp: unsafe extern "C" fn(i32),
    mkl: unsafe extern "C" fn(i32) -> i32,
}

fn thread_limits() -> Option<&'static ThreadLimits> {
    use libloading::os::unix::Library;
    static FOUND: OnceLock<Option<ThreadLimits>> = OnceLock::new();
    let find = || {
        let this = Library::this();
        // SAFETY: these are the signatures of `omp_set_num_threads` and `MKL_Set_Num_Threads_Local`.
        unsafe {
            Some(ThreadLimits { openmp: *this.get(b"omp_set_num_threads").ok()?, mkl: *this.get(b"MKL_Set_Num_Threads_Local").ok()? })
        }
    };
    FOUND.get_or_init(find).as_ref()
}

/// Whether [`confine_to_one_thread`] works here.
pub(crate) fn can_confine_threads() -> bool {
    thread_limits().is_some()
}

/// Makes libtorch compute with one thread where the calling thread asks it to; others are left as they are.
pub(crate) fn confine_to_one_thread() {
    let Some(limits) = thread_limits() else { return };
    // libtorch sets a new thread up when it is first asked, which would undo ours.
    tch::get_num_threads();
    // SAFETY: both take any positive number and touch nothing but the calling thread's settings.
    unsafe {
        (limits.openmp)(1);
        (limits.mkl)(1);
    }
}

/// Opens `libtorch_cuda.so` so that its kernels register; true if it was there and loaded.
fn load_cuda() -> bool {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    let Some(path) = libtorch_folder().map(|folder| folder.join("libtorch_cuda.so")).filter(|path| path.exists()) else { return false };
    // SAFETY: the library belongs to the libtorch this process is linked with; its initialisers only register kernels.
    match unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) } {
        Ok(library) => {
            std::mem::forget(library);
            true
        }
        Err(_) => false,
    }
}

/// The folder of the `libtorch_cpu.so` that this process has mapped.
fn libtorch_folder() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps.lines().find(|line| line.contains("/libtorch_cpu.so"))?;
    let path = std::path::Path::new(&line[line.find('/')?..]);
    path.parent().map(PathBuf::from)
}
