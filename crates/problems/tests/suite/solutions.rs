//! The Python of the families, run by the system's Python: references and blind solutions pass every
//! case, wrong ones and siblings fail a hidden case of every problem. The code is ours, so it runs
//! without a sandbox; the same in the sandbox is `tests/tests/sandbox.rs`.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use groklab_problems::{Problem, families, make, solutions};
use serde_json::{Value as Json, json};

use crate::spec::{asked_at, of_rules, rules};

/// Reads one line per problem, prints one line per wrong statement about a solution.
const CHECKER: &str = r#"
import json, signal, sys

def value(x):
    if isinstance(x, dict):
        (tag, content), = x.items()
        if tag == '$int':
            return int(content)
        assert tag in ('$tuple', '$dict'), x
        if tag == '$tuple':
            return tuple(value(item) for item in content)
        return {value(k): value(v) for k, v in content}
    return [value(item) for item in x] if isinstance(x, list) else x

def same(a, b):
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b

def late(number, frame):
    raise TimeoutError

signal.signal(signal.SIGALRM, late)

def passes(scope, entry, case):
    signal.alarm(5)
    try:
        got = scope[entry](*value(case['args']))
    except Exception as error:
        got = error
    signal.alarm(0)
    return same(got, value(case['expected']))

for line in sys.stdin:
    job = json.loads(line)
    for solution in job['solutions']:
        scope = {}
        exec(solution['code'], scope)
        name = f'{solution["name"]}: {job["name"]}'
        if solution['passes']:
            for case in job['cases']:
                if not passes(scope, job['entry'], case):
                    print(name, 'fails', case)
                    break
        elif all(passes(scope, job['entry'], case) for case in job['cases'] if not case['visible']):
            print(name, 'passes', [case['canonical'] for case in job['cases']])
"#;

fn job(problem: &Problem) -> Json {
    let mut all = Vec::new();
    for solution in solutions(problem).unwrap() {
        let (name, code, passes) = (solution.name, solution.code, solution.passes);
        all.push(json!({"name": name, "code": code, "passes": passes}));
    }
    let name = format!(
        "{}/{} at {}",
        problem.family, problem.rule, problem.difficulty
    );
    json!({"name": name, "entry": problem.entry, "solutions": all, "cases": problem.cases})
}

#[test]
fn references_pass_and_wrong_solutions_fail() {
    let mut lines = String::new();
    for folder in families() {
        for (difficulty, visible, hidden) in [(1, 2, 6), (4, 0, 4), (7, 1, 6), (10, 2, 6)] {
            let rules = asked_at(folder, rules(folder), difficulty);
            if rules.is_empty() {
                continue;
            }
            let mut spec = of_rules(folder.name(), &rules, 2, difficulty);
            (spec.visible, spec.hidden) = (visible, hidden);
            for problem in make(&spec, 11).unwrap_or_else(|error| panic!("{error}")) {
                lines += &format!("{}\n", job(&problem));
            }
        }
    }
    let complaints = run(lines);
    assert_eq!(complaints, "");
}

/// What Python complains of.
fn run(lines: String) -> String {
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
    String::from_utf8(output.stdout).unwrap()
}
