//! The read model: what is stored, as the records that people and programs read. Every face of the
//! coordinator asks here and only converts; nothing here writes, and nothing grows in memory with
//! the experiment.

mod compare;
mod experiments;
mod export;
mod lines;
mod pages;
mod problems;
mod reader;
mod rollouts;
mod source;
mod timeline;
mod watch;

pub use compare::{Evaluation, compare};
pub use experiments::{experiment, experiments, resolve, workers};
pub use export::{FilePiece, files};
pub use lines::{LinesPage, lines};
pub use problems::problems;
pub use reader::Reader;
pub use rollouts::rollouts;
pub use source::StoredExperiment;
pub use timeline::timeline;
pub use watch::updates;
