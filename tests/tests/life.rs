//! Deleting and forking experiments with real processes: while workers run, with two coordinators, killed in the middle.
#![expect(
    clippy::unwrap_used,
    reason = "a test: a failure is a panic with its place"
)]

use std::{fs, path::Path, time::Duration};

use groklab_tests::files::{Results, experiment, lines, long_jobs, read};
use groklab_tests::{Process, Stack, wait::until};

const SOON: Duration = Duration::from_secs(60);

/// So many rollouts that deleting them takes a while.
const MANY: u32 = 400_000;

fn gone(stack: &Stack, name: &str) {
    until(
        &format!("{name} to be gone: {}", stack.logs()),
        Duration::from_secs(180),
        || {
            let rows = stack.sql(&format!("select 1 from experiment where name = '{name}'"))?;
            rows.is_empty().then_some(())
        },
    );
}

/// Nothing of an experiment that is not there is left.
fn assert_nothing_dangles(stack: &Stack) {
    for table in [
        "problem",
        "problem_case",
        "job",
        "rollout",
        "adapter",
        "iteration",
        "metric",
        "training_step",
        "event",
    ] {
        let orphans = format!(
            "select count(*) from {table} where not exists (select 1 from experiment e where e.experiment_id = {table}.experiment_id)"
        );
        assert_eq!(stack.sql(&orphans).unwrap(), ["0"], "{table}");
    }
    for query in [
        "select count(*) from verdict left join rollout using (rollout_id) where rollout.rollout_id is null",
        "select count(*) from attempt left join job using (job_id) where job.job_id is null",
        "select count(*) from rollout left join job using (job_id) where job.job_id is null",
    ] {
        assert_eq!(stack.sql(query).unwrap(), ["0"], "{query}");
    }
}

/// Every artifact that a row names has its bytes.
fn assert_bytes_are_there(stack: &Stack) {
    let artifacts = stack.dir.path().join("data/artifacts/sha256");
    for digest in stack.sql("select digest from artifact").unwrap() {
        let hex = digest.trim_start_matches("sha256:");
        assert!(artifacts.join(&hex[..2]).join(hex).exists(), "{digest}");
    }
}

/// Makes an experiment large.
fn multiply(stack: &Stack, name: &str) {
    let insert = format!(
        "with one as (select rollout.* from rollout join verdict using (rollout_id) where experiment_id =
                (select experiment_id from experiment where name = '{name}') limit 1),
         many as (
             insert into rollout (experiment_id, iteration, purpose, problem, sample, job_id, tokens, text, finish, prompt_tokens, mean_logprob)
             select experiment_id, 1000, purpose, problem, n, job_id, tokens, text, finish, prompt_tokens, mean_logprob
             from one, generate_series(1, {MANY}) n
             returning rollout_id, job_id)
         insert into verdict (rollout_id, job_id, verdict, visible_passed, visible_total, hidden_passed, hidden_total, correct, shortcut, error, code,
                cpu_ms, wall_ms, peak_memory_kb)
         select rollout_id, job_id, 'no_code', 0, 1, 0, 1, false, false, '', '', 1, 1, 1 from many"
    );
    stack.sql(&insert).unwrap();
}

