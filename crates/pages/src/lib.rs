//! What draws an experiment's records: charts, the report. It computes no results of its own and
//! asks no coordinator: it reads through `groklab_domain::records::ExperimentSource`.

mod charts;
pub mod figures;
pub mod folder;
mod html;
pub mod report;
