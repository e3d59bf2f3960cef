//! SIGTERM and Ctrl-C: what runs drains, leases are given back, no child stays behind; a second Ctrl-C ends at once.
#![expect(
    clippy::unwrap_used,
    reason = "a test: a failure is a panic with its place"
)]

use std::{fs, time::Duration};

use groklab_tests::files::{experiment, trained_for, wide};
use groklab_tests::processes::{alive, descendants, naming};
use groklab_tests::{Process, Stack, wait::until};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

const SOON: Duration = Duration::from_secs(45);

/// Jobs that would take minutes: every one is in its middle when the signal comes.
fn endless(name: &str) -> String {
    trained_for(&wide(&experiment(name, 1, "rft"), 64), 1000)
}

fn gone(what: &str, processes: &[(u32, String)]) {
    until(&format!("{what} to leave nothing behind"), SOON, || {
        alive(processes).is_empty().then_some(())
    });
}

#[test]
fn a_stopped_worker_gives_its_job_back_and_leaves_nothing() {
    let mut stack = Stack::coordinator(&["--lease-seconds", "600"]);
    for name in ["worker-verify", "worker-gen", "worker-train"] {
        stack.add_worker(name, &["--grace-seconds", "1"], &[]);
    }
    stack.submit(&endless("long"));
    for (kind, worker) in [("generate", 1), ("verify", 0), ("train", 2)] {
        let leased = format!(
            "select job_id from job where EXPERIMENT and kind = '{kind}' and state = 'leased' limit 1"
        );
        let job = until(
            &format!("a {kind} job: {}", stack.logs()),
            Duration::from_secs(180),
            || stack.of("long", &leased)?.first().cloned(),
        );
        let children = descendants(stack.workers[worker].id());
        kill(
            Pid::from_raw(stack.workers[worker].id().cast_signed()),
            Signal::SIGTERM,
        )
        .unwrap();
        let status = stack.workers[worker].wait(SOON);
        assert!(
            status.success(),
            "{kind}: {status}: {}",
            stack.workers[worker].log()
        );
        gone(kind, &children);
        // What it had not heard of yet the coordinator takes back, within a second.
        let row = until("nobody to hold the job", SOON, || {
            stack
                .sql(&format!(
                    "select state, losses, failures from job where job_id = '{job}'"
                ))
                .filter(|row| !row[0].starts_with("leased"))
        });
        let given_back = row == ["ready|0|0"] && stack.attempts(&job) == ["cancelled"];
        let finished = row == ["done|0|0"] && stack.attempts(&job) == ["done"];
        assert!(
            given_back || finished,
            "{kind}: {row:?} {:?}",
            stack.attempts(&job)
        );
        assert!(
            kind != "train" || given_back,
            "it could not have been finished"
        );
        let name = ["worker-verify", "worker-gen", "worker-train"][worker];
        stack.add_worker(name, &["--grace-seconds", "1"], &[]);
    }
    // The coordinator last: its Postgres goes with it.
    stack.workers.clear();
    let postgres = stack.postgres().unwrap();
    let status = stack.coordinator.stop(SOON);
    assert!(status.success(), "{status}: {}", stack.coordinator.log());
    assert!(kill(postgres, None).is_err(), "its Postgres ended with it");
    assert_eq!(
        naming(stack.dir.path().to_str().unwrap()),
        Vec::<String>::new()
    );
}

/// The answer to their last call for work lies unread when the word to stop comes: they may never look at it.
#[test]
fn jobs_on_their_way_to_workers_that_stop_are_given_back() {
    let mut stack = Stack::coordinator(&["--lease-seconds", "600"]);
    for _ in 0..4 {
        stack.add_worker("worker-gen", &["--grace-seconds", "1"], &[]);
    }
    // Each has asked for work: a call that waits is seen again after a while.
    until("four workers", SOON, || {
        (stack.sql("select count(*) from worker where seen_at > registered_at")? == ["4"])
            .then_some(())
    });
    for worker in &stack.workers {
        signal(worker, Signal::SIGSTOP);
    }
    // A job for each, and more.
    stack.submit(&wide(&experiment("long", 1, "rft"), 256));
    until("each to be given a job", SOON, || {
        (stack.sql("select count(*) from job where state = 'leased'")? == ["4"]).then_some(())
    });
    for worker in &stack.workers {
        signal(worker, Signal::SIGTERM);
        signal(worker, Signal::SIGCONT);
    }
    for worker in &mut stack.workers {
        assert!(worker.wait(SOON).success(), "{}", worker.log());
    }
    until("nobody to hold a job", SOON, || {
        (stack.sql("select count(*) from job where state = 'leased'")? == ["0"]).then_some(())
    });
    // Whoever looks at it first may be done within the grace time.
    assert_eq!(
        stack
            .sql("select count(*) from attempt where outcome not in ('cancelled', 'done')")
            .unwrap(),
        ["0"]
    );
    assert_eq!(
        stack
            .sql("select count(*) from job where losses + failures > 0")
            .unwrap(),
        ["0"]
    );
}

/// `grokctl run --local` on an endless experiment, in the middle of the training.
fn running() -> (tempfile::TempDir, Process, Vec<(u32, String)>) {
    let dir = groklab_tests::folder();
    let file = dir.path().join("experiment.toml");
    fs::write(&file, trained_for(&experiment("long", 1, "rft"), 1000)).unwrap();
    let (data, out) = (dir.path().join("data"), dir.path().join("out"));
    let flags = [
        "run",
        "--local",
        file.to_str().unwrap(),
        "--data",
        data.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
    ];
    let mut run = Process::start(dir.path(), "grokctl", &flags, &[]);
    until("training to have begun", Duration::from_secs(180), || {
        assert!(run.running(), "{}", run.log());
        let log = fs::read_to_string(data.join("logs/coordinator.log")).unwrap_or_default();
        log.lines()
            .any(|line| line.contains("job leased") && line.contains("\"train\""))
            .then_some(())
    });
    let children = descendants(run.id());
    assert!(children.len() >= 4, "{children:?}");
    (dir, run, children)
}

fn signal(process: &Process, signal: Signal) {
    kill(Pid::from_raw(process.id().cast_signed()), signal).unwrap();
}

#[test]
fn ctrl_c_stops_everything_in_order() {
    let (dir, mut run, children) = running();
    signal(&run, Signal::SIGINT);
    let status = run.wait(Duration::from_secs(90));
    assert_eq!(status.code(), Some(130), "{}", run.log());
    gone("run --local", &children);
    assert_eq!(naming(dir.path().to_str().unwrap()), Vec::<String>::new());
    assert!(run.log().contains("goes on with it"), "{}", run.log());
}

#[test]
fn a_second_ctrl_c_ends_at_once() {
    let (dir, mut run, children) = running();
    signal(&run, Signal::SIGINT);
    until("it to begin to stop", SOON, || {
        run.log().contains("stopping").then_some(())
    });
    signal(&run, Signal::SIGINT);
    assert_eq!(
        run.wait(Duration::from_secs(15)).code(),
        Some(130),
        "{}",
        run.log()
    );
    gone("run --local", &children);
    until("all processes of the folder to end", SOON, || {
        naming(dir.path().to_str().unwrap())
            .is_empty()
            .then_some(())
    });
}

#[test]
fn what_is_killed_without_a_word_leaves_nothing_either() {
    let (dir, mut run, children) = running();
    signal(&run, Signal::SIGKILL);
    run.wait(SOON);
    gone("run --local", &children);
    until("all processes of the folder to end", SOON, || {
        naming(dir.path().to_str().unwrap())
            .is_empty()
            .then_some(())
    });
}
