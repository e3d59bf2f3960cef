//! `check` and the pool: order, malformed lines, neighbours, cancelling.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
};

use crate::common::{NSJAIL, paths, submission, two_at_once};
use groklab_domain::Verdict;
use groklab_worker_verify::{Submission, judge::pool::Cancelled};
use serde_json::{Value as Json, json};

#[test]
fn check_answers_every_line_in_order() {
    let line = |id: &str, code: &str| {
        json!({"id": id, "code": code, "entry": "solve", "timeout_ms": 300, "memory_mb": 128,
               "cases": [{"args": [1], "expected": 2}, {"args": [{"$tuple": [1]}], "expected": [1]}]})
        .to_string()
    };
    let slow = "def solve(x):\n    while True: pass";
    let right = "def solve(x): return x + 1 if x == 1 else list(x)";
    let input = [
        line("a", slow),
        "{\"id\": 3".to_owned(),
        String::new(),
        line("b", right),
        line("c", "def solve(x): return x + 1"),
    ];
    let mut child = Command::new(env!("CARGO_BIN_EXE_worker-verify"))
        .args(["check", "--json"])
        .env("GROKLAB_NSJAIL", NSJAIL.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.join("\n").as_bytes())
        .unwrap();
    let done = child.wait_with_output().unwrap();
    let answers: Vec<Json> = String::from_utf8(done.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        done.status.code(),
        Some(2),
        "a malformed line shows in the exit code"
    );
    let complaint = String::from_utf8(done.stderr).unwrap();
    assert_eq!(
        complaint,
        "worker-verify: malformed lines: 1, the first is line 2\n"
    );
    assert_eq!(
        (&answers[0]["id"], &answers[0]["verdict"]),
        (&json!("a"), &json!("timeout"))
    );
    assert_eq!(answers[1]["line"], 2);
    assert_eq!(
        (
            &answers[2]["verdict"],
            &answers[2]["passed"],
            &answers[2]["total"]
        ),
        (&json!("passed"), &json!(2), &json!(2))
    );
    assert_eq!(
        (&answers[3]["verdict"], &answers[3]["first_failure"]["case"]),
        (&json!("runtime_error"), &json!(1))
    );
    assert_eq!(answers.len(), 4);
}

/// Runs `check --json` on these lines; its answers.
fn check(lines: &[Vec<u8>]) -> Vec<Json> {
    answers(&["--json"], lines)
        .lines()
        .map(|line| serde_json::from_str(line).expect("an answer is JSON"))
        .collect()
}

/// Runs `check` on these lines; what it writes.
fn answers(options: &[&str], lines: &[Vec<u8>]) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_worker-verify"))
        .arg("check")
        .args(options)
        .env("GROKLAB_NSJAIL", NSJAIL.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program is built");
    let (mut input, lines) = (child.stdin.take().expect("it is piped"), lines.join(&b'\n'));
    let writing = std::thread::spawn(move || input.write_all(&lines).expect("it reads all"));
    let done = child.wait_with_output().expect("it ends");
    writing.join().expect("it does not panic");
    String::from_utf8(done.stdout).expect("answers are text")
}

fn line(change: impl FnOnce(&mut Json)) -> Vec<u8> {
    let mut line = json!({"id": "a", "code": "def solve(x): return x + 1", "entry": "solve", "cases": [{"args": [1], "expected": 2}]});
    change(&mut line);
    line.to_string().into_bytes()
}

