//! The read model: what is stored, as the records that people and programs read. Every face of the
//! coordinator asks here and only converts; nothing here writes, and nothing grows in memory with
//! the experiment.

mod compare;
mod experiments;
mod export;
mod metrics_page;
mod pages;
mod problems;
mod reader;
mod rollouts;
mod source;
mod timeline;
mod watch;
mod whole;

pub use compare::{Evaluation, compare_evaluations};
pub use experiments::{
    experiment_record, experiment_records, footprint, resolve_experiment, worker_records,
};
pub use export::{FilePiece, export_files};
pub use metrics_page::{MetricsPage, metrics_page};
pub use problems::problem_lines;
pub use reader::Reader;
pub use rollouts::rollout_lines;
pub use source::StoredExperiment;
pub use timeline::timeline;
pub use watch::watch_updates;
pub use whole::{readable_experiment, whole};
