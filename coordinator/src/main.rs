//! Starts a coordinator.

#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use groklab_coordinator::{Command, Config, DoctorArgs, QueueFace, postgres};
use groklab_domain::finding::Level;
use groklab_runtime::{
    offline, output,
    process::{Service, USAGE},
};

const NAME: &str = "coordinator";

fn main() -> ExitCode {
    match Config::from_args() {
        Ok(Command::Run(config)) => serve(*config),
        Ok(Command::Print(text)) => offline::run(NAME, || Ok(output::line(text)?)),
        Ok(Command::Health(health)) => health.run(NAME),
        Ok(Command::Doctor(args)) => offline::run(NAME, || doctor(&args)),
        Err(error) => {
            output::complain(format!("{NAME}: error: {error:#}"));
            ExitCode::from(USAGE)
        }
    }
}

fn doctor(args: &DoctorArgs) -> anyhow::Result<()> {
    let findings = postgres::examine();
    for finding in &findings {
        output::line(finding.shown(args.json))?;
    }
    let missing = findings.iter().any(|found| found.level == Level::Missing);
    anyhow::ensure!(
        !missing,
        "a coordinator with a Postgres of its own cannot start here"
    );
    Ok(())
}

fn serve(config: Config) -> ExitCode {
    let queue = QueueFace::default();
    let service = Service {
        name: NAME,
        args: config.process.clone(),
        // It does nothing but wait for the network and the database: a thread for every core.
        runtime_threads: None,
        routes: queue.routes(),
    };
    service.run(|process| groklab_coordinator::run(config, process, queue))
}