#[test]
fn every_line_that_can_not_be_meant_gets_its_reason() {
    let deep = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    let expected = |value: Json| line(|l| l["cases"] = json!([{"args": [1], "expected": value}]));
    let written = |args: &str| {
        String::from_utf8(line(|_| ()))
            .unwrap()
            .replace("[1]", args)
            .into_bytes()
    };
    let digits = written(&format!("[{}]", "7".repeat(1_000_000)));
    let bad: Vec<(Vec<u8>, &str)> = vec![
        (line(|l| l["timeout_ms"] = json!(0)), "CPU time limit 0ns is not within 10 ms to 1 h"),
        (line(|l| l["timeout_ms"] = json!(u64::MAX)), "is not within 10 ms to 1 h"),
        (line(|l| l["timeout_ms"] = json!(-1)), "timeout_ms: `-1` is not a whole number"),
        (line(|l| l["timeout_ms"] = json!(1.5)), "timeout_ms: `1.5` is not a whole number"),
        (
            b"{\"id\": \"a\", \"code\": \"\", \"entry\": \"f\", \"cases\": [], \"memory_mb\": 99999999999999999999999}".to_vec(),
            "memory_mb: `999",
        ),
        (line(|l| l["memory_mb"] = json!(1)), "memory limit 1 MiB is not within 64 MiB to 64 GiB"),
        (line(|l| l["memory_mb"] = json!(u64::MAX)), "is not within 64 MiB to 64 GiB"),
        (line(|l| drop(l.as_object_mut().unwrap().remove("id"))), "missing field `id`"),
        (line(|l| l["cases"] = json!([{"args": [1], "expected": 2}, {"args": [1]}])), "case 1: missing field `expected`"),
        (line(|l| l["cases"] = json!([[[1], [2]]])), "case 0: expected an object with `args` and `expected`"),
        (line(|l| l["cases"] = json!({"args": [1], "expected": 2})), "expected a sequence"),
        (line(|l| *l = json!(["a", "def solve(x): return x", null, "solve", []])), "expected an object at the beginning of the line"),
        (line(|l| l["cases"] = json!([])), "cases: there is none, so nothing would be verified"),
        (line(|l| l["entry"] = json!("")), "entry: `` is no name of a function"),
        (line(|l| l["entry"] = json!("Solution.solve")), "entry: `Solution.solve` is no name of a function"),
        (line(|l| l["entry"] = json!("solve(x)")), "entry: `solve(x)` is no name"),
        (expected(json!({"$set": [1, 2]})), "case 0: unknown tag `$set`; the tags are $int, $float, $tuple, $dict"),
        (line(|l| l["cases"] = json!([{"args": [[{"a": {"$set": 1}}]], "expected": 2}])), "unknown tag `$set`"),
        (expected(json!({"$float": 1.5})), "the tag `$float` wants a decimal number"),
        (expected(json!({"$int": 12})), "the tag `$int` wants the digits of an integer as a text, not `12`"),
        (expected(json!({"$dict": {"a": 1}})), "the tag `$dict` wants a list of pairs"),
        (expected(json!({"$dict": [["a", 1, 2]]})), "the tag `$dict` wants pairs"),
        (written("[{\"a\": 1, \"a\": 2}]"), "the key `a` is twice in an object"),
        (written("[\"\\ud800\"]"), "unexpected end of hex escape"),
        (written("[NaN]"), "`NaN` is not JSON; write `{\"$float\": \"nan\"}`"),
        (written("[1, Infinity]"), "`Infinity` is not JSON; write `{\"$float\": \"inf\"}`"),
        (written("[-Infinity]"), "`-Infinity` is not JSON; write `{\"$float\": \"-inf\"}`"),
        (written("[1e999]"), "`1e999` is beyond every float; infinity is written `{\"$float\": \"inf\"}`"),
        (written(&format!("[{}{}]", "[".repeat(100_000), "]".repeat(100_000))), "recursion limit"),
        (line(|l| l["text"] = json!("x")), "exactly one of `code` and `text`"),
        (line(|l| l["colour"] = json!("red")), "unknown field `colour`"),
        (line(|l| drop(l.as_object_mut().unwrap().remove("entry"))), "missing field `entry`"),
        (line(|l| l["cases"] = json!([{"args": 1, "expected": 2}])), "expected a sequence"),
        (line(|l| l["cases"] = json!([{"args": [{"$dict": [[[1], 2]]}], "expected": 2}])), "`[1]` can't be a key of a dictionary"),
        (line(|l| l["cases"] = json!([{"args": [1], "expected": {"$dict": [[{"$tuple": [{}]}, 2]]}}])), "`({},)` can't be a key"),
        (line(|l| l["cases"] = json!([{"args": [1], "expected": deep(70)}])), "a value nests deeper than 63"),
        (line(|l| l["cases"] = json!([{"args": [1], "expected": "x".repeat(1 << 20)}])), "larger than the"),
        (expected(json!(vec![0; 100_001])), "100001 items are more than the 100000"),
        (expected(json!({"$int": "9".repeat(157_827)})), "is larger than can be returned"),
        (expected(json!({"$int": "1".repeat(200_000)})), "an integer of 200000 digits"),
        (expected(json!([{"$float": "nan"}])), "nan is expected"),
        (expected(json!({"$dict": [[1, 2], [true, 3]]})), "`True` is a key that the dictionary has already"),
        (expected(json!({"$dict": [[1, 2], [1.0, 3]]})), "`1.0` is a key that"),
        (expected(json!({"$dict": [["a", 2], ["a", 2]]})), "`'a'` is a key that"),
        (expected(json!({"$dict": [[{"$tuple": [0]}, 2], [{"$tuple": [false]}, 2]]})), "`(False,)` is a key that"),
        (line(|l| l["cases"] = json!(vec![json!({"args": [1], "expected": "x".repeat(900_000)}); 10])), "together are larger than the"),
        (digits, "an integer of 1000000 digits"),
        (line(|l| l["cases"] = json!(vec![json!({"args": [1], "expected": 2}); 100_001])), "100001 cases are more than 100000"),
        (
            String::from_utf8(line(|_| ())).unwrap().replace("\"args\"", "\"expected\":3,\"args\"").into_bytes(),
            "case 0: duplicate field `expected`",
        ),
        (b"{\"id\": \"a\", \"id\": \"b\"}".to_vec(), "duplicate field `id`"),
        (b"{\"id\": \"\xff\"}".to_vec(), "invalid unicode"),
        ([b"{\"id\": \"a\", \"cases\": ".as_slice(), &b"[".repeat(100_000)].concat(), "EOF while parsing"),
        (b"not json".to_vec(), "expected"),
        ([line(|_| ()), line(|_| ())].concat(), "trailing characters"),
    ];
    let lines: Vec<Vec<u8>> = bad
        .iter()
        .flat_map(|(bad, _)| [bad.clone(), line(|_| ())])
        .collect();
    let answers = check(&lines);
    assert_eq!(answers.len(), lines.len());
    for (number, (pair, (_, reason))) in answers.chunks(2).zip(&bad).enumerate() {
        assert_eq!(pair[0]["line"], 2 * number + 1, "{}", pair[0]);
        assert!(
            pair[0]["error"].as_str().unwrap().contains(reason),
            "{} is not: {reason}",
            pair[0]
        );
        assert_eq!(
            pair[1]["verdict"], "passed",
            "the rest goes on: {}",
            pair[1]
        );
    }
}

