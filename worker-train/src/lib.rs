//! worker-train: lease, LoRA steps, publish the adapter. The training step itself is
//! `groklab-model`'s.

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod config;
pub mod fit;
mod metrics;
mod settings;
pub mod take_home;
mod train;

use groklab_domain::{JobKind, WorkerId};
use groklab_model::{Resident, gpu_is_lost};
use groklab_runtime::{metrics::METER, process::Process};

/// Works for a coordinator until told to stop.
///
/// # Errors
/// Whatever keeps the worker from going on; a job's failure is reported to the coordinator instead.
pub async fn work(args: config::Work, process: Process) -> anyhow::Result<()> {
    groklab_model::set_threads(args.threads);
    let placement = args.computing.place()?;
    let who = groklab_worker::Description {
        // Anew with every start: what an earlier process still holds is not this one's to finish.
        id: WorkerId::new(),
        kind: JobKind::Train,
        device: placement.description(),
        gpu: placement.gpu_id(),
        threads: u32::try_from(groklab_model::threads()).unwrap_or(0),
        python: String::new(),
    };
    let metrics = metrics::Metrics::new(&opentelemetry::global::meter(METER));
    let resident = Resident::new(args.models, placement);
    let executor = train::Fitter::new(resident, metrics, process.stop.clone());
    groklab_worker::run(args.worker, &args.sharing, who, executor, process).await?;
    // The exit code tells whoever supervises this process to start another.
    anyhow::ensure!(!gpu_is_lost(), "the GPU is lost to this process");
    Ok(())
}
