//! The `worker-verify` binary: parse, run, exit code.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod config;

use std::{
    io::{BufReader, Write as _, stdin},
    num::NonZero,
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use groklab_runtime::{config::parse, metrics::METER, offline, output, process::Service};
use groklab_worker_verify::{
    Isolation, Nsjail, Warm,
    commands::{
        bench::{
            repeat::repeat,
            soak::{Extent, soak},
            speed::{Effort, bench},
        },
        check::check,
        doctor::examine,
        selftest::prove,
    },
    jail::{apparmor_profile, obstacle::no_threads, seccomp_profile},
    judge::pool::Pool,
    metrics::Metrics,
};

use crate::config::{Cli, Command, Profile, Programs};

const NAME: &str = "worker-verify";

/// Lines that a soak prints.
const SOAK_PARTS: usize = 20;

fn main() -> ExitCode {
    groklab_worker_verify::return_large_blocks();
    match run(parse()) {
        Ok(code) => code,
        Err(error) => offline::failed(NAME, &error),
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    // Whatever needs a thread would end without saying why.
    if let Some(obstacle) = no_threads() {
        anyhow::bail!("no thread can be made: {obstacle}");
    }
    let programs = cli.programs;
    match cli.command {
        Command::Doctor { json } => run_doctor(&programs, json),
        Command::Work { worker, threads } => Ok(run_worker(&programs, *worker, threads)),
        Command::ContainerProfile { of } => print_profile(of),
        Command::Health(args) => Ok(args.run(NAME)),
        Command::Check { json, threads } => run_check(&programs, json, threads),
        Command::Bench { rounds, candidates } => {
            // The candidates of a measurement are ours, so nothing has to be proven first.
            let jail = Nsjail::new(&programs.locate())?;
            let effort = Effort { rounds, candidates };
            bench(&jail, effort, &mut output::writer()?)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Soak {
            count,
            threads,
            cpu_ms,
        } => {
            let extent = Extent {
                count,
                parts: SOAK_PARTS,
                threads: config::threads(threads),
                cpu: Duration::from_millis(cpu_ms),
            };
            run_soak(&programs, extent)
        }
        Command::Repeat { count, threads } => {
            let sandbox = proven(&programs, Metrics::default())?;
            let threads = config::threads(threads);
            let different = repeat(&sandbox, count, threads, &mut output::writer()?)?;
            Ok(exit_code(different == 0))
        }
    }
}

fn run_doctor(programs: &Programs, json: bool) -> anyhow::Result<ExitCode> {
    let mut out = output::writer()?;
    let mut is_complete = true;
    for finding in examine(&programs.locate(), programs.isolation) {
        is_complete &= finding.level != groklab_domain::finding::Level::Missing;
        writeln!(out, "{}", finding.shown(json))?;
    }
    Ok(exit_code(is_complete))
}

fn print_profile(of: Profile) -> anyhow::Result<ExitCode> {
    let profile = match of {
        Profile::Seccomp => seccomp_profile(),
        Profile::Apparmor => apparmor_profile().to_owned(),
    };
    output::writer()?.write_all(profile.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn run_worker(
    programs: &Programs,
    worker: groklab_worker::Args,
    threads: Option<NonZero<usize>>,
) -> ExitCode {
    let service = Service::worker(NAME, worker.process.clone());
    let work = async |process| {
        // One set of counts for the sandbox, the pool, the log and whoever reads metrics.
        let metrics = Metrics::default();
        metrics.register(&opentelemetry::global::meter(METER));
        let sandbox = proven(programs, metrics.clone())?;
        let threads = config::threads(threads);
        groklab_worker_verify::work(worker, sandbox, threads, metrics, process).await
    };
    service.run(work)
}

fn run_check(
    programs: &Programs,
    json: bool,
    threads: Option<NonZero<usize>>,
) -> anyhow::Result<ExitCode> {
    let out = output::writer()?;
    let metrics = Metrics::default();
    let pool = Pool {
        sandbox: &proven(programs, metrics.clone())?,
        threads: config::threads(threads),
        metrics: &metrics,
    };
    let summary = check(pool, BufReader::new(stdin()), out, json)?;
    if let Some(complaint) = summary.complaint() {
        output::complain(format!("{NAME}: {complaint}"));
    }
    Ok(ExitCode::from(summary.exit_code()))
}

fn run_soak(programs: &Programs, extent: Extent) -> anyhow::Result<ExitCode> {
    let mut out = output::writer()?;
    let metrics = Metrics::default();
    let jail = Nsjail::new(&programs.locate())?.counted_by(metrics.clone());
    let found = soak(|| Warm::new(jail), extent, &metrics, &mut out)?;
    for line in found.wrong.iter().chain(&found.left_over) {
        writeln!(out, "{line}")?;
    }
    Ok(exit_code(
        found.wrong_count == 0 && found.left_over.is_empty(),
    ))
}

fn exit_code(all_is_well: bool) -> ExitCode {
    if all_is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// A sandbox that has passed its self-test; nothing is verified in any other.
fn proven(programs: &Programs, metrics: Metrics) -> anyhow::Result<Isolation> {
    let sandbox = Isolation::new(
        &programs.locate(),
        programs.isolation,
        programs.reverify_share,
        metrics,
    )
    .context("set up the sandbox")?;
    prove(&sandbox)?;
    Ok(sandbox)
}
