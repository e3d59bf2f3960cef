//! The programs of the stack: the coordinator, and workers of each kind of job.

use std::path::{Path, PathBuf};

use groklab_domain::{DeviceSetting, JobKind};

use crate::{
    cli::UpArgs,
    failure::{Exit, Failure},
};

pub const COORDINATOR: &str = "coordinator";

/// A worker to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    pub kind: JobKind,
    pub program: &'static str,
    /// Among those of its kind, from 1.
    pub number: usize,
    /// Where it is told to compute; None leaves that to itself and to the environment.
    pub device: Option<DeviceSetting>,
}

impl Worker {
    /// What it is called in messages, and its log.
    pub fn name(&self) -> String {
        match self.number {
            1 => self.program.to_owned(),
            number => format!("{}-{number}", self.program),
        }
    }
}

/// The workers that were asked for, one of each kind at least.
pub fn workers(asked: &UpArgs) -> Vec<Worker> {
    let of_kind = |kind: JobKind| {
        let devices: Vec<Option<DeviceSetting>> = match devices(asked, kind) {
            [] => vec![None],
            named => named.iter().copied().map(Some).collect(),
        };
        let numbered = (1..).zip(devices);
        numbered.map(move |(number, device)| Worker {
            kind,
            program: program(kind),
            number,
            device,
        })
    };
    JobKind::ALL.iter().copied().flat_map(of_kind).collect()
}

fn devices(asked: &UpArgs, kind: JobKind) -> &[DeviceSetting] {
    match kind {
        JobKind::Generate => &asked.generate_device,
        JobKind::Train => &asked.train_device,
        // It computes on no device.
        JobKind::Verify => &[],
    }
}

/// The worker's program for a kind of job.
pub fn program(kind: JobKind) -> &'static str {
    // A new kind does not compile before its program is named here.
    match kind {
        JobKind::Generate => "worker-gen",
        JobKind::Verify => "worker-verify",
        JobKind::Train => "worker-train",
    }
}

/// The program `name`, where it was built or installed together with this one.
pub fn beside(name: &str) -> Result<PathBuf, Failure> {
    let own = std::env::current_exe().map_err(|error| {
        let what = "find grokctl's own folder";
        Failure::other(what).because(error)
    })?;
    let path = own.parent().unwrap_or(Path::new("/")).join(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(Failure::new(Exit::NotFound, format!("find {name}"))
        .because(format!("there is no `{}`", path.display()))
        .next("build it with `make build`, or export where the workers are"))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Up {
        #[command(flatten)]
        args: UpArgs,
    }

    fn named(args: &[&str]) -> Vec<(String, Option<String>)> {
        let up = Up::try_parse_from([&["up"], args].concat()).unwrap();
        let shown = |worker: Worker| {
            let device = worker.device.map(|device| device.to_string());
            (worker.name(), device)
        };
        workers(&up.args).into_iter().map(shown).collect()
    }

    #[test]
    fn each_device_has_a_worker_of_its_own() {
        let one = |name: &str| (name.to_owned(), None);
        let on = |name: &str, device: &str| (name.to_owned(), Some(device.to_owned()));
        assert_eq!(
            named(&[]),
            ["worker-gen", "worker-verify", "worker-train"].map(one)
        );
        assert_eq!(
            named(&[
                "--generate-device",
                "cuda:0,cuda:1",
                "--train-device",
                "cpu"
            ]),
            [
                on("worker-gen", "cuda:0"),
                on("worker-gen-2", "cuda:1"),
                one("worker-verify"),
                on("worker-train", "cpu"),
            ]
        );
        let wrong = Up::try_parse_from(["up", "--train-device", "gpu"]);
        assert!(wrong.is_err_and(|error| error.to_string().contains("unknown device `gpu`")));
    }
}
