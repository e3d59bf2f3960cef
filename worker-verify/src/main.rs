//! The `worker-verify` binary: parse, run, exit code.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod config;

use std::{
    io::{BufReader, Write as _, stdin},
    process::ExitCode,
};

use anyhow::Context as _;
use groklab_runtime::{config::parse, offline, output, process::Service};
use groklab_worker_verify::{
    Isolation, Nsjail, Warm,
    bench::{
        repeat::repeat,
        soak::soak,
        speed::{Effort, bench},
    },
    check::check,
    doctor::{Level, examine},
};

use crate::config::{Cli, Command, Programs};

const NAME: &str = "worker-verify";

fn main() -> ExitCode {
    groklab_worker_verify::return_large_blocks();
    run(parse()).unwrap_or_else(|error| offline::failed(NAME, &error))
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Doctor => doctor(&cli.programs),
        Command::Work { worker, threads } => {
            let service = Service::worker(NAME, worker.process.clone());
            let work = async |process| {
                groklab_worker_verify::work(
                    worker,
                    proven(&cli.programs)?,
                    config::threads(threads),
                    process,
                )
                .await
            };
            Ok(service.run(work))
        }
        Command::Health(args) => Ok(args.run(NAME)),
        Command::Check { json, threads } => {
            let out = output::writer()?;
            let sandbox = proven(&cli.programs)?;
            let summary = check(
                &sandbox,
                config::threads(threads),
                BufReader::new(stdin()),
                out,
                json,
            )?;
            summary
                .complaint()
                .into_iter()
                .for_each(|complaint| output::complain(format!("worker-verify: {complaint}")));
            Ok(ExitCode::from(summary.exit_code()))
        }
        Command::Bench { rounds, candidates } => {
            bench(
                &Nsjail::new(&cli.programs.locate())?,
                Effort { rounds, candidates },
                &mut output::writer()?,
            )?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Soak { count, threads } => {
            let mut out = output::writer()?;
            let jail = Nsjail::new(&cli.programs.locate())?;
            let found = soak(
                || Warm::new(jail),
                count,
                20,
                config::threads(threads),
                &mut out,
            )?;
            found
                .wrong
                .iter()
                .chain(&found.left_over)
                .try_for_each(|line| writeln!(out, "{line}"))?;
            Ok(success(
                found.wrong_count == 0 && found.left_over.is_empty(),
            ))
        }
        Command::Repeat { count, threads } => Ok(success(
            repeat(
                &proven(&cli.programs)?,
                count,
                config::threads(threads),
                &mut output::writer()?,
            )? == 0,
        )),
    }
}

fn success(all_is_well: bool) -> ExitCode {
    if all_is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// A sandbox that has passed its self-test; nothing is verified in any other.
fn proven(programs: &Programs) -> anyhow::Result<Isolation> {
    let sandbox = Isolation::new(
        &programs.locate(),
        programs.isolation,
        programs.reverify_share,
    )
    .context("set up the sandbox")?;
    sandbox.prove()?;
    Ok(sandbox)
}

fn doctor(programs: &Programs) -> anyhow::Result<ExitCode> {
    let mut out = output::writer()?;
    let findings = examine(&programs.locate(), programs.isolation);
    for finding in &findings {
        writeln!(out, "{}", finding.line())?;
    }
    Ok(success(
        findings
            .iter()
            .all(|finding| finding.level != Level::Missing),
    ))
}
