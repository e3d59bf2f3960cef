//! The experiment files and settings of a command line.

use std::{
    io,
    path::{Path, PathBuf},
};

use groklab_domain::experiment::Source;

use crate::failure::{Exit, Failure};

/// What an experiment is put together from.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(id = "inputs")]
pub struct Inputs {
    /// The experiment file (TOML); of several, what a later one says goes before what an earlier
    /// one says, key by key.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// A value that goes before those of the files: a dotted key and TOML, or a text without
    /// quotes, as in train.rank=8, name=x or 'problems.families=["rpn"]'. May be given several
    /// times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub settings: Vec<String>,
}

impl Inputs {
    /// The texts of the files.
    pub fn read(&self) -> Result<Vec<String>, Failure> {
        self.files.iter().map(|path| read(path)).collect()
    }

    /// Files, then settings: later ones go first. `texts` are those of the files.
    pub fn sources<'a>(&'a self, names: &'a [String], texts: &'a [String]) -> Vec<Source<'a>> {
        let files = names.iter().zip(texts);
        let files = files.map(|(name, text)| Source::File { name, text });
        let settings = self.settings.iter().map(|setting| Source::Set(setting));
        files.chain(settings).collect()
    }

    /// The files, as they were called.
    pub fn names(&self) -> Vec<String> {
        let shown = |path: &PathBuf| path.display().to_string();
        self.files.iter().map(shown).collect()
    }

    /// What a shell takes for the same files and settings.
    pub fn arguments(&self) -> String {
        let mut arguments = self.names();
        for setting in &self.settings {
            arguments.push("--set".to_owned());
            arguments.push(setting.clone());
        }
        let quoted = arguments.iter().map(|argument| {
            // No argument of a process holds a zero byte, which alone cannot be quoted.
            shlex::try_quote(argument).unwrap_or_default()
        });
        quoted.collect::<Vec<_>>().join(" ")
    }

    /// The folder that paths in the source of this index are relative to.
    pub fn folder(&self, source: usize) -> &Path {
        // Where it is no file, it is a setting, which the current folder is the place of.
        let file = self.files.get(source).map(PathBuf::as_path);
        file.and_then(Path::parent).unwrap_or(Path::new(""))
    }

    /// They cannot be used.
    pub fn failure(&self, why: String) -> Failure {
        let names = self.names();
        let what = match names.as_slice() {
            [name] => format!("use the experiment file `{name}`"),
            names => format!("use the experiment files `{}`", names.join("`, `")),
        };
        let next = format!("correct it, then `grokctl validate {}`", self.arguments());
        Failure::usage(what).because(why).next(next)
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| {
        let exit = match error.kind() {
            io::ErrorKind::NotFound => Exit::NotFound,
            _ => Exit::Usage,
        };
        let what = format!("read the experiment file `{}`", path.display());
        Failure::new(exit, what).because(error)
    })
}
