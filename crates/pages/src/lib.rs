//! What draws an experiment's records: charts, the report, the cards of its adapters. It computes
//! no results of its own and asks no coordinator: it reads through
//! `groklab_domain::records::ExperimentSource`.

pub mod card;
mod charts;
pub mod figures;
pub mod folder;
mod holdout;
mod html;
pub mod report;
