//! The `worker-verify` binary: parse, run, exit code.

mod config;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::Parser as _;
use groklab_worker_verify::{
    Config, Nsjail,
    check::check,
    doctor::{Level, examine},
    selftest::selftest,
};

use crate::config::{Cli, Command};

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let config = cli.programs.locate();
    match cli.command {
        Command::Doctor => doctor(&config),
        Command::Work { worker, threads } => {
            let work = async |stop| groklab_worker_verify::work(worker, proven(&config)?, config::threads(threads), stop).await;
            Ok(groklab_runtime::process::serve("worker-verify", work))
        }
        Command::Check { json, threads } => {
            let sandbox = proven(&config)?;
            let summary = check(&sandbox, config::threads(threads), io::BufReader::new(io::stdin()), io::stdout().lock(), json)?;
            Ok(if summary.malformed + summary.infrastructure_errors > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
        }
    }
}

/// A sandbox that has passed its self-test; nothing is verified in any other.
fn proven(config: &Config) -> anyhow::Result<Nsjail> {
    let sandbox = Nsjail::new(config).context("set up the sandbox")?;
    selftest(&sandbox)?;
    Ok(sandbox)
}

fn doctor(config: &Config) -> anyhow::Result<ExitCode> {
    let findings = examine(config);
    let mut out = io::stdout().lock();
    for finding in &findings {
        writeln!(out, "{}", finding.line())?;
    }
    Ok(if findings.iter().any(|finding| finding.level == Level::Missing) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
