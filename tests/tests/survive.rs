//! SIGKILL to every process in the middle of every kind of job: the results are those of a run that was left alone.
#![expect(
    clippy::unwrap_used,
    reason = "a test: a failure is a panic with its place"
)]

use std::time::Duration;

use groklab_tests::files::{LONG_JOBS_ROLLOUTS, Results, long_jobs};
use groklab_tests::{Stack, wait::until};
use nix::sys::signal::{Signal, kill};

const GENERATE: usize = 1;
const VERIFY: usize = 0;
const TRAIN: usize = 2;

/// Kills every process but the job's own worker while the job stands still, then that worker too.
fn kill_everything_in_the_middle_of(stack: &mut Stack, name: &str, kind: &str, worker: usize) {
    let held = stack.freeze(name, kind, worker);
    for other in [GENERATE, VERIFY, TRAIN]
        .into_iter()
        .filter(|&other| other != worker)
    {
        stack.workers[other].kill_and_restart();
    }
    let before = stack.postgres().unwrap();
    kill(before, Signal::SIGKILL).unwrap();
    until(
        "Postgres to be started again",
        Duration::from_secs(180),
        || (stack.postgres()? != before && stack.sql("select 1").is_some()).then_some(()),
    );
    stack.coordinator.kill_and_restart();
    stack.wait_until_served();
    let unfinished = format!(
        "select 1 from job where job_id = '{}' and state in ('leased', 'ready') and fence = {}",
        held.job, held.fence
    );
    assert_eq!(
        stack.sql(&unfinished).unwrap().len(),
        1,
        "it was killed in the middle of the job"
    );
    stack.workers[worker].kill_and_restart();
    let again = format!(
        "select 1 from attempt where job_id = '{}' and fence > {} and outcome = 'done'",
        held.job, held.fence
    );
    until(
        &format!("another attempt at the job; {}", stack.logs()),
        Duration::from_secs(120),
        || (!stack.sql(&again)?.is_empty()).then_some(()),
    );
    stack.assert_lost_and_done(&held.job);
}

fn run(stack: &Stack, name: &str) -> Results {
    stack.grokctl_ok(&["watch", name]);
    stack.assert_accounts(name, LONG_JOBS_ROLLOUTS);
    Results::of(&stack.export(name))
}

#[test]
fn killing_any_process_in_the_middle_of_any_job_changes_nothing() {
    let mut stack = Stack::coordinator(&["--lease-seconds", "4", "--attempts", "20"]);
    for name in ["worker-verify", "worker-gen", "worker-train"] {
        stack.add_worker(name, &[], &[]);
    }
    stack.submit(&long_jobs("alone"));
    let alone = run(&stack, "alone");
    assert!(alone.adapters.contains_key("iter_1"));

    for (kind, worker) in [("generate", GENERATE), ("verify", VERIFY), ("train", TRAIN)] {
        stack.submit(&long_jobs(kind));
        kill_everything_in_the_middle_of(&mut stack, kind, kind, worker);
        assert_eq!(
            run(&stack, kind),
            alone,
            "killed in the middle of a {kind} job"
        );
    }
}