#[test]
fn extreme_lines_that_can_be_meant_are_judged() {
    let same = |value: Json| {
        line(|l| {
            (l["code"], l["cases"]) = (
                json!("def solve(x): return x"),
                json!([{"args": [value], "expected": value}]),
            )
        })
    };
    let deep = (0..60).fold(json!(1), |inner, _| json!([inner]));
    let big = format!("1{}", "0".repeat(400));
    let whole = String::from_utf8(line(|_| ()))
        .unwrap()
        .replace("[1]", &format!("[{big}]"))
        .replace(":2}", &format!(":{}1}}", &big[..400]));
    let one = num_bigint::BigInt::from(1);
    let largest: num_bigint::BigInt = (&one << 524_287_u32) - &one;
    let largest = largest.to_string();
    let lines = vec![
        line(|l| l["cases"] = json!(vec![json!({"args": [1], "expected": 2}); 50_000])),
        line(|l| (l["timeout_ms"], l["memory_mb"]) = (json!(3_600_000), json!(65_536))),
        line(|l| (l["timeout_ms"], l["memory_mb"]) = (json!(null), json!(64))),
        same(deep),
        same(json!("x".repeat(900_000))),
        same(json!({"$dict": (0..40_000).map(|n| json!([n, n])).collect::<Vec<_>>()})),
        whole.into_bytes(),
        line(|l| {
            (l["code"], l["cases"]) = (
                json!("def solve(x): return 2 ** x - 1"),
                json!([{"args": [524_287], "expected": {"$int": largest}}]),
            )
        }),
    ];
    for (answer, line) in check(&lines).iter().zip(&lines) {
        assert_eq!(
            answer["verdict"],
            "passed",
            "{answer} to {}",
            String::from_utf8_lossy(&line[..line.len().min(200)])
        );
    }
}

