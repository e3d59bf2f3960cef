//! Verification as part of the system: a broken sandbox keeps a worker from starting, its failures are never a candidate's, and
//! every family's own solutions are judged as they must be.
#![expect(
    clippy::unwrap_used,
    reason = "a test: a failure is a panic with its place"
)]

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
    time::Duration,
};

use groklab_domain::{Holdout, experiment::Problems};
use groklab_problems::{Case, Folder, Problem};
use groklab_tests::files::{experiment, lines};
use groklab_tests::{Stack, binary, root, wait::until};
use serde_json::{Value, json};

#[test]
fn a_worker_with_a_broken_sandbox_refuses_to_start() {
    let mut stack = Stack::coordinator(&[]);
    for flags in [["--nsjail", "/bin/false"], ["--python", "/bin/true"]] {
        let index = stack.add_worker("worker-verify", &flags, &[]);
        let status = stack.workers[index].wait(Duration::from_secs(60));
        assert!(!status.success(), "{}", stack.workers[index].log());
    }
    let workers = stack.grokctl_ok(&["--json", "workers"]);
    assert!(!workers.contains("verify"), "{workers}");
}

#[test]
fn a_failing_sandbox_is_never_a_wrong_answer() {
    let mut stack = Stack::coordinator(&[]);
    stack.add_worker("worker-gen", &[], &[]);
    let (broken, wrapper) = (
        stack.dir.path().join("broken"),
        stack.dir.path().join("nsjail"),
    );
    let real = root().join(".groklab/bin/nsjail");
    fs::write(
        &wrapper,
        format!(
            "#!/bin/sh\n[ -e {} ] && exit 255\nexec {} \"$@\"\n",
            broken.display(),
            real.display()
        ),
    )
    .unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    let verifier = stack.add_worker(
        "worker-verify",
        &["--nsjail", wrapper.to_str().unwrap(), "--isolation", "cold"],
        &[],
    );
    until(
        "the verify worker to register",
        Duration::from_secs(180),
        || {
            stack.workers[verifier]
                .log()
                .contains("registered")
                .then_some(())
        },
    );

    fs::write(&broken, "").unwrap();
    let file = stack.file("experiment.toml", &experiment("broken", 0, "none"));
    stack.grokctl_ok(&["submit", file.to_str().unwrap()]);
    until("a failed attempt", Duration::from_secs(120), || {
        stack.workers[verifier]
            .log()
            .contains("infrastructure")
            .then_some(())
    });
    fs::remove_file(&broken).unwrap();
    stack.grokctl(&["resume", "broken"]);
    stack.grokctl_ok(&["watch", "broken"]);

    let out = stack.dir.path().join("out");
    stack.grokctl_ok(&["export", "broken", "--out", out.to_str().unwrap()]);
    let rollouts = lines(&out.join("rollouts.jsonl"));
    assert_eq!(rollouts.len(), 28 * 5, "nothing leaves a denominator");
    assert!(
        rollouts
            .iter()
            .all(|rollout| rollout["verdict"] != "infrastructure_error")
    );
    assert!(
        rollouts
            .iter()
            .any(|rollout| rollout["verdict"] == "passed")
    );
}

/// Rules of a family to look at: three, or all where that is asked for.
fn rules(folder: &'static Folder) -> Vec<&'static str> {
    let all = std::env::var_os("GROKLAB_ALL_RULES").is_some();
    groklab_problems::sample(folder, if all { usize::MAX } else { 3 })
}

/// The known solutions of a problem: those that fail do so on its hidden cases.
fn candidates(problem: &Problem) -> Vec<Value> {
    let mut lines = Vec::new();
    for solution in groklab_problems::solutions(problem).unwrap() {
        let decide = |case: &&Case| solution.passes || !case.visible;
        let cases = problem.cases.iter().filter(decide);
        let cases: Vec<Value> = cases
            .map(|case| json!({"args": case.args, "expected": case.expected}))
            .collect();
        let (rule, difficulty) = (&problem.rule, problem.difficulty);
        let verdict = if solution.passes { "passes" } else { "fails" };
        let name = format!("{}/{rule} at {difficulty}", problem.family);
        lines.push(json!({
            "id": format!("{name}: {} {verdict}", solution.name),
            "code": solution.code,
            "entry": problem.entry,
            "cases": cases,
        }));
    }
    lines
}

/// Problems of some of the family's rules at several difficulties.
fn problems(folder: &'static Folder) -> Vec<Problem> {
    let mut problems = Vec::new();
    for difficulty in [1, 5, 10] {
        let mut named = Vec::new();
        for id in rules(folder) {
            if folder.rule(id).unwrap().text.lowest_difficulty <= difficulty {
                named.push(format!("{}/{id}", folder.name()));
            }
        }
        if named.is_empty() {
            continue;
        }
        let spec = Problems {
            test: u32::try_from(named.len()).unwrap(),
            families: named,
            difficulty: [difficulty; 2],
            train: 0,
            val: 0,
            holdout: Holdout::Case,
            ..Problems::default()
        };
        problems.extend(groklab_problems::make(&spec, 7).unwrap());
    }
    problems
}

#[test]
fn every_familys_solutions_are_judged_in_the_real_sandbox() {
    let problems = groklab_problems::families().iter().flat_map(problems);
    let lines: Vec<Value> = problems.flat_map(|problem| candidates(&problem)).collect();
    let mut check = Command::new(binary("worker-verify"))
        .args(["check", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = check.stdin.take().unwrap();
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()).unwrap());
    let output = check.wait_with_output().unwrap();
    writer.join().unwrap();
    let answers: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(answers.len(), lines.len());
    for answer in &answers {
        let passes = answer["id"].as_str().unwrap().ends_with(" passes");
        assert_eq!(answer["verdict"] == "passed", passes, "{answer}");
        assert_ne!(answer["verdict"], "infrastructure_error", "{answer}");
    }
}
