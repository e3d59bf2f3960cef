//! `export`: the experiment's files and their report, in a folder that appears whole or not at all.

use std::path::Path;

use groklab_pages::{
    folder::ExportFolder,
    report::{Report, page},
};
use serde_json::json;

use super::{context::Context, export_files::ExportFiles, export_folder};
use crate::{
    cli::ExportArgs,
    client::Client,
    console::Console,
    failure::{Exit, Failure, chain, file_step},
};

pub async fn run(context: &Context, args: ExportArgs) -> Result<Exit, Failure> {
    let client = context.client().await?;
    let id = &args.experiment.experiment;
    to_folder(&client, id, &args.out, args.force, &context.console).await?;
    Ok(Exit::Ok)
}

/// Receives everything into a hidden folder beside `out` and renames it at the end. Safe to drop:
/// what was begun goes away.
pub async fn to_folder(
    client: &Client,
    id: &str,
    out: &Path,
    force: bool,
    console: &Console,
) -> Result<(), Failure> {
    // Before everything is sent for nothing.
    export_folder::refuse_existing(out, force)?;
    let out = &file_step("use the folder", out, std::path::absolute(out))?;
    let staging = export_folder::stage(out)?;
    let mut files = ExportFiles::new(staging.path());
    let mut pieces = client.export(id).await?;
    while let Some(piece) = pieces.next().await? {
        files.append(&piece.path, &piece.data)?;
    }
    // The report is one file more than was sent.
    let count = files.finish()? + 1;
    write_report(staging.path())
        .await
        .map_err(|failure| failure.next("the files themselves arrived; please report this"))?;
    export_folder::publish(staging, out, force)?;
    let report = out.join("report.html");
    if console.json() {
        console.print_json(&json!({"out": out, "files": count, "report": report}))
    } else {
        console.print(format!("exported {count} files to {}", out.display()))?;
        console.print(format!("report: {}", report.display()))
    }
}

/// Writes `report.html` from the files that lie in `folder`.
async fn write_report(folder: &Path) -> Result<(), Failure> {
    let report = Report::read(&ExportFolder::new(folder))
        .await
        .map_err(|error| Failure::other("make the report").because(chain(&error)))?;
    let path = folder.join("report.html");
    file_step("write", &path, std::fs::write(&path, page(&report)))
}
