//! The `worker-verify` binary: parse, run, exit code.

mod config;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::Parser as _;
use groklab_worker_verify::{
    Isolation,
    check::check,
    doctor::{Level, examine},
};

use crate::config::{Cli, Command, Programs};

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    match cli.command {
        Command::Doctor => doctor(&cli.programs),
        Command::Work { worker, threads } => {
            let work = async |stop| groklab_worker_verify::work(worker, proven(&cli.programs)?, config::threads(threads), stop).await;
            Ok(groklab_runtime::process::serve("worker-verify", work))
        }
        Command::Check { json, threads } => {
            let sandbox = proven(&cli.programs)?;
            let summary = check(&sandbox, config::threads(threads), io::BufReader::new(io::stdin()), io::stdout().lock(), json)?;
            Ok(if summary.malformed + summary.infrastructure_errors > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
        }
    }
}

/// A sandbox that has passed its self-test; nothing is verified in any other.
fn proven(programs: &Programs) -> anyhow::Result<Isolation> {
    let sandbox = Isolation::new(&programs.locate(), programs.isolation, programs.reverify_share).context("set up the sandbox")?;
    sandbox.prove()?;
    Ok(sandbox)
}

fn doctor(programs: &Programs) -> anyhow::Result<ExitCode> {
    let findings = examine(&programs.locate(), programs.isolation);
    let mut out = io::stdout().lock();
    for finding in &findings {
        writeln!(out, "{}", finding.line())?;
    }
    Ok(if findings.iter().any(|finding| finding.level == Level::Missing) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
