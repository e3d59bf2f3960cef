//! The Python beside each rule, run by the system's Python: the reference passes every case, a
//! usual wrong solution fails a hidden case of every problem. The code is ours, so it runs without
//! a sandbox.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use groklab_domain::experiment::Problems;
use groklab_problems::{Problem, families, make, solutions};
use serde_json::{Value as Json, json};

/// Reads one line per problem, prints one line per wrong statement about a solution.
const CHECKER: &str = r"
import json, signal, sys

def value(x):
    if isinstance(x, dict):
        (tag, content), = x.items()
        assert tag == '$int', x
        return int(content)
    return [value(item) for item in x] if isinstance(x, list) else x

def passes(source, entry, case):
    scope = {}
    exec(source, scope)
    try:
        got = scope[entry](*value(case['args']))
    except Exception:
        return False
    want = value(case['expected'])
    return type(got) is type(want) and got == want

signal.alarm(300)
for line in sys.stdin:
    job = json.loads(line)
    for case in job['cases']:
        if not passes(job['reference'], job['entry'], case):
            print('reference fails', job['name'], case)
    for name, source in job['wrong']:
        if all(passes(source, job['entry'], case) for case in job['cases'] if not case['visible']):
            print('wrong passes', job['name'], name, [case['canonical'] for case in job['cases']])
";

fn job(problem: &Problem) -> Json {
    let known = solutions(&problem.family, &problem.rule).expect("the rule of a problem is known");
    // Beside the rule's own wrong solutions: the answer of the first case, whatever the arguments.
    let constant = format!(
        "{}:\n    return {}\n",
        problem.signature, problem.cases[0].expected
    );
    let wrong: Vec<_> = known
        .wrong
        .into_iter()
        .chain([("constant", constant)])
        .collect();
    json!({
        "name": format!("{}/{} at {}", problem.family, problem.rule, problem.difficulty),
        "entry": problem.entry, "reference": known.reference, "wrong": wrong, "cases": problem.cases,
    })
}

/// Problems of every family, rule and difficulty, with as few hidden cases as the promise allows
/// and with more.
fn jobs() -> (String, usize) {
    let mut lines = String::new();
    let mut count = 0;
    for (difficulty, visible, hidden) in [
        (1, 2, 4),
        (3, 0, 4),
        (5, 1, 4),
        (7, 3, 5),
        (9, 0, 4),
        (10, 1, 6),
    ] {
        let names = families()
            .iter()
            .map(|family| family.name.to_owned())
            .collect();
        let spec = Problems {
            families: names,
            difficulty: [difficulty; 2],
            train: 96,
            val: 16,
            test: 32,
            visible,
            hidden,
            ..Problems::default()
        };
        for problem in make(&spec, 11).expect("enough cases") {
            lines += &format!("{}\n", job(&problem));
            count += 1;
        }
    }
    (lines, count)
}

#[test]
fn references_pass_and_wrong_solutions_fail() {
    let (lines, count) = jobs();
    let mut python = Command::new("/usr/bin/python3")
        .args(["-I", "-S", "-c", CHECKER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python 3 at /usr/bin/python3");
    let mut stdin = python.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    let complaints = String::from_utf8(output.stdout).unwrap();
    assert_eq!(complaints, "", "of {count} problems");
}
