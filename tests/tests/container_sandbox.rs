//! The sandbox in a container, without privileges: under the profile that the worker prints for it
//! everything holds, and what is missing from a container is named by the worker that refuses to
//! start in it, with the fix.
#![expect(
    clippy::unwrap_used,
    reason = "a test: a failure is a panic with its place"
)]

use std::{
    fs,
    path::PathBuf,
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use groklab_tests::{
    Stack, binary,
    containers::{self, Container, Ended, inside},
    files::{experiment, lines},
    folder, root, skip, test_binary,
    wait::until,
};
use serde_json::{Value, json};

const PROFILE: &str = "deploy/seccomp/worker-verify.json";
const DOCTOR_DEADLINE: Duration = Duration::from_secs(180);
const SUITE_DEADLINE: Duration = Duration::from_secs(1200);

/// One container at a time: each has all the cores that there are, and limits on CPU time to keep.
static TURN: Mutex<()> = Mutex::new(());

/// Waits for its turn. None, and said why, where there are no containers.
fn turn() -> Option<MutexGuard<'static, ()>> {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    match containers::missing() {
        None => Some(turn),
        Some(reason) => {
            skip(&reason);
            None
        }
    }
}

/// The same for what takes many minutes, which `make test-containers` asks for.
fn turn_if_asked_for() -> Option<MutexGuard<'static, ()>> {
    if std::env::var_os("GROKLAB_TEST_CONTAINERS").is_none() {
        skip("it takes long: make test-containers runs it");
        return None;
    }
    turn()
}

fn worker_verify() -> String {
    inside(&binary("worker-verify"))
}

#[track_caller]
fn doctor_is_content(container: &Container) {
    let ended = container.run(&[&worker_verify(), "doctor"], DOCTOR_DEADLINE);
    let report = &ended.log;
    assert!(ended.status.success(), "{container:?}\n{report}");
    assert!(report.contains("a seccomp filter"), "{report}");
    assert_eq!(report.matches("probes held").count(), 2, "{report}");
}

#[test]
fn an_ordinary_user_without_any_privilege_isolates() {
    let Some(_turn) = turn() else { return };
    doctor_is_content(&Container::default());
}

#[test]
fn root_with_two_capabilities_isolates() {
    let Some(_turn) = turn() else { return };
    doctor_is_content(&Container {
        user: "0:0",
        capabilities: &["SETUID", "SETGID"],
        ..Container::default()
    });
}

#[test]
fn every_attack_and_verdict_is_as_outside() {
    let Some(_turn) = turn_if_asked_for() else {
        return;
    };
    let suite = inside(&test_binary("worker-verify", "suite"));
    let container = Container {
        // The suite's own files, programs among them.
        more_options: ["--tmpfs", "/var/tmp:exec,mode=1777"]
            .map(str::to_owned)
            .into(),
        ..Container::default()
    };
    let ended = container.run(&[&suite], SUITE_DEADLINE);
    let report = &ended.log;
    assert!(ended.status.success(), "{report}");
    let passed = report
        .lines()
        .filter(|line| line.ends_with("... ok"))
        .count();
    assert!(passed > 250, "only {passed} tests ran: {report}");
}

#[test]
fn five_thousand_candidates_leave_no_zombie() {
    let Some(_turn) = turn_if_asked_for() else {
        return;
    };
    // A zygote whose nsjail has been killed becomes a child of the container's first process.
    let script = format!(
        "{} soak --count 5000 || exit; cat /proc/[0-9]*/stat",
        worker_verify()
    );
    let ended = Container::default().run(&["sh", "-c", &script], SUITE_DEADLINE);
    let report = &ended.log;
    assert!(ended.status.success(), "{report}");
    assert!(report.contains(" 5000 candidates: "), "{report}");
    let left: Vec<&str> = report.lines().filter(|line| line.contains(") ")).collect();
    let names: Vec<&str> = left
        .iter()
        .filter_map(|stat| stat.split(['(', ')']).nth(1))
        // It is there itself or not, as the shell looks before or after it starts it.
        .filter(|&name| name != "cat")
        .collect();
    assert_eq!(names, ["tini", "sh"], "{report}");
}

