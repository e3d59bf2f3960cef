//! An exported folder as a source of records. Its files are read line by line, for
//! `rollouts.jsonl` may be larger than memory; a line that cannot be read is an error.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use groklab_domain::Split;
use groklab_domain::experiment::Experiment;
use groklab_domain::metrics::{IterationLine, MetricsLine};
use groklab_domain::records::{ExperimentSource, ProblemLine, RolloutFilter, RolloutLine};
use serde::de::DeserializeOwned;

/// The folder that an export was written into.
#[derive(Debug, Clone)]
pub struct ExportFolder {
    path: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("read `{}`", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("read `{}`", path.display())]
    Config {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("read `{}` line {number}", path.display())]
    Line {
        path: PathBuf,
        number: usize,
        source: serde_json::Error,
    },
}

impl ExportFolder {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn collect<T: DeserializeOwned>(&self, file: &str) -> Result<Vec<T>, Error> {
        let mut lines = Vec::new();
        self.visit(file, &mut |line| lines.push(line))?;
        Ok(lines)
    }

    /// Files that an early stop left out count as empty.
    fn visit<T: DeserializeOwned>(
        &self,
        file: &str,
        visit: &mut dyn FnMut(T),
    ) -> Result<(), Error> {
        let path = self.path.join(file);
        let reader = match File::open(&path) {
            Ok(file) => BufReader::new(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(Error::File { path, source }),
        };
        for (place, line) in reader.lines().enumerate() {
            let line = match line {
                Ok(line) => line,
                Err(source) => return Err(Error::File { path, source }),
            };
            if line.trim().is_empty() {
                continue;
            }
            match serde_json::from_str(&line) {
                Ok(record) => visit(record),
                Err(source) => {
                    let number = place + 1;
                    return Err(Error::Line {
                        path,
                        number,
                        source,
                    });
                }
            }
        }
        Ok(())
    }
}

// The reading itself blocks: a folder is read by a command that does nothing else meanwhile.
impl ExperimentSource for ExportFolder {
    type Error = Error;

    async fn config(&self) -> Result<Experiment, Error> {
        let path = self.path.join("config.json");
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                serde_json::from_str(&text).map_err(|source| Error::Config { path, source })
            }
            Err(source) => Err(Error::File { path, source }),
        }
    }

    async fn metrics(&self) -> Result<Vec<MetricsLine>, Error> {
        self.collect("metrics.jsonl")
    }

    async fn iterations(&self) -> Result<Vec<IterationLine>, Error> {
        self.collect("iterations.jsonl")
    }

    async fn problems(
        &self,
        split: Split,
        visit: &mut (dyn FnMut(ProblemLine) + Send),
    ) -> Result<(), Error> {
        self.visit(&format!("{split}.jsonl"), visit)
    }

    async fn rollouts(
        &self,
        filter: &RolloutFilter,
        visit: &mut (dyn FnMut(RolloutLine) + Send),
    ) -> Result<(), Error> {
        let mut visit_wanted = |rollout: RolloutLine| {
            if filter.accepts(&rollout) {
                visit(rollout);
            }
        };
        self.visit("rollouts.jsonl", &mut visit_wanted)
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;

    #[test]
    fn what_is_not_there_is_empty_and_what_is_broken_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let folder = ExportFolder::new(dir.path());
        assert_eq!(block_on(folder.metrics()).unwrap(), []);
        std::fs::write(dir.path().join("iterations.jsonl"), "\n{}\n").unwrap();
        let error = block_on(folder.iterations()).unwrap_err();
        let text = error.to_string();
        assert!(text.ends_with("iterations.jsonl` line 2"), "{text}");
        let error = block_on(folder.config()).unwrap_err();
        assert!(matches!(error, Error::File { .. }), "{error:?}");
    }
}
