//! Workers with a share of a CPU each.

use std::{fs, time::Duration};

use groklab_tests::wait::until;

use crate::{engine::engine_if_asked_for, files::composes, installation::Installation};

/// With so much to verify that what a worker does once, at its start, counts for little.
fn experiment(box_one: &Installation, name: &str) -> String {
    let file = box_one.busy_experiment(name);
    let path = box_one.home().join(&file);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("samples = 32", "samples = 128")).unwrap();
    file
}

/// Seconds from the first claim of the experiment's verify jobs to the end of the last, by so many
/// workers that are there before.
fn seconds_of_verifying(box_one: &Installation, workers: usize) -> f64 {
    let name = format!("by-{workers}");
    box_one.up(&["--scale", "worker-verify=0"]);
    box_one.grokctl_ok(&["submit", &experiment(box_one, &name)]);
    let ask = |what: &str, jobs: &str| {
        box_one.sql(&format!(
            "select {what} from job join experiment using (experiment_id) \
             left join attempt using (job_id) where name = '{name}' and {jobs}"
        ))
    };
    until("all completions", Duration::from_secs(240), || {
        let open = ask(
            "count(*)",
            "kind = 'generate' and job.state in ('ready', 'leased')",
        );
        (open == "0" && ask("count(*)", "kind = 'verify'") != "0").then_some(())
    });
    box_one.grokctl_ok(&["pause", &name]);
    box_one.up(&["--scale", &format!("worker-verify={workers}")]);
    box_one.wait_for_workers("verify", workers);
    box_one.grokctl_ok(&["resume", &name]);
    // Of the first evaluation alone, whose jobs were all there before.
    let jobs = "kind = 'verify' and purpose = 'eval' and job.iteration = 0";
    until("all verdicts", Duration::from_secs(240), || {
        let open = ask("count(*)", &format!("{jobs} and job.state <> 'done'"));
        (open == "0").then_some(())
    });
    let seconds = ask(
        "extract(epoch from max(finished_at) - min(started_at))",
        jobs,
    );
    let seconds = seconds.parse().unwrap();
    box_one.grokctl_ok(&["cancel", &name]);
    seconds
}

#[test]
fn four_workers_verify_nearly_four_times_as_fast_as_one() {
    let Some(_alone) = engine_if_asked_for() else {
        return;
    };
    let box_one = Installation::new("shares", composes()[0]).with("VERIFY_CPUS", "0.3");
    box_one.up(&["--scale", "worker-verify=0"]);
    let one = seconds_of_verifying(&box_one, 1);
    let four = seconds_of_verifying(&box_one, 4);
    println!(
        "one worker took {one} s, four took {four} s: {:.2} times",
        one / four
    );
    assert!(one / four >= 3.4, "{one} s and {four} s");
}