/// Verdicts of `worker-verify check` in a container with these further options.
fn verdicts_in(options: &[&str], codes: &[&str]) -> Vec<String> {
    let mut candidates = String::new();
    for (id, code) in codes.iter().enumerate() {
        let cases = [json!({"args": [2], "expected": 3})];
        let candidate = json!({"id": id, "code": code, "entry": "f", "cases": cases});
        candidates.push_str(&format!("{candidate}\n"));
    }
    let container = Container {
        more_options: options.iter().map(|&option| option.to_owned()).collect(),
        ..Container::default()
    };
    let script = format!(
        "{} check --json --threads 1 <<'END'\n{candidates}END",
        worker_verify()
    );
    let ended = container.run(&["sh", "-c", &script], SUITE_DEADLINE);
    assert!(ended.status.success(), "{}", ended.log);
    let mut verdicts = Vec::new();
    for line in ended.log.lines().filter(|line| line.starts_with('{')) {
        let answer: Value = serde_json::from_str(line).unwrap();
        if let Some(verdict) = answer["verdict"].as_str() {
            verdicts.push(verdict.to_owned());
        }
    }
    verdicts
}

const HONEST: &str = "def f(a): return a + 1";
/// Each process is within its own limit; together they are far beyond the container's.
const EATER: &str = r"
import os
def f(a):
    for _ in range(12):
        if os.fork() == 0:
            break
    kept = bytearray(150 << 20)
    for i in range(0, len(kept), 4096):
        kept[i] = 1
    while True:
        pass
";
/// A second of work, of the two that it may take; at a fifth of a CPU it lasts five.
const SLOW: &str = r"
import time
def f(a):
    until = time.process_time() + 1
    while time.process_time() < until:
        pass
    return a + 1
";

#[test]
fn candidates_that_eat_the_containers_memory_die_and_the_worker_lives() {
    let Some(_turn) = turn() else { return };
    let codes = [EATER, HONEST, EATER, HONEST];
    let options = ["--memory", "400m", "--memory-swap", "400m"];
    let verdicts = verdicts_in(&options, &codes);
    assert_eq!(verdicts.len(), codes.len(), "{verdicts:?}");
    assert_eq!((&*verdicts[1], &*verdicts[3]), ("passed", "passed"));
    for eaten in [&verdicts[0], &verdicts[2]] {
        assert!(
            ["timeout", "out_of_memory", "runtime_error"].contains(&&**eaten),
            "{verdicts:?}"
        );
    }
}

#[test]
fn a_share_of_a_cpu_makes_no_timeout() {
    let Some(_turn) = turn() else { return };
    let verdicts = verdicts_in(&["--cpus", "0.2"], &[SLOW, HONEST, SLOW]);
    assert_eq!(verdicts, ["passed", "passed", "passed"]);
}

#[test]
fn a_worker_in_a_container_judges_a_whole_experiment() {
    let Some(_turn) = turn_if_asked_for() else {
        return;
    };
    let mut stack = Stack::coordinator(&[]);
    stack.add_worker("worker-gen", &[], &[]);
    let container = Container {
        network: "host",
        ..Container::default()
    };
    let worker = container.start(&[
        &worker_verify(),
        "work",
        "--cache",
        "/tmp/cache",
        "--coordinator",
        &stack.address,
    ]);
    until("the worker to register", DOCTOR_DEADLINE, || {
        worker.log().contains("registered").then_some(())
    });
    let file = stack.file("experiment.toml", &experiment("boxed", 0, "none"));
    stack.grokctl_ok(&["submit", file.to_str().unwrap(), "--watch"]);
    let out = stack.dir.path().join("out");
    stack.grokctl_ok(&["export", "boxed", "--out", out.to_str().unwrap()]);
    let rollouts = lines(&out.join("rollouts.jsonl"));
    let passed = rollouts
        .iter()
        .filter(|rollout| rollout["verdict"] == "passed")
        .count();
    assert!(
        0 < passed && passed < rollouts.len(),
        "{passed} of {}",
        rollouts.len()
    );
}

/// What a container lacks, and what the worker that refuses to start in it must say.
struct Lack {
    name: &'static str,
    container: Container,
    cause: &'static str,
    fix: &'static str,
}

const USE_PROFILE: &str = "worker-verify container-profile seccomp";

