//! The adapters of an export, made fit to be taken anywhere: a card and the tokenizer's files
//! beside each, the best one under a name of its own.

use std::{
    fs,
    path::{Path, PathBuf},
};

use groklab_pages::{
    card::{Card, Form, best},
    report::Report,
};
use serde_json::Value;

use super::{base_model::BaseModel, export_folder::copy_folder};
use crate::{
    console::Console,
    failure::{Failure, file_step},
};

const FOLDER: &str = "checkpoints";
const TEMPLATE: &str = "chat_template.jinja";

/// The adapters that an export holds.
pub struct Checkpoints<'a> {
    /// The export's folder.
    root: &'a Path,
    report: &'a Report,
    /// Iterations, ascending.
    kept: Vec<u32>,
    /// The best one on val.
    pub best: Option<u32>,
}

impl<'a> Checkpoints<'a> {
    /// Looks into the folder at `root`.
    pub fn find(root: &'a Path, report: &'a Report) -> Result<Self, Failure> {
        let folder = root.join(FOLDER);
        let mut kept = Vec::new();
        if folder.exists() {
            let entries = file_step("read", &folder, fs::read_dir(&folder))?;
            let names = entries.flatten().map(|entry| entry.file_name());
            let number = |name: &str| name.strip_prefix("iter_")?.parse().ok();
            kept = names.filter_map(|name| number(name.to_str()?)).collect();
        }
        kept.sort_unstable();
        let best = best(&report.evaluations, &kept);
        Ok(Self {
            root,
            report,
            kept,
            best,
        })
    }

    /// The adapter of `asked`, by default the best, else the newest.
    pub fn choose(&self, asked: Option<u32>) -> Result<u32, Failure> {
        let default = || self.best.or(self.kept.last().copied());
        let chosen = asked.or_else(default);
        if let Some(iteration) = chosen.filter(|iteration| self.kept.contains(iteration)) {
            return Ok(iteration);
        }
        let kept: Vec<String> = self.kept.iter().map(u32::to_string).collect();
        let why = match (asked, kept.is_empty()) {
            (_, true) => "the experiment has no adapters".to_owned(),
            (asked, false) => format!(
                "there is no adapter of iteration {}; there are those of {}",
                asked.unwrap_or_default(),
                kept.join(", ")
            ),
        };
        Err(Failure::usage("choose an adapter").because(why))
    }

    pub fn folder(&self, iteration: u32) -> PathBuf {
        self.root.join(FOLDER).join(format!("iter_{iteration}"))
    }

    /// Puts cards and tokenizers beside the adapters, and the best one into a folder of its own.
    pub async fn finish(&self, model: &BaseModel<'_>, console: &Console) -> Result<(), Failure> {
        let Some(&first) = self.kept.first() else {
            return Ok(());
        };
        let tokenizer = match model.tokenizer(&self.folder(first)).await {
            Ok(files) => files,
            // The adapters are whole without it.
            Err(failure) => {
                console.note(format!(
                    "no tokenizer lies beside the adapters ({failure}); where the model is, \
                     `worker-train tokenizer` writes it"
                ));
                Vec::new()
            }
        };
        for &iteration in &self.kept {
            self.complete(iteration, first, &tokenizer)?;
        }
        match self.best {
            Some(best) => copy_folder(&self.folder(best), &self.root.join(FOLDER).join("best")),
            None => {
                console.note("no checkpoints/best: no adapter was evaluated on val problems");
                Ok(())
            }
        }
    }

    fn complete(&self, iteration: u32, first: u32, tokenizer: &[String]) -> Result<(), Failure> {
        let folder = self.folder(iteration);
        for name in tokenizer.iter().filter(|_| iteration != first) {
            let copied = fs::copy(self.folder(first).join(name), folder.join(name));
            file_step("write", &folder.join(name), copied)?;
        }
        // What it was trained with, where the experiment had one of its own.
        if let Some(template) = &self.report.config.model.chat.template {
            let path = folder.join(TEMPLATE);
            file_step("write", &path, fs::write(&path, template))?;
        }
        self.write_card(&folder, iteration, !tokenizer.is_empty(), Form::Adapter)
    }

    /// Writes the card of the adapter of `iteration`, or of what was made of it, into `folder`.
    pub fn write_card(
        &self,
        folder: &Path,
        iteration: u32,
        has_tokenizer: bool,
        form: Form,
    ) -> Result<(), Failure> {
        let path = self.folder(iteration).join("adapter_config.json");
        let text = file_step("read", &path, fs::read_to_string(&path))?;
        // Another version may have written another form; the card then names no base.
        let config: Value = serde_json::from_str(&text).unwrap_or_default();
        let card = Card {
            report: self.report,
            iteration,
            base: config["base_model_name_or_path"].as_str(),
            commit: config["revision"].as_str(),
            has_tokenizer,
            form,
        };
        let path = folder.join("README.md");
        file_step("write", &path, fs::write(&path, card.markdown()))
    }
}