#[test]
fn values_are_read_as_python_reads_them() {
    let same = |value: &str, test: &str| {
        let code = format!("def solve(x): return x if {test} else None");
        format!(r#"{{"id": "a", "code": "{code}", "entry": "solve", "cases": [{{"args": [{value}], "expected": {value}}}]}}"#).into_bytes()
    };
    let lines = [
        same("-0", "type(x) is int"),
        same(
            "[-0, {\"a\": -0}, {\"$tuple\": [-0]}]",
            "[type(x[0]), type(x[1]['a']), type(x[2][0])] == [int, int, int]",
        ),
        same("-0.0", "str(x) == '-0.0'"),
        same("-0e0", "str(x) == '-0.0'"),
        same("1e5", "type(x) is float"),
        same("18446744073709551616", "x == 2 ** 64"),
        same("{\"b\": 1, \"a\": 2}", "list(x) == ['b', 'a']"),
        same("{\"$dict\": [[\"$set\", [1]]]}", "x == {'$set': [1]}"),
        same("{\"$gt\": 1, \"$lt\": 2}", "x == {'$gt': 1, '$lt': 2}"),
        same("{\"$float\": \"-inf\"}", "x == float('-inf')"),
    ];
    for (answer, line) in check(&lines).iter().zip(&lines) {
        assert_eq!(
            answer["verdict"],
            "passed",
            "{answer} to {}",
            String::from_utf8_lossy(line)
        );
    }
}

#[test]
fn an_id_is_given_back_as_it_is_written() {
    let ids = [
        "3",
        "null",
        "-0",
        "1e999",
        "[1, {\"$set\":  2.50}]",
        "123456789012345678901234567890",
        "\"\\u00e9\\ud800\\t\"",
        "{}",
    ];
    let lines: Vec<Vec<u8>> = ids
        .iter()
        .map(|id| {
            String::from_utf8(line(|_| ()))
                .unwrap()
                .replace("\"id\":\"a\"", &format!("\"id\":{id}"))
                .into_bytes()
        })
        .collect();
    let json = answers(&["--json"], &lines);
    for (answer, id) in json.lines().zip(ids) {
        assert!(
            answer.starts_with(&format!("{{\"id\":{id},\"verdict\":\"passed\"")),
            "{answer}"
        );
    }
    let told = "3,null,-0,1e999,[1, {\"$set\":  2.50}],123456789012345678901234567890,\"\\u00e9\\ud800\\t\",{}";
    assert_eq!(json.lines().count(), ids.len());
    assert_eq!(
        answers(&[], &lines)
            .lines()
            .map(|line| line.split('\t').next().unwrap())
            .collect::<Vec<_>>()
            .join(","),
        told
    );
}

#[test]
fn hostile_neighbours_change_no_honest_verdict() {
    const HONEST: &str = "def solve(x): return sum(1 for _ in range(200_000)) * 0 + x + 1";
    const HOSTILE: [&str; 4] = [
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        "def solve(x):\n    while True: pass",
        "def solve(x): return [bytearray(1 << 20) for _ in range(1 << 20)]",
        "import os\ndef solve(x): os.kill(-1, 9)",
    ];
    let codes: Vec<&str> = HOSTILE
        .iter()
        .flat_map(|hostile| [HONEST, *hostile, HONEST])
        .collect();
    let submissions: Vec<Submission> = codes.iter().map(|code| submission(code)).collect();
    for (path, sandbox) in paths() {
        let outcomes = two_at_once(sandbox)
            .verify_all(&submissions, &AtomicBool::new(false), &|_| ())
            .unwrap();
        for (code, outcome) in codes.iter().zip(&outcomes) {
            assert_eq!(
                outcome.verdict == Verdict::Passed,
                *code == HONEST,
                "{path}: {code}\n{outcome:#?}"
            );
            assert_ne!(
                outcome.verdict,
                Verdict::InfrastructureError,
                "{path}: {outcome:#?}"
            );
        }
    }
}

#[test]
fn cancelling_ends_what_runs() {
    for (path, sandbox) in paths() {
        let cancelled = AtomicBool::new(false);
        let submissions = vec![
            submission("def solve(x): return x + 1"),
            submission("import time\ntime.sleep(1000)"),
        ];
        let stop = |_| cancelled.store(true, Ordering::Relaxed);
        assert_eq!(
            two_at_once(sandbox).verify_all(&submissions, &cancelled, &stop),
            Err(Cancelled),
            "{path}"
        );
    }
}
