//! What draws an experiment's records: charts, the report. It computes no results of its own and
//! asks no coordinator: it reads through `groklab_domain::records::ExperimentSource`.

pub mod folder;
