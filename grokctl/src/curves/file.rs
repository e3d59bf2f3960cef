//! A file of curves, told by its ending.

use std::{io, path::Path};

use super::{contents::Curves, lines, table};
use crate::failure::{Exit, Failure};

/// Reads a file of curves; one that ends in `.csv` is a table, any other has JSON lines.
pub fn read(path: &Path) -> Result<Curves, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let exit = match error.kind() {
            io::ErrorKind::NotFound => Exit::NotFound,
            _ => Exit::Usage,
        };
        Failure::new(exit, format!("read the curves `{shown}`")).because(error)
    })?;
    let is_table = path.extension().is_some_and(|extension| extension == "csv");
    let read = if is_table {
        table::read(&text)
    } else {
        lines::read(&text)
    };
    read.map_err(|fault| {
        Failure::usage(format!("read the curves `{shown}`"))
            .because(format!("line {}: {}", fault.line, fault.what))
            .next("`grokctl detect --help` shows what a file may hold")
    })
}
