//! `report.html`: one file made from an export's own files, that needs no network. Computes no results of its own but the
//! comparison of the first with the last iteration, which needs problems one by one.

mod charts;
mod data;
mod html;
mod page;
mod samples;

use std::path::Path;

use crate::failure::Failure;

/// Writes `report.html` into `folder` from the files that lie there.
pub fn write(folder: &Path) -> Result<(), Failure> {
    let data = data::Data::read(folder)?;
    let path = folder.join("report.html");
    std::fs::write(&path, page::page(&data))
        .map_err(|error| Failure::other(format!("write `{}`", path.display())).because(error))
}
