//! Every command of grokctl that asks a coordinator, on one finished experiment: for a person and with --json.
#![expect(
    clippy::unwrap_used,
    reason = "a test: a failure is a panic with its place"
)]

use std::{
    process::{Command, Output, Stdio},
    time::Duration,
};

use groklab_tests::files::{experiment, lines};
use groklab_tests::{Process, Stack, binary, wait::until};
use nix::sys::signal::Signal;
use serde_json::Value;

fn json(stack: &Stack, args: &[&str]) -> Vec<Value> {
    let text = stack.grokctl_ok(&[&["--json"], args].concat());
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn every_command_says_the_same_to_people_and_programs() {
    let stack = Stack::full();
    stack.submit(&experiment("done", 1, "rft"));
    stack.grokctl_ok(&["watch", "done"]);
    let id = json(&stack, &["show", "done"])[0]["experiment"]["experiment_id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        json(&stack, &["show", &id[..20]])[0]["experiment"]["name"],
        "done",
        "a unique beginning of the id names it"
    );
    let out = stack.export("done");

    // rollouts: filters agree with the export.
    let all = lines(&out.join("rollouts.jsonl"));
    let count = |f: &dyn Fn(&Value) -> bool| all.iter().filter(|rollout| f(rollout)).count();
    let table: [(&[&str], usize); 5] = [
        (&[], all.len()),
        (&["--iteration", "1"], count(&|r| r["iteration"] == 1)),
        (
            &["--split", "val", "--purpose", "eval"],
            count(&|r| r["split"] == "val" && r["purpose"] == "eval"),
        ),
        (
            &["--verdict", "wrong_answer"],
            count(&|r| r["verdict"] == "wrong_answer"),
        ),
        (
            &["--problem", "3", "--family", "digits"],
            count(&|r| r["problem"] == 3),
        ),
    ];
    for (filter, expected) in table {
        assert_eq!(
            json(&stack, &[&["rollouts", "done"], filter].concat()).len(),
            expected,
            "{filter:?}"
        );
    }
    assert!(count(&|r| r["verdict"] == "wrong_answer") > 0);
    let wrong = stack.grokctl_ok(&[
        "rollouts",
        "done",
        "--verdict",
        "wrong_answer",
        "--limit",
        "1",
    ]);
    assert!(
        wrong.contains("def sum_digits")
            && wrong.contains("✗ sum_digits(")
            && wrong.contains("expected"),
        "{wrong}"
    );
    assert!(
        !wrong.contains('\u{1b}'),
        "no colours where there is no terminal"
    );

    // problems: what the file makes is what the experiment asked.
    let file = stack.file("again.toml", &experiment("done", 1, "rft"));
    let made = json(
        &stack,
        &["problems", file.to_str().unwrap(), "--split", "test"],
    );
    let asked = lines(&out.join("test.jsonl"));
    assert_eq!(made.len(), asked.len());
    assert!(
        made.iter()
            .zip(&asked)
            .all(|(made, asked)| made["prompt"] == asked["prompt"])
    );

    // compare: with itself there is no difference; the iterations differ as the metrics do.
    let same = &json(&stack, &["compare", "done", "done"])[0]["comparison"];
    assert_eq!(
        (
            same["problems"].as_u64(),
            same["mcnemar"]["gained"].as_u64()
        ),
        (Some(8), Some(0))
    );
    let both = &json(&stack, &["compare", "done@0", "done@1"])[0]["comparison"];
    let metrics = lines(&out.join("metrics.jsonl"));
    for (side, line) in [("before", &metrics[0]), ("after", &metrics[1])] {
        assert_eq!(both["greedy"][side], line["splits"]["test"]["accuracy"]);
    }
    assert!(
        stack
            .grokctl_ok(&["compare", "done@0", "done@1"])
            .contains("McNemar")
    );

    // logs: the timeline, in order.
    let events = json(&stack, &["logs", "done"]);
    let messages: Vec<&str> = events
        .iter()
        .map(|event| event["message"].as_str().unwrap())
        .collect();
    let places: Vec<_> = [
        "submitted",
        "started",
        "iteration 0 evaluated",
        "trained on",
        "iteration 1 began",
        "completed",
    ]
    .map(|part| messages.iter().position(|message| message.contains(part)))
    .into();
    assert!(
        places.iter().all(Option::is_some) && places.is_sorted(),
        "{messages:?}"
    );
    assert_eq!(stack.grokctl_ok(&["logs", "done", "--level", "error"]), "");
    assert_eq!(
        stack.grokctl_ok(&["logs", "done"]).lines().count(),
        messages.len()
    );

    for (args, code) in [
        (vec!["rollouts", "nobody"], 3),
        (vec!["logs", "nobody"], 3),
        (vec!["compare", "done@7", "done"], 2),
        (vec!["rollouts", "done", "--split", "tests"], 2),
        (vec!["problems", "no-such-file.toml"], 3),
    ] {
        let output = stack.grokctl(&args);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// Runs grokctl with its standard output sent to `output`, in the words of a shell.
fn sent_to(stack: &Stack, args: &[&str], output: &str) -> Output {
    let mut shell = Command::new("timeout");
    shell
        .args(["60", "sh", "-c", &format!("exec \"$0\" \"$@\" {output}")])
        .arg(binary("grokctl"))
        .args(["--coordinator", &stack.address]);
    shell
        .args(args)
        .current_dir(stack.dir.path())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Runs grokctl with a standard output whose reader has gone.
fn unread(stack: &Stack, args: &[&str]) -> Output {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new("timeout");
    command
        .arg("60")
        .arg(binary("grokctl"))
        .args(["--coordinator", &stack.address])
        .args(args);
    command
        .current_dir(stack.dir.path())
        .stdin(Stdio::null())
        .stdout(writer)
        .output()
        .unwrap()
}

#[test]
fn no_command_loses_what_it_should_print() {
    let stack = Stack::full();
    let file = stack.file("one.toml", &experiment("one", 0, "none"));
    let file = file.to_str().unwrap();
    let other = stack.file("other.toml", &experiment("other", 0, "none"));
    let other = other.to_str().unwrap();
    stack.grokctl_ok(&["submit", file]);
    stack.grokctl_ok(&["watch", "one"]);
    let commands: [&[&str]; 13] = [
        &["list"],
        &["show", "one"],
        &["watch", "one"],
        &["rollouts", "one"],
        &["problems", file],
        &["compare", "one", "one"],
        &["logs", "one"],
        &["logs", "one", "--follow"],
        &["workers"],
        &["validate", file],
        &["export", "one", "--out", "exported", "--force"],
        &["submit", other],
        &["cancel", "other"],
    ];
    for json in [&[][..], &["--json"]] {
        for command in commands {
            let args = [json, command].concat();
            for (output, why) in [
                (">/dev/full", "No space left on device"),
                (">&-", "standard output is closed"),
            ] {
                let done = sent_to(&stack, &args, output);
                let said = String::from_utf8_lossy(&done.stderr);
                assert!(
                    done.status.code() == Some(1) && said.contains(why),
                    "{args:?} {output}: {:?} {said}",
                    done.status
                );
            }
            let done = unread(&stack, &args);
            assert_eq!(
                done.status.code(),
                Some(0),
                "{args:?}: {}",
                String::from_utf8_lossy(&done.stderr)
            );
        }
    }
    // What was asked for was done, and a run exports whatever becomes of what it prints.
    let run = |out| ["--json", "run", file, "--out", out];
    for (done, out, code) in [
        (sent_to(&stack, &run("full"), ">/dev/full"), "full", 1),
        (unread(&stack, &run("unread")), "unread", 0),
    ] {
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(code), "{said}");
        assert!(
            stack.dir.path().join(out).join("metrics.jsonl").exists(),
            "{said}"
        );
    }
}

#[test]
fn ctrl_c_on_a_command_that_waits_is_exit_code_130() {
    let stack = Stack::coordinator(&[]);
    let file = stack.file("waits.toml", &experiment("waits", 0, "none"));
    stack.grokctl_ok(&["submit", file.to_str().unwrap()]);
    for (number, signal) in [Signal::SIGINT, Signal::SIGTERM].into_iter().enumerate() {
        let dir = stack.dir.path().join(number.to_string());
        std::fs::create_dir(&dir).unwrap();
        let mut watch = Process::start(
            &dir,
            "grokctl",
            &["--coordinator", &stack.address, "watch", "waits"],
            &[],
        );
        until("the watch to begin", Duration::from_secs(60), || {
            watch.log().contains("waits is ").then_some(())
        });
        watch.signal(signal);
        assert_eq!(
            watch.wait(Duration::from_secs(30)).code(),
            Some(130),
            "{}",
            watch.log()
        );
    }
}

#[test]
fn up_starts_a_worker_for_each_device() {
    let dir = groklab_tests::folder();
    let data = dir.path().join("data");
    let place = data.to_str().unwrap();
    let args = ["up", "--data", place, "--generate-device", "cpu,cpu"];
    let mut up = Process::start(dir.path(), "grokctl", &args, &[]);
    until("everything to be up", Duration::from_secs(120), || {
        up.log().contains("ready;").then_some(())
    });
    let listed = Command::new(binary("grokctl"))
        .args(["--data", place, "--json", "workers"])
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let kinds: Vec<String> = listed
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|worker| worker["kind"].as_str().unwrap().to_owned())
        .collect();
    let count = |kind: &str| kinds.iter().filter(|found| *found == kind).count();
    assert_eq!(
        [count("generate"), count("verify"), count("train")],
        [2, 1, 1],
        "{listed}"
    );
    assert!(up.log().contains("worker-gen-2"), "{}", up.log());
    for log in ["worker-gen.log", "worker-gen-2.log"] {
        assert!(data.join("logs").join(log).exists(), "{log}");
    }
    assert!(up.stop(Duration::from_secs(60)).success(), "{}", up.log());

    let refused = Command::new(binary("grokctl"))
        .args(["up", "--data", place, "--train-device", "gpu"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("unknown device `gpu`"), "{said}");
}

#[test]
fn doctor_asks_every_program() {
    let ask = |env: &[(&str, &str)]| {
        let asked = Command::new(binary("grokctl"))
            .args(["doctor", "--json"])
            .envs(env.iter().copied())
            .output()
            .unwrap();
        let text = String::from_utf8(asked.stdout).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        (asked.status.code(), lines)
    };
    let (code, lines) = ask(&[]);
    assert_eq!(code, Some(0), "{lines:#?}");
    for program in ["coordinator", "worker-gen", "worker-train", "worker-verify"] {
        assert!(
            lines.iter().any(|line| line["program"] == program),
            "{program}: {lines:#?}"
        );
    }
    // What one of them lacks is said in its own words.
    let (code, lines) = ask(&[("GROKLAB_PYTHON", "/nowhere/python3")]);
    assert_eq!(code, Some(1), "{lines:#?}");
    let lacking: Vec<&Value> = lines
        .iter()
        .filter(|line| line["level"] == "missing")
        .collect();
    assert_eq!(lacking.len(), 1, "{lacking:#?}");
    assert_eq!(lacking[0]["program"], "worker-verify");
    let details = lacking[0]["details"].as_str().unwrap();
    assert!(details.contains("/nowhere/python3"), "{details}");
    assert!(details.contains("apt-get install python3"), "{details}");
}
