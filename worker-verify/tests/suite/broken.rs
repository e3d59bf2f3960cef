//! With the sandbox broken on purpose nothing is verified: every way to break it is noticed, and named.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use crate::common::{
    NSJAIL, children, config, open_folder, patient, run_in, running_candidate, submission,
};
use groklab_domain::Verdict;
use groklab_worker_verify::{
    Config, Nsjail, Outcome, Warm,
    commands::{doctor, selftest::selftest},
    jail::isolation,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

fn refusal(nsjail: &str) -> String {
    let sandbox = Nsjail::new(&Config {
        nsjail: PathBuf::from(nsjail),
        ..config()
    })
    .expect("the interpreter answers");
    assert_eq!(
        run_in(&sandbox, &submission("def solve(x): return x + 1")).verdict,
        Verdict::InfrastructureError
    );
    selftest(&sandbox)
        .expect_err("nothing runs in it")
        .to_string()
}

#[test]
fn an_nsjail_that_only_fails() {
    let reason = refusal("/bin/false");
    assert!(
        reason.contains("the jail ended before the candidate began"),
        "{reason}"
    );
}

#[test]
fn an_nsjail_that_claims_success() {
    assert!(refusal("/bin/true").contains("Exited(0)"));
}

#[test]
fn an_nsjail_that_is_not_there() {
    let error = Nsjail::new(&Config {
        nsjail: PathBuf::from("/nowhere/nsjail"),
        ..config()
    })
    .unwrap_err();
    assert!(error.to_string().contains("/nowhere/nsjail"));
}

#[test]
fn an_interpreter_that_is_not_there() {
    let broken = Config {
        python: PathBuf::from("/nowhere/python3"),
        ..config()
    };
    assert!(
        Nsjail::new(&broken)
            .unwrap_err()
            .to_string()
            .contains("/nowhere/python3")
    );
    let findings = doctor::examine(&broken, isolation::Path::Warm);
    assert!(findings.iter().any(|finding| finding.level
        == groklab_domain::finding::Level::Missing
        && finding.details.contains("/nowhere/python3")));
}

#[test]
fn a_standard_library_that_is_not_bound() {
    let mut sandbox = Nsjail::new(&config()).unwrap();
    sandbox
        .python
        .binds
        .retain(|path| !path.starts_with("/usr/lib"));
    let reason = selftest(&sandbox).unwrap_err().to_string();
    assert!(reason.contains("infrastructure_error"), "{reason}");
}

#[test]
fn a_jail_that_shows_too_much() {
    let mut sandbox = Nsjail::new(&config()).unwrap();
    sandbox
        .python
        .binds
        .push(Path::new("/etc/passwd").to_owned());
    let reason = selftest(&sandbox).unwrap_err().to_string();
    assert!(
        reason.contains("the machine's own are out of sight"),
        "{reason}"
    );
}

// The warm path, broken while it runs. Whatever breaks, a verdict is right or there is none, and what can go on does.

const RIGHT: &str = "def solve(x): return x + 1";
const WRONG: &str = "def solve(x): return x";

fn passes(warm: &Warm) {
    assert_eq!(run_in(warm, &submission(RIGHT)).verdict, Verdict::Passed);
    assert_eq!(
        run_in(warm, &submission(WRONG)).verdict,
        Verdict::WrongAnswer
    );
}

#[track_caller]
fn no_verdict(outcome: &Outcome, why: &str) {
    assert_eq!(
        outcome.verdict,
        Verdict::InfrastructureError,
        "{outcome:#?}"
    );
    assert!(
        outcome
            .error
            .as_ref()
            .is_some_and(|error| error.contains(why)),
        "{outcome:#?}"
    );
}

fn end(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it is there");
}

/// Starts a candidate that would be given its right answers after its limit, and does `harm` to its jail, its zygote or itself.
fn harmed(warm: &Warm, harm: impl FnOnce(i32, i32, i32)) -> Outcome {
    passes(warm);
    let (jail, zygote) = warm.pids()[0];
    let sleeper = patient("import time\ntime.sleep(1000)");
    thread::scope(|scope| {
        let run = scope.spawn(|| run_in(warm, &sleeper));
        harm(jail, zygote, running_candidate(zygote));
        run.join().expect("it does not panic")
    })
}

#[test]
fn a_jail_that_is_killed_under_a_candidate() {
    let warm = Warm::new(NSJAIL.clone());
    no_verdict(
        &harmed(&warm, |jail, _, _| end(jail)),
        "the zygote does not do its work",
    );
    passes(&warm);
}

#[test]
fn a_zygote_that_is_killed_under_a_candidate() {
    let warm = Warm::new(NSJAIL.clone());
    no_verdict(
        &harmed(&warm, |_, zygote, _| end(zygote)),
        "the zygote does not do its work",
    );
    passes(&warm);
}

#[test]
fn a_candidate_that_is_killed_from_outside() {
    let warm = Warm::new(NSJAIL.clone());
    // It runs again, and comes to its own end.
    assert_eq!(
        harmed(&warm, |_, _, candidate| end(candidate)).verdict,
        Verdict::Timeout
    );
    passes(&warm);
}

/// Whatever moment of its start that is: before it is let in, before its filters, before it says that it is up, or after.
#[test]
fn a_candidate_that_is_killed_while_it_starts_runs_again() {
    let warm = Warm::new(NSJAIL.clone());
    let slow = submission("import time\ntime.sleep(0.05)\ndef solve(x): return x + 1");
    let mut killed = 0;
    for step in 0..40 {
        passes(&warm);
        let (_, zygote) = warm.pids()[0];
        let outcome = thread::scope(|scope| {
            let run = scope.spawn(|| run_in(&warm, &slow));
            while children(zygote).is_empty() && !run.is_finished() {}
            thread::sleep(Duration::from_micros(250 * step));
            killed += children(zygote)
                .into_iter()
                .filter(|pid| kill(Pid::from_raw(*pid), Signal::SIGKILL).is_ok())
                .count();
            run.join().expect("it does not panic")
        });
        assert_eq!(
            outcome.verdict,
            Verdict::Passed,
            "killed {} us after its fork: {outcome:#?}",
            250 * step
        );
    }
    assert!(killed >= 30, "only {killed} of 40 were there to be killed");
}

#[test]
fn a_zygote_that_is_stopped_under_a_candidate_is_given_up() {
    let warm = Warm::new(NSJAIL.clone());
    // It can't tell that its child has ended at the limit.
    let outcome = harmed(&warm, |_, zygote, _| {
        kill(Pid::from_raw(zygote), Signal::SIGSTOP).unwrap()
    });
    no_verdict(&outcome, "the zygote does not do its work");
    passes(&warm);
}

#[test]
fn a_jail_that_breaks_under_a_running_zygote() {
    let folder = open_folder();
    let (broken, wrapper) = (folder.path().join("broken"), folder.path().join("nsjail"));
    let script = format!(
        "#!/bin/sh\n[ -e {} ] && echo 'broken on purpose' && exit 255\nexec {} \"$@\"\n",
        broken.display(),
        NSJAIL.path().display()
    );
    fs::write(&wrapper, script).unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    let warm = Warm::new(
        Nsjail::new(&Config {
            nsjail: wrapper,
            ..config()
        })
        .unwrap(),
    );
    passes(&warm);
    fs::write(&broken, "").unwrap();
    // The zygote that is there needs no nsjail any more.
    passes(&warm);
    end(warm.pids()[0].1);
    for _ in 0..2 {
        no_verdict(&run_in(&warm, &submission(RIGHT)), "broken on purpose");
        assert_eq!(warm.pids(), []);
    }
    no_verdict(&run_in(&warm, &submission(WRONG)), "broken on purpose");
    fs::remove_file(&broken).unwrap();
    passes(&warm);
}

#[test]
fn an_interpreter_that_is_removed_under_a_running_zygote() {
    let folder = open_folder();
    let python = folder.path().join("python3.11");
    // By another process: a file that this one has open for writing while another thread forks could not be executed for an instant.
    let restore = || {
        assert!(
            Command::new("cp")
                .arg(&NSJAIL.python.executable)
                .arg(&python)
                .status()
                .unwrap()
                .success()
        )
    };
    restore();
    let warm = Warm::new(
        Nsjail::new(&Config {
            python: python.clone(),
            ..config()
        })
        .unwrap(),
    );
    passes(&warm);
    fs::remove_file(&python).unwrap();
    passes(&warm);
    end(warm.pids()[0].1);
    no_verdict(&run_in(&warm, &submission(RIGHT)), "python3.11");
    restore();
    passes(&warm);
}
