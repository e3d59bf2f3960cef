//! Several workers of a kind share one experiment; some join and some leave in its middle.

use std::time::Duration;

use groklab_tests::files::{Results, experiment};
use groklab_tests::{Stack, wait::until};

/// Many small jobs.
fn file(name: &str) -> String {
    experiment(name, 1, "rft").replace(
        "max_new_tokens = 48",
        "max_new_tokens = 48\nrollouts_per_job = 8",
    )
}

/// How many workers have done jobs of a kind.
fn workers(stack: &Stack, name: &str, kind: &str) -> usize {
    let query = format!(
        "select count(distinct attempt.worker_id) from attempt join job using (job_id) where EXPERIMENT and kind = '{kind}' and outcome = 'done'"
    );
    stack
        .of(name, &query)
        .and_then(|rows| rows.first()?.parse().ok())
        .unwrap_or(0)
}

#[test]
fn workers_share_join_and_leave() {
    let mut stack = Stack::full();
    stack.submit(&file("alone"));
    stack.grokctl_ok(&["watch", "alone"]);
    let alone = Results::of(&stack.export("alone"));

    for name in ["worker-verify", "worker-gen"] {
        stack.add_worker(name, &[], &[]);
    }
    until("five workers", Duration::from_secs(180), || {
        (stack.sql("select count(*) from worker")? == ["5"]).then_some(())
    });
    stack.submit(&file("shared"));
    until(
        "two workers of each kind to have done some of it",
        Duration::from_secs(120),
        || {
            (workers(&stack, "shared", "verify") >= 2 && workers(&stack, "shared", "generate") >= 2)
                .then_some(())
        },
    );
    assert_eq!(stack.state("shared"), "running", "in the middle of it");
    // Held back until the newcomers are there, so that there is work left for them.
    stack.grokctl_ok(&["pause", "shared"]);
    for name in ["worker-verify", "worker-gen"] {
        stack.add_worker(name, &[], &[]);
    }
    until("seven workers", Duration::from_secs(180), || {
        (stack.sql("select count(*) from worker")? == ["7"]).then_some(())
    });
    stack.grokctl_ok(&["resume", "shared"]);
    until(
        "the newcomers to have done some of it",
        Duration::from_secs(120),
        || {
            (workers(&stack, "shared", "verify") >= 3 && workers(&stack, "shared", "generate") >= 3)
                .then_some(())
        },
    );
    for leaving in [0, 1] {
        assert!(
            stack.workers[leaving]
                .stop(Duration::from_secs(30))
                .success(),
            "{}",
            stack.workers[leaving].log()
        );
    }
    stack.grokctl_ok(&["watch", "shared"]);
    stack.assert_accounts("shared", 28 * 5 * 2 + 16 * 4);
    assert_eq!(Results::of(&stack.export("shared")), alone);
    let lost =
        stack.one("shared", "select count(*) from attempt join job using (job_id) where EXPERIMENT and outcome in ('lost', 'failed')");
    assert_eq!(lost, "0", "who leaves gives its jobs back");
}