#[test]
fn what_is_deleted_while_workers_run_stops_and_leaves_the_others_alone() {
    let mut stack = Stack::full();
    stack.submit(&experiment("alone", 1, "rft"));
    stack.grokctl_ok(&["watch", "alone"]);
    let alone = Results::of(&stack.export("alone"));

    stack.submit(&long_jobs("doomed"));
    stack.submit(&experiment("alone", 1, "rft").replace("\"alone\"", "\"beside\""));
    until("a job of it to be worked on", SOON, || {
        let leased = stack.of(
            "doomed",
            "select 1 from job where EXPERIMENT and state = 'leased'",
        )?;
        (!leased.is_empty()).then_some(())
    });
    let refused = stack.grokctl(&["delete", "doomed", "--yes"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(
        said.contains("it is running") && said.contains("--cancel"),
        "{said}"
    );
    let unasked = stack.grokctl(&["delete", "doomed", "--cancel"]);
    let said = String::from_utf8_lossy(&unasked.stderr).into_owned();
    assert_eq!(unasked.status.code(), Some(2), "{said}");
    assert!(
        said.contains("no terminal") && said.contains("--yes"),
        "{said}"
    );

    stack.grokctl_ok(&["delete", "doomed", "--yes", "--cancel"]);
    gone(&stack, "doomed");
    stack.grokctl_ok(&["watch", "beside"]);
    assert_nothing_dangles(&stack);
    assert_bytes_are_there(&stack);
    let beside = Results::of(&stack.export("beside"));
    assert_eq!(beside, alone);
    assert_eq!(Results::of(&stack.export("alone")), alone);
    assert!(
        stack.workers.iter_mut().all(Process::running),
        "{}",
        stack.logs()
    );
    let missing = stack.grokctl(&["show", "doomed"]);
    assert_eq!(missing.status.code(), Some(3));
}

/// A second coordinator on the database and the artifacts of a stack.
fn second(stack: &Stack) -> Process {
    let (data, folder) = (
        stack.dir.path().join("data"),
        stack.dir.path().join("second"),
    );
    fs::create_dir_all(&folder).unwrap();
    let address = folder.join("address");
    let url = format!(
        "postgres://groklab@localhost/groklab?host={}",
        data.join("postgres/socket").display()
    );
    let flags = [
        "--listen",
        "127.0.0.1:0",
        "--data",
        data.to_str().unwrap(),
        "--address-file",
        address.to_str().unwrap(),
    ];
    let second = Process::start(
        &folder,
        "coordinator",
        &flags,
        &[("GROKLAB_DATABASE_URL", &url)],
    );
    until("the second coordinator", SOON, || {
        address.exists().then_some(())
    });
    second
}

#[test]
fn a_deletion_that_is_killed_in_the_middle_is_finished() {
    let mut stack = Stack::full();
    stack.submit(&experiment("kept", 1, "rft"));
    stack.grokctl_ok(&["watch", "kept"]);
    let kept = Results::of(&stack.export("kept"));
    stack.submit(&experiment("large", 1, "rft").replace("train = 16", "train = 15"));
    stack.grokctl_ok(&["watch", "large"]);
    stack.workers.clear();
    multiply(&stack, "large");
    let left = |stack: &Stack| -> Option<u64> {
        let query = "select count(*) from rollout join experiment using (experiment_id) where name = 'large'";
        stack.sql(query)?.first()?.parse().ok()
    };
    let all = left(&stack).unwrap();
    stack.grokctl_ok(&["delete", "large", "--yes"]);
    let mut steps = Vec::new();
    for share in [1, 3, 5] {
        until("it to go on", SOON, || {
            left(&stack).filter(|left| *left < all - all * share / 8)
        });
        // Whatever it is at: Postgres goes on alone, and rolls back what was not committed.
        stack.coordinator.kill_and_restart();
        stack.wait_until_served();
        steps.push(left(&stack).unwrap_or_default());
        assert_eq!(Results::of(&stack.export("kept")), kept);
    }
    assert!(steps[0] > 0, "it was over before it was killed: {steps:?}");
    gone(&stack, "large");
    assert_nothing_dangles(&stack);
    assert_bytes_are_there(&stack);
    assert_eq!(Results::of(&stack.export("kept")), kept);
}

#[test]
fn two_coordinators_delete_one_experiment_and_one_of_them_dies() {
    let mut stack = Stack::full();
    for name in ["kept", "large"] {
        stack.submit(&experiment(name, 1, "rft"));
        stack.grokctl_ok(&["watch", name]);
    }
    let kept = Results::of(&stack.export("kept"));
    stack.workers.clear();
    multiply(&stack, "large");
    let second = second(&stack);
    stack.grokctl_ok(&["delete", "large", "--yes"]);
    until("rows to go", SOON, || {
        let query = "select 1 from rollout join experiment using (experiment_id) where name = 'large' having count(*) < 350000";
        (!stack.sql(query)?.is_empty()).then_some(())
    });
    let first = stack.address.clone();
    stack.address = read(&stack.dir.path().join("second/address"))
        .trim()
        .to_owned();
    stack.coordinator.kill();
    gone(&stack, "large");
    assert_nothing_dangles(&stack);
    // Twins: all that the one named is the other's too.
    assert_bytes_are_there(&stack);
    assert_eq!(Results::of(&stack.export("kept")), kept);
    drop(second);
    stack.address = first;
    stack.coordinator.kill_and_restart();
    stack.wait_until_served();
}

fn without_iteration(folder: &Path, line: usize) -> serde_json::Value {
    let mut line = lines(&folder.join("metrics.jsonl")).remove(line);
    for field in ["iteration", "seconds", "grokking"] {
        line.as_object_mut().unwrap().remove(field).unwrap();
    }
    line
}

#[test]
fn a_fork_goes_on_from_its_parents_adapter() {
    let stack = Stack::full();
    let file = experiment("parent", 2, "rft").replace("[train]", "[train]\nstart = \"continue\"");
    stack.submit(&file);
    stack.grokctl_ok(&["watch", "parent"]);
    let parent = stack.export("parent");
    let refused = stack.grokctl(&["fork", "parent@1", "--set", "train.rank=4"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(
        said.contains("`train.rank` = 4") && said.contains("fixes it, 16"),
        "{said}"
    );
    let refused = stack.grokctl(&["fork", "parent", "--set", "problems.train=5"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        said.contains("`problems.train` = 5: a fork keeps its parent's, 16"),
        "{said}"
    );

    let set = ["--set", "iterations=1", "--set", "train.learning_rate=1e-3"];
    stack.grokctl_ok(&[&["fork", "parent@2", "--name", "child"], &set[..]].concat());
    stack.grokctl_ok(&[
        "fork",
        "parent@1",
        "--name",
        "own-shape",
        "--set",
        "train.rank=4",
        "--set",
        "train.start=restart",
    ]);
    stack.grokctl_ok(&["delete", "parent", "--yes"]);
    for name in ["child", "own-shape"] {
        stack.grokctl_ok(&["watch", name]);
    }
    let shown = stack.grokctl_ok(&["show", "child"]);
    assert!(
        shown.contains("forked from") && shown.contains("at iteration 2, adapter sha256:"),
        "{shown}"
    );
    let (child, own) = (stack.export("child"), stack.export("own-shape"));
    // The same adapter on the same problems with the same draws.
    assert_eq!(without_iteration(&child, 0), without_iteration(&parent, 2));
    assert_eq!(without_iteration(&own, 0), without_iteration(&parent, 1));
    for split in ["train.jsonl", "val.jsonl", "test.jsonl"] {
        assert_eq!(read(&child.join(split)), read(&parent.join(split)));
    }
    let made = lines(&child.join("iterations.jsonl")).remove(0);
    assert_ne!(made["adapter_in"], made["adapter_out"], "it was trained on");
    let rank = |folder: &Path, i: u32| -> serde_json::Value {
        let path = folder.join(format!("checkpoints/iter_{i}/adapter_config.json"));
        serde_json::from_str::<serde_json::Value>(&read(&path)).unwrap()["r"].clone()
    };
    assert_eq!([rank(&own, 0), rank(&own, 1)], [16, 4]);
    assert!(read(&own.join("report.html")).contains("own-shape"));
}
