//! Anyone's learning curves, read for `detect`: a lines file (JSON) or a table (CSV). What is not
//! understood is refused with its line.

mod contents;
mod file;
mod lines;
mod table;

pub use contents::halve_val;
pub use file::read;
