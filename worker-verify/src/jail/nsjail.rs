//! The programs that the sandbox is made of on this machine, found and asked what they need.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use crate::{
    jail::{
        cgroup::{self, Cgroups},
        python::Interpreter,
    },
    metrics::Metrics,
    sandbox::InfrastructureError,
};

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Config {
    pub nsjail: PathBuf,
    pub python: PathBuf,
}

/// nsjail, the interpreter inside it and the control groups around it. As a sandbox: one jail and
/// one interpreter per candidate, the cold path.
#[derive(Debug, Clone)]
pub struct Nsjail {
    path: PathBuf,
    pub python: Interpreter,
    pub(crate) cgroups: Arc<dyn Cgroups>,
    pub(crate) metrics: Metrics,
}

impl Nsjail {
    /// Finds out what the jail needs. Proves nothing yet: that is the self-test's duty.
    ///
    /// # Errors
    /// If there is no nsjail or the interpreter does not answer.
    pub fn new(config: &Config) -> Result<Self, InfrastructureError> {
        // The working folder may change later, and a relative path with it.
        let Ok(path) = config.nsjail.canonicalize() else {
            return Err(InfrastructureError::NoNsjail(config.nsjail.clone()));
        };
        Ok(Self {
            path,
            python: Interpreter::inspect(&config.python)?,
            cgroups: cgroup::find().into(),
            metrics: Metrics::default(),
        })
    }

    /// Counts its runs, and those of the zygotes in it, there.
    #[must_use]
    pub fn counted_by(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Starts an nsjail, and returns its process id. Whoever calls this reaps it.
    pub(crate) fn spawn(&self, command: &mut Command) -> Result<i32, InfrastructureError> {
        match command.spawn() {
            Ok(child) => {
                Ok(i32::try_from(child.id()).expect("process ids are positive 32-bit numbers"))
            }
            Err(source) => Err(InfrastructureError::Start {
                path: self.path.clone(),
                source,
            }),
        }
    }
}
