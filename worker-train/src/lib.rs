//! worker-train: lease, LoRA steps, publish the adapter. The training step itself is `groklab-model`'s.

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod config;
pub mod fit;
mod metrics;
mod settings;
mod train;

use groklab_domain::{JobKind, WorkerId};
use groklab_model::{Placement, Resident};
use groklab_runtime::{metrics::METER, process::Process};

/// Works for a coordinator until told to stop.
///
/// # Errors
/// Whatever keeps the worker from going on; a job's failure is reported to the coordinator instead.
pub async fn work(args: config::Work, process: Process) -> anyhow::Result<()> {
    let placement = Placement::of(args.device)?;
    let who = groklab_worker::Description {
        id: WorkerId::new(),
        kind: JobKind::Train,
        device: placement.description(),
        threads: u32::try_from(groklab_model::threads()).unwrap_or(0),
    };
    let metrics = metrics::Metrics::new(&opentelemetry::global::meter(METER));
    groklab_worker::run(
        args.worker,
        who,
        train::Fitter::new(Resident::new(args.models, placement), metrics),
        process,
    )
    .await
}
