//! `report.html`: an experiment's curves, tables and samples in one file that needs no network.

mod data;
mod method;
mod page;
mod samples;
mod tables;

pub use data::Report;
pub use page::page;
