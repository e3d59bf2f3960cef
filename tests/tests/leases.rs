//! Leases: who slept too long changes nothing, who works keeps its lease, and what kills its worker every time is given up.

use std::{fs, os::unix::fs::PermissionsExt, thread, time::Duration};

use groklab_tests::files::{LONG_JOBS_ROLLOUTS, Results, experiment, long_jobs, trained_for};
use groklab_tests::{Stack, root, wait::until};
use nix::sys::signal::Signal;

const VERIFY: usize = 0;
const GENERATE: usize = 1;
const TRAIN: usize = 2;

fn stack(flags: &[&str]) -> Stack {
    let mut stack = Stack::coordinator(flags);
    for name in ["worker-verify", "worker-gen", "worker-train"] {
        stack.add_worker(name, &[], &[]);
    }
    stack
}

#[test]
fn a_worker_that_wakes_too_late_changes_nothing() {
    let mut stack = stack(&["--lease-seconds", "8"]);
    stack.submit(&experiment("alone", 1, "rft"));
    stack.grokctl_ok(&["watch", "alone"]);
    let alone = Results::of(&stack.export("alone"));

    for (kind, binary, frozen) in [
        ("generate", "worker-gen", GENERATE),
        ("verify", "worker-verify", VERIFY),
        ("train", "worker-train", TRAIN),
    ] {
        stack.submit(&experiment(kind, 1, "rft"));
        let held = stack.freeze(kind, kind, frozen);
        let other = stack.add_worker(binary, &[], &[]);
        let done = format!(
            "select 1 from job where job_id = '{}' and state = 'done' and fence > {}",
            held.job, held.fence
        );
        until(
            &format!("another worker to have done the job: {}", stack.logs()),
            Duration::from_secs(120),
            || (!stack.sql(&done)?.is_empty()).then_some(()),
        );
        stack.workers[frozen].signal(Signal::SIGCONT);
        // What it says of the job is not certain: the job may lie in an answer that it has no more time to read.
        stack.hear_from_its_worker(&held);
        // Where it has a late result, it comes now.
        thread::sleep(Duration::from_secs(2));
        stack.grokctl_ok(&["watch", kind]);
        stack.assert_lost_and_done(&held.job);
        stack.assert_accounts(kind, 28 * 5 * 2 + 16 * 4);
        assert_eq!(
            Results::of(&stack.export(kind)),
            alone,
            "frozen in a {kind} job"
        );
        // One of each kind again, so that it is certain whom the next test freezes.
        stack.workers[other].stop(Duration::from_secs(30));
    }
}

#[test]
fn work_that_takes_longer_than_the_lease_keeps_it() {
    let stack = stack(&["--lease-seconds", "5"]);
    stack.submit(&trained_for(&experiment("long", 1, "rft"), 1000));
    let held = until("it to be in training", Duration::from_secs(180), || {
        stack.leased("long", "train")
    });
    thread::sleep(Duration::from_secs(12));
    assert_eq!(
        stack.leased("long", "train"),
        Some(held.clone()),
        "one attempt, of more than two leases' length"
    );
    assert_eq!(stack.attempts(&held.job), ["running"]);
    assert_eq!(
        stack.one(
            "long",
            "select count(*) from job where EXPERIMENT and losses > 0"
        ),
        "0"
    );
    stack.grokctl_ok(&["cancel", "long"]);
}

#[test]
fn one_call_that_takes_longer_than_the_lease_keeps_it() {
    let stack = stack(&["--lease-seconds", "5"]);
    for (kind, worker) in [("generate", GENERATE), ("train", TRAIN)] {
        stack.submit(&long_jobs(kind));
        let (held, stuck) = stack.stick(kind, kind, worker);
        // The call itself is what takes the time: more than three leases.
        thread::sleep(Duration::from_secs(16));
        assert_eq!(
            stack.leased(kind, kind).as_ref(),
            Some(&held),
            "nobody else has it"
        );
        drop(stuck);
        stack.grokctl_ok(&["watch", kind]);
        assert_eq!(stack.attempts(&held.job), ["done"]);
        stack.assert_accounts(kind, LONG_JOBS_ROLLOUTS);
    }
}

#[test]
fn a_call_that_never_returns_loses_its_lease() {
    let mut stack = Stack::coordinator(&["--lease-seconds", "2", "--attempts", "20"]);
    for name in ["worker-verify", "worker-gen", "worker-train"] {
        stack.add_worker(name, &["--stall-seconds", "3"], &[]);
    }
    stack.submit(&long_jobs("stuck"));
    let (held, stuck) = stack.stick("stuck", "train", TRAIN);
    stack.add_worker("worker-train", &[], &[]);
    stack.grokctl_ok(&["watch", "stuck"]);
    drop(stuck);
    stack.assert_lost_and_done(&held.job);
    stack.assert_accounts("stuck", LONG_JOBS_ROLLOUTS);
}

#[test]
fn a_job_that_kills_its_worker_every_time_pauses_its_experiment_alone() {
    let mut stack = Stack::coordinator(&["--lease-seconds", "1"]);
    stack.add_worker("worker-gen", &[], &[]);
    // A jail for each candidate: the memory limit tells the poisonous experiment's sandboxes from the other's.
    let wrapper = stack.dir.path().join("nsjail");
    let real = root().join(".groklab/bin/nsjail");
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *rlimit_as*333*) kill -9 $PPID;; esac\nexec {} \"$@\"\n",
        real.display()
    );
    fs::write(&wrapper, script).unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    let verifier = stack.add_worker(
        "worker-verify",
        &["--nsjail", wrapper.to_str().unwrap(), "--isolation", "cold"],
        &[],
    );
    stack.submit(&(experiment("poison", 0, "none") + "[verify]\nmemory_mb = 333\n"));
    stack.submit(&experiment("healthy", 0, "none"));
    let mut deaths = 0;
    until(
        &format!(
            "the poisonous experiment to be paused and the other to complete: {}",
            stack.logs()
        ),
        Duration::from_secs(600),
        || {
            if !stack.workers[verifier].running() {
                deaths += 1;
                stack.workers[verifier].kill_and_restart();
            }
            (stack.state("poison") == "paused" && stack.state("healthy") == "completed")
                .then_some(())
        },
    );
    assert!(deaths >= 3, "{deaths}");
    let reason = stack.one("poison", "select reason from experiment where EXPERIMENT");
    assert!(
        reason.contains("verify job") && reason.contains("lease expired"),
        "{reason}"
    );
    assert!(
        stack
            .one(
                "poison",
                "select count(*) from job where EXPERIMENT and state = 'split'"
            )
            .parse::<u32>()
            .unwrap()
            >= 1
    );
    let watched = stack.grokctl(&["watch", "poison"]);
    assert_eq!(watched.status.code(), Some(5));
    assert!(
        String::from_utf8_lossy(&watched.stderr).contains("grokctl resume poison"),
        "{watched:?}"
    );

    // Without what kills its workers it goes on where it was, and nothing is missing.
    let healthy = Results::of(&stack.export("healthy"));
    fs::remove_file(&wrapper).unwrap();
    std::os::unix::fs::symlink(&real, &wrapper).unwrap();
    if !stack.workers[verifier].running() {
        stack.workers[verifier].kill_and_restart();
    }
    stack.grokctl_ok(&["resume", "poison"]);
    stack.grokctl_ok(&["watch", "poison"]);
    stack.assert_accounts("poison", 28 * 5);
    assert_eq!(
        Results::of(&stack.export("poison")).rollouts.len(),
        healthy.rollouts.len()
    );
}
