//! `detect`: what a file of learning curves shows, by the same search as an experiment's.

use groklab_domain::{
    grokking::{Parameters, detect},
    metrics::Grokking,
};
use groklab_pages::figures::grokking_lines;
use serde_json::json;

use super::context::Context;
use crate::{
    cli::DetectArgs,
    curves,
    failure::{Exit, Failure},
};

pub fn run(context: &Context, args: &DetectArgs) -> Result<Exit, Failure> {
    let mut curves = curves::read(&args.file)?;
    if args.test_from_val {
        if !curves.series.test.is_empty() {
            return Err(Failure::usage("take a test split from val")
                .because("the file has a test split of its own")
                .next("leave --test-from-val out"));
        }
        curves::halve_val(&mut curves.series);
    }
    let parameters = Parameters {
        chance: args.chance,
        ..Parameters::default()
    };
    let mut grokking = Grokking::from(detect(&curves.series, &parameters));
    grokking.close();
    let console = &context.console;
    if console.json() {
        console.print_json(&json!({ "time": curves.time, "grokking": grokking }))?;
        return Ok(Exit::Ok);
    }
    for note in curves.notes {
        console.note(note);
    }
    for line in grokking_lines(&grokking, curves.time) {
        console.print(line)?;
    }
    Ok(Exit::Ok)
}
