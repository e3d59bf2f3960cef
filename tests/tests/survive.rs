//! SIGKILL to every process in the middle of every kind of job: the results are those of a run that was left alone.
#![expect(clippy::unwrap_used, reason = "a test: a failure is a panic with its place")]

use std::time::Duration;

use groklab_tests::files::{Results, experiment};
use groklab_tests::{Stack, wait::until};
use nix::sys::signal::{Signal, kill};

const GENERATE: usize = 1;
const VERIFY: usize = 0;
const TRAIN: usize = 2;

/// Jobs of some seconds, so that a process can be killed in their middle.
fn file(name: &str) -> String {
    experiment(name, 1, "rft").replace("epochs = 4", "epochs = 24").replace("batch_tokens = 1024", "batch_tokens = 256")
}

/// A job in the middle of which everything stands still.
struct Held {
    job: String,
    fence: String,
}

/// Waits for a leased job of `kind` and freezes its worker; certain that the job was not done yet.
fn freeze(stack: &Stack, name: &str, kind: &str, worker: usize) -> Held {
    let query = format!(
        "select job_id, fence from job join experiment using (experiment_id) where name = '{name}' and kind = '{kind}' and job.state = 'leased'"
    );
    until(&format!("a {kind} job of `{name}` to be leased; {}", stack.logs()), Duration::from_secs(120), || {
        stack.sql(&query)?.first()?;
        stack.workers[worker].signal(Signal::SIGSTOP);
        let row = stack.sql(&query).and_then(|rows| rows.first().cloned());
        if row.is_none() {
            stack.workers[worker].signal(Signal::SIGCONT);
        }
        let (job, fence) = row.as_deref()?.split_once('|')?;
        Some(Held { job: job.to_owned(), fence: fence.to_owned() })
    })
}

/// Kills every process but the job's own worker while the job stands still, then that worker too.
fn kill_everything_in_the_middle_of(stack: &mut Stack, name: &str, kind: &str, worker: usize) {
    let held = freeze(stack, name, kind, worker);
    for other in [GENERATE, VERIFY, TRAIN].into_iter().filter(|&other| other != worker) {
        stack.workers[other].kill_and_restart();
    }
    let before = stack.postgres().unwrap();
    kill(before, Signal::SIGKILL).unwrap();
    until("Postgres to be started again", Duration::from_secs(60), || {
        (stack.postgres()? != before && stack.sql("select 1").is_some()).then_some(())
    });
    stack.coordinator.kill_and_restart();
    stack.wait_until_served();
    let unfinished = format!("select 1 from job where job_id = '{}' and state in ('leased', 'ready') and fence = {}", held.job, held.fence);
    assert_eq!(stack.sql(&unfinished).unwrap().len(), 1, "it was killed in the middle of the job");
    stack.workers[worker].kill_and_restart();
    let again = format!("select 1 from attempt where job_id = '{}' and fence > {} and outcome = 'done'", held.job, held.fence);
    until(&format!("another attempt at the job; {}", stack.logs()), Duration::from_secs(120), || {
        stack.sql(&again)?.first().is_some().then_some(())
    });
    let lost = format!("select outcome from attempt where job_id = '{}' and fence = {}", held.job, held.fence);
    assert_eq!(stack.sql(&lost).unwrap(), ["lost"]);
}

/// Nothing is stored twice, nothing is missing, and every attempt has an end.
fn assert_accounts(stack: &Stack, name: &str) {
    let one = |query: &str| {
        stack.sql(&query.replace("ID", &format!("(select experiment_id from experiment where name = '{name}')"))).unwrap()[0].clone()
    };
    assert_eq!(
        one("select count(*), count(distinct (iteration, purpose, problem, sample)) from rollout where experiment_id = ID"),
        "344|344"
    );
    assert_eq!(one("select count(*) from verdict join rollout using (rollout_id) where experiment_id = ID"), "344");
    assert_eq!(one("select count(*) from attempt join job using (job_id) where experiment_id = ID and outcome = 'running'"), "0");
    let doubled = "select count(*) from (select job_id from attempt join job using (job_id) where experiment_id = ID and outcome = 'done' group by 1 having count(*) <> 1) d";
    assert_eq!(one(doubled), "0");
}

fn run(stack: &Stack, name: &str) -> Results {
    stack.grokctl_ok(&["watch", name]);
    assert_accounts(stack, name);
    Results::of(&stack.export(name))
}

#[test]
fn killing_any_process_in_the_middle_of_any_job_changes_nothing() {
    let mut stack = Stack::coordinator(&["--lease-seconds", "4", "--attempts", "20"]);
    for name in ["worker-verify", "worker-gen", "worker-train"] {
        stack.add_worker(name, &[], &[]);
    }
    let submit = |stack: &Stack, name: &str| {
        let path = stack.file("experiment.toml", &file(name));
        stack.grokctl_ok(&["submit", path.to_str().unwrap()]);
    };
    submit(&stack, "alone");
    let alone = run(&stack, "alone");
    assert_eq!(alone.adapters.len(), 1);

    for (kind, worker) in [("generate", GENERATE), ("verify", VERIFY), ("train", TRAIN)] {
        submit(&stack, kind);
        kill_everything_in_the_middle_of(&mut stack, kind, kind, worker);
        assert_eq!(run(&stack, kind), alone, "killed in the middle of a {kind} job");
    }
}