fn lacks(profiles: &Profiles) -> Vec<Lack> {
    let engines_own = Container {
        seccomp: None,
        ..Container::default()
    };
    let mut lacks = vec![
        Lack {
            name: "the engine's own profile",
            container: engines_own.clone(),
            cause: "seccomp profile does not permit `clone` with namespace flags",
            fix: USE_PROFILE,
        },
        Lack {
            name: "the engine's own profile with SYS_ADMIN",
            container: Container {
                capabilities: &["SYS_ADMIN"],
                ..engines_own
            },
            cause: "seccomp profile does not permit `pivot_root`",
            fix: USE_PROFILE,
        },
        Lack {
            name: "no x32",
            container: profiles.changed("no-x32", |profile| {
                profile["architectures"] = json!(["SCMP_ARCH_X86_64"]);
            }),
            cause: "`architectures` do not have SCMP_ARCH_X32",
            fix: USE_PROFILE,
        },
        Lack {
            name: "a profile that forgets clone3",
            container: profiles.without("clone3"),
            cause: "refuses `clone3` with another error than ENOSYS",
            fix: USE_PROFILE,
        },
        Lack {
            name: "nothing to write to",
            container: Container {
                has_writable_tmp: false,
                ..Container::default()
            },
            cause: "nsjail has no folder to mount its jails at",
            fix: "mount a tmpfs at /tmp",
        },
        Lack {
            name: "root without capabilities",
            container: Container {
                user: "0:0",
                ..Container::default()
            },
            cause: "root has no CAP_SETUID and CAP_SETGID",
            fix: "--user 10001:10001",
        },
        Lack {
            name: "few open files",
            container: Container {
                max_open_files: 512,
                ..Container::default()
            },
            cause: "the limit on open files is 512",
            fix: "--ulimit nofile=4096",
        },
    ];
    for (call, cause) in [
        ("pivot_root", "does not permit `pivot_root`"),
        ("personality", "does not permit `personality`"),
        ("mount", "does not permit `mount`"),
        ("umount2", "does not permit `umount2`"),
        ("sethostname", "does not permit `sethostname`"),
        ("unshare", "does not permit `unshare`"),
        ("setns", "does not permit `setns`"),
    ] {
        lacks.push(Lack {
            name: call,
            container: profiles.without(call),
            cause,
            fix: USE_PROFILE,
        });
    }
    lacks
}

/// The worker's own profile, changed for one container each.
struct Profiles(tempfile::TempDir);

impl Profiles {
    fn changed(&self, name: &str, change: impl FnOnce(&mut Value)) -> Container {
        let text = fs::read_to_string(root().join(PROFILE)).unwrap();
        let mut profile: Value = serde_json::from_str(&text).unwrap();
        change(&mut profile);
        let path: PathBuf = self.0.path().join(format!("{name}.json"));
        fs::write(&path, profile.to_string()).unwrap();
        Container {
            seccomp: Some(path),
            ..Container::default()
        }
    }

    fn without(&self, call: &str) -> Container {
        self.changed(call, |profile| {
            let mut found = 0;
            for rule in profile["syscalls"].as_array_mut().unwrap() {
                let names = rule["names"].as_array_mut().unwrap();
                found += names.len();
                names.retain(|name| name != call);
                found -= names.len();
            }
            assert_eq!(found, 1, "{call} is in one rule of the profile");
            // An engine refuses a rule without names.
            let rules = profile["syscalls"].as_array_mut().unwrap();
            rules.retain(|rule| rule["names"] != json!([]));
        })
    }
}

#[test]
fn a_worker_names_what_its_container_lacks() {
    let Some(_turn) = turn() else { return };
    let profiles = Profiles(folder());
    let mut wrong = Vec::new();
    for lack in lacks(&profiles) {
        // It would find nobody to work for.
        let command = [
            &*worker_verify(),
            "work",
            "--coordinator",
            "http://127.0.0.1:1",
        ];
        let Ended { status, log } = lack.container.run(&command, DOCTOR_DEADLINE);
        let is_named = log.contains(lack.cause) && log.contains(lack.fix);
        if status.success() || !is_named {
            wrong.push(format!("{}: {status}: {log}", lack.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// The kernel's setting, in a user namespace of the test's own: nobody else's changes.
#[test]
fn a_worker_names_that_user_namespaces_are_switched_off() {
    let script = format!(
        "echo 0 > /proc/sys/user/max_user_namespaces || exit 77; \
         exec {} work --coordinator http://127.0.0.1:1",
        worker_verify()
    );
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "sh", "-c", &script])
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) || log.contains("unshare failed") {
        skip(&format!("no user namespace with a limit of its own: {log}"));
        return;
    }
    assert!(!output.status.success(), "{log}");
    assert!(log.contains("user.max_user_namespaces is 0"), "{log}");
    assert!(
        log.contains("sysctl user.max_user_namespaces=10000"),
        "{log}"
    );
}
