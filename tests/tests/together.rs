//! Two experiments at once, and what a person does to one of them while it works: cancel, pause, resume.

use std::thread;
use std::time::{Duration, Instant};

use groklab_tests::Stack;
use groklab_tests::files::{Results, experiment, trained_for, wide};
use groklab_tests::wait::until;
use nix::sys::signal::Signal;

/// "Within seconds", with room for a slow machine.
const SOON: Duration = Duration::from_secs(10);

fn leased(stack: &Stack, name: &str, kind: &str) -> bool {
    let query =
        format!("select 1 from job where EXPERIMENT and kind = '{kind}' and state = 'leased'");
    stack.of(name, &query).is_some_and(|rows| !rows.is_empty())
}

#[test]
fn two_experiments_share_the_workers_fairly() {
    let mut stack = Stack::coordinator(&[]);
    let file = |name: &str| {
        experiment(name, 0, "none").replace(
            "max_new_tokens = 48",
            "max_new_tokens = 48\nrollouts_per_job = 4",
        )
    };
    stack.submit(&file("one"));
    stack.submit(&file("other"));
    until(
        "both to have all their jobs",
        Duration::from_secs(60),
        || {
            let query = "select count(*) from job where state = 'ready' group by experiment_id";
            (stack.sql(query)? == ["35", "35"]).then_some(())
        },
    );
    for name in ["worker-gen", "worker-verify"] {
        stack.add_worker(name, &[], &[]);
    }
    for name in ["one", "other"] {
        stack.grokctl_ok(&["watch", name]);
    }
    let order = "select name from attempt join job using (job_id) join experiment using (experiment_id) where kind = 'generate' order by started_at";
    let order = stack.sql(order).unwrap();
    assert_eq!(order.len(), 70);
    for started in 1..=70 {
        let one = order[..started]
            .iter()
            .filter(|name| *name == "one")
            .count();
        assert!(
            one.abs_diff(started - one) <= 2,
            "of the first {started} jobs {one} were of one experiment: {order:?}"
        );
    }
}

#[test]
fn cancel_takes_effect_in_the_middle_of_a_job() {
    let stack = Stack::full();
    // Generating in jobs as large as one may be, and training that would go on for many minutes.
    let (large, endless) = (
        wide(&experiment("generating", 0, "none"), 128),
        trained_for(&experiment("training", 1, "rft"), 1000),
    );
    for (name, kind, worker, file) in [
        ("generating", "generate", 1, large),
        ("training", "train", 2, endless),
    ] {
        let ended = |stack: &Stack| {
            stack.workers[worker]
                .log()
                .matches("job given back")
                .count()
        };
        stack.submit(&file);
        // The largest generate job takes the tiny model a second or two, so it stands still until the worker has heard of the cancelling.
        let held = (kind == "generate").then(|| stack.stick(name, kind, worker));
        until(
            &format!("a {kind} job to be worked on: {}", stack.logs()),
            Duration::from_secs(120),
            || leased(&stack, name, kind).then_some(()),
        );
        let before = ended(&stack);
        stack.grokctl_ok(&["cancel", name]);
        let asked = Instant::now();
        assert_eq!(stack.state(name), "cancelled");
        if let Some((job, stuck)) = held {
            stack.hear_from_its_worker(&job);
            // Its answer is read.
            thread::sleep(Duration::from_secs(1));
            drop(stuck);
        }
        // The worker stops in the middle, gives it back and does other work: that of an experiment submitted now.
        until(
            &format!("the worker to drop the job: {}", stack.logs()),
            SOON,
            || (ended(&stack) > before).then_some(()),
        );
        eprintln!(
            "{kind}: dropped {:.1} s after the cancelling",
            asked.elapsed().as_secs_f64()
        );
        let next = format!("after-{name}");
        stack.submit(&experiment(&next, 1, "rft"));
        until(
            &format!("the worker to go on with other work: {}", stack.logs()),
            Duration::from_secs(60),
            || {
                let query = format!(
                    "select 1 from attempt join job using (job_id) where EXPERIMENT and kind = '{kind}'"
                );
                (!stack.of(&next, &query)?.is_empty()).then_some(())
            },
        );
        stack.grokctl_ok(&["watch", &next]);
        assert_eq!(
            stack.one(
                name,
                "select count(*) from job where EXPERIMENT and state in ('ready', 'leased')"
            ),
            "0"
        );
        assert_eq!(stack.one(name, "select count(*) from attempt join job using (job_id) where EXPERIMENT and outcome = 'running'"), "0");
        assert!(
            stack.export(name).join("config.json").exists(),
            "what it stored stays"
        );
    }
}

#[test]
fn a_paused_experiment_goes_on_where_it_was() {
    let stack = Stack::full();
    let file = |name: &str| {
        experiment(name, 1, "rft").replace(
            "max_new_tokens = 48",
            "max_new_tokens = 48\nrollouts_per_job = 16",
        )
    };
    stack.submit(&file("alone"));
    stack.grokctl_ok(&["watch", "alone"]);
    let alone = Results::of(&stack.export("alone"));

    // What is generated is not verified, so that there is work left when the pause comes. Whether a job is just being
    // generated cannot be waited for: the tiny model has done all of them before anybody looks.
    stack.workers[0].signal(Signal::SIGSTOP);
    stack.submit(&file("paused"));
    let tried =
        "select 1 from attempt join job using (job_id) where EXPERIMENT and kind = 'generate'";
    until("it to generate", Duration::from_secs(60), || {
        (!stack.of("paused", tried)?.is_empty()).then_some(())
    });
    stack.grokctl_ok(&["pause", "paused"]);
    stack.workers[0].signal(Signal::SIGCONT);
    until(
        &format!("running jobs to have ended: {}", stack.logs()),
        // Whoever woke up may have lost the answer with its job: then its lease must end.
        Duration::from_secs(90),
        || {
            (stack.one(
                "paused",
                "select count(*) from job where EXPERIMENT and state = 'leased'",
            ) == "0")
                .then_some(())
        },
    );
    let attempts = stack.one(
        "paused",
        "select count(*) from attempt join job using (job_id) where EXPERIMENT",
    );
    let ready = stack.one(
        "paused",
        "select count(*) from job where EXPERIMENT and state = 'ready'",
    );
    assert_ne!(ready, "0", "there was work left to hold back");
    // Others are served meanwhile, so workers did ask for work.
    stack.submit(&experiment("meanwhile", 0, "none"));
    stack.grokctl_ok(&["watch", "meanwhile"]);
    assert_eq!(
        stack.one(
            "paused",
            "select count(*) from attempt join job using (job_id) where EXPERIMENT"
        ),
        attempts
    );
    stack.grokctl_ok(&["resume", "paused"]);
    stack.grokctl_ok(&["watch", "paused"]);
    stack.assert_accounts("paused", 28 * 5 * 2 + 16 * 4);
    assert_eq!(Results::of(&stack.export("paused")), alone);
}
