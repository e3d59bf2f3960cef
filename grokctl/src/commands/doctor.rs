//! `doctor`: what this machine has and lacks to run everything on it.

use groklab_domain::finding::{Finding, Level};
use serde::Serialize;

use super::context::Context;
use crate::{
    cli::DoctorArgs,
    failure::{Exit, Failure},
    up::{ask, bin_folder, programs_to_ask},
};

/// What a program found, for a program.
#[derive(Serialize)]
struct Line<'a> {
    program: &'static str,
    #[serde(flatten)]
    finding: &'a Finding,
}

pub async fn run(context: &Context, args: &DoctorArgs) -> Result<Exit, Failure> {
    let folder = bin_folder(args.bin_dir.as_deref())?;
    let console = &context.console;
    let mut lacking = Vec::new();
    for program in programs_to_ask() {
        let findings = ask(&folder, program).await;
        if !console.json() {
            console.print(program)?;
        }
        for finding in &findings {
            if console.json() {
                console.print_json(&Line { program, finding })?;
            } else {
                console.print(format!("  {}", finding.line()))?;
            }
        }
        if findings.iter().any(|found| found.level == Level::Missing) {
            lacking.push(program);
        }
    }
    if lacking.is_empty() {
        return Ok(Exit::Ok);
    }
    let why = format!("{} cannot start here: see FAIL above", lacking.join(", "));
    Err(Failure::other("run everything on this machine").because(why))
}
