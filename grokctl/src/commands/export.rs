//! `export`: the experiment's files, their report and its adapters, in a folder that appears whole
//! or not at all.

use std::path::Path;

use groklab_pages::{
    card::Form,
    folder::ExportFolder,
    report::{Report, page},
};
use serde_json::{Value, json};

use super::{
    base_model::BaseModel, checkpoints::Checkpoints, context::Context, export_files::ExportFiles,
    export_folder,
};
use crate::{
    cli::{ExportArgs, Forms},
    client::Client,
    console::Console,
    failure::{Exit, Failure, chain, file_step},
};

pub async fn run(context: &Context, args: ExportArgs) -> Result<Exit, Failure> {
    let client = context.client().await?;
    let id = &args.experiment.experiment;
    let export = Export {
        out: &args.out,
        force: args.force,
        forms: args.forms,
    };
    export.run(&client, id, &context.console).await?;
    Ok(Exit::Ok)
}

/// Where an export goes, and what it holds beside what every one has.
pub struct Export<'a> {
    pub out: &'a Path,
    pub force: bool,
    pub forms: Forms,
}

impl Export<'_> {
    /// Receives everything into a hidden folder beside `out` and renames it at the end. Safe to
    /// drop: what was begun goes away.
    pub async fn run(&self, client: &Client, id: &str, console: &Console) -> Result<(), Failure> {
        let (out, force) = (self.out, self.force);
        // Before everything is sent for nothing.
        export_folder::refuse_existing(out, force)?;
        let out = &file_step("use the folder", out, std::path::absolute(out))?;
        let staging = export_folder::stage(out)?;
        let mut files = ExportFiles::new(staging.path());
        let mut pieces = client.export(id).await?;
        while let Some(piece) = pieces.next().await? {
            files.append(&piece.path, &piece.data)?;
        }
        files.finish()?;
        let report = write_report(staging.path())
            .await
            .map_err(|failure| failure.next("the files themselves arrived; please report this"))?;
        let mut said = self.finish(staging.path(), &report, console).await?;
        let count = export_folder::count_files(staging.path())?;
        export_folder::publish(staging, out, force)?;
        let report = out.join("report.html");
        if console.json() {
            said["out"] = json!(out);
            said["files"] = json!(count);
            said["report"] = json!(report);
            return console.print_json(&said);
        }
        console.print(format!("exported {count} files to {}", out.display()))?;
        if let Some(best) = said["best"].as_u64() {
            console.print(format!(
                "best on val: iteration {best}, in checkpoints/best"
            ))?;
        }
        console.print(format!("report: {}", report.display()))
    }

    /// Adapters made fit to travel, and the forms that were asked for; what became of both.
    async fn finish(
        &self,
        root: &Path,
        report: &Report,
        console: &Console,
    ) -> Result<Value, Failure> {
        let checkpoints = Checkpoints::find(root, report)?;
        let model = BaseModel(&report.config.model);
        // Refused before anything large is written.
        let Forms {
            merged,
            gguf_lora,
            checkpoint,
        } = self.forms;
        let chosen = if merged || gguf_lora || checkpoint.is_some() {
            Some(checkpoints.choose(checkpoint)?)
        } else {
            None
        };
        checkpoints.finish(&model, console).await?;
        let mut said = json!({"best": checkpoints.best});
        let Some(iteration) = chosen else {
            return Ok(said);
        };
        let adapter = checkpoints.folder(iteration);
        said["checkpoint"] = json!(iteration);
        if merged {
            let out = root.join("merged");
            said["merged"] = model.merge(&adapter, &out).await?;
            checkpoints.write_card(&out, iteration, true, Form::Merged)?;
        }
        if gguf_lora {
            let written = model.gguf_lora(&adapter, &root.join("lora.gguf")).await?;
            said["gguf_lora"] = json!({"bytes": written["bytes"]});
        }
        Ok(said)
    }
}

/// Writes `report.html` from the files that lie in `folder`.
async fn write_report(folder: &Path) -> Result<Report, Failure> {
    let report = Report::read(&ExportFolder::new(folder))
        .await
        .map_err(|error| Failure::other("make the report").because(chain(&error)))?;
    let path = folder.join("report.html");
    file_step("write", &path, std::fs::write(&path, page(&report)))?;
    Ok(report)
}
