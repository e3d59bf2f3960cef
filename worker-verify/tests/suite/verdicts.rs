//! Every verdict from real candidates, and what honest ones may rely on.

use crate::common::{expect, nullary, paths, returns, run, run_both, run_in, submission};
use groklab_domain::{Tally, Value, Verdict};
use groklab_worker_verify::{Limits, Submission};

fn text(text: &[u8]) -> Verdict {
    run_both(&Submission { text: text.to_vec(), is_code: false, ..submission("") }).verdict
}

#[test]
fn code_is_found_in_texts() {
    assert_eq!(text(b"Sure!\n```python\ndef solve(x): return x + 1\n```\nDone."), Verdict::Passed);
    assert_eq!(text(b"def solve(x): return x + 1"), Verdict::Passed);
    assert_eq!(text(b"```\ndef solve(x): return x + 1"), Verdict::Passed);
    assert_eq!(text(b"I think you should add one to it."), Verdict::NoCode);
    assert_eq!(text(b"  \n"), Verdict::NoCode);
    assert_eq!(text(b"\xff\xfe is not text"), Verdict::NoCode);
    assert_eq!(text(b"```python\nI think\n```"), Verdict::SyntaxError);
}

#[test]
fn sources_that_do_not_compile() {
    let nested = format!("x = {}{}", "(".repeat(100_000), ")".repeat(100_000));
    let minuses = format!("x = {}1", "-".repeat(100_000));
    for code in ["def solve(", "\0", "x = 1\0", "return 1", "\u{feff}\u{feff}", &nested, &minuses] {
        expect(code, &[Verdict::SyntaxError]);
    }
    let invalid = Submission { text: b"x = '\xff'".to_vec(), ..submission("") };
    assert_eq!(run_both(&invalid).verdict, Verdict::SyntaxError);
}

#[test]
fn errors_are_told_apart() {
    assert_eq!(expect("1/0", &[Verdict::RuntimeError]).error.unwrap(), "ZeroDivisionError: division by zero");
    expect("def solve(x): return solve(x)", &[Verdict::RuntimeError]);
    expect("def solve(): return 1", &[Verdict::RuntimeError]);
    expect("solve = 3", &[Verdict::MissingFunction]);
    expect("def other(x): return x", &[Verdict::MissingFunction]);
    expect("def solve(x): return [0] * (1 << 40)", &[Verdict::OutOfMemory]);
    expect("x = bytearray(1 << 30)", &[Verdict::OutOfMemory]);
    expect("def solve(x): return x + 2", &[Verdict::WrongAnswer]);
    expect("def solve(x): pass", &[Verdict::WrongAnswer]);
    expect("def solve(x): return 'x' * 10_000_000", &[Verdict::OutputLimit]);
}

#[test]
fn tallies_go_on_after_a_failure() {
    let outcome = expect("def solve(x): return x + 1 if x != 2 else 1 / 0", &[Verdict::RuntimeError]);
    assert_eq!((outcome.visible, outcome.hidden), (Tally { passed: 1, total: 1 }, Tally { passed: 1, total: 2 }));
    assert!(outcome.verification().shortcut());
    assert_eq!(outcome.first_failure.unwrap().got.unwrap(), "ZeroDivisionError: division by zero");
}

#[test]
fn a_timeout_keeps_what_was_passed_before() {
    let outcome = expect("def solve(x):\n    while x == 3: pass\n    return x + 1", &[Verdict::Timeout]);
    assert_eq!((outcome.visible.passed, outcome.hidden.passed), (1, 1));
    assert!(outcome.cpu >= crate::common::LIMITS.cpu && outcome.cpu < crate::common::LIMITS.cpu * 2, "{:?}", outcome.cpu);
}

#[test]
fn the_usual_standard_library_is_there() {
    let modules = "collections itertools functools math re heapq bisect string random datetime decimal fractions json typing dataclasses \
                   statistics operator copy enum hashlib queue threading concurrent.futures contextlib abc array textwrap time \
                   unittest inspect tempfile io types numbers cmath calendar struct base64 secrets uuid zlib logging pprint ctypes";
    let imports: String = modules.split_whitespace().map(|module| format!("import {module}\n")).collect();
    let code = format!(
        "{imports}
@dataclasses.dataclass
class Pair:
    a: 'int'
def solve():
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        total = sum(pool.map(lambda n: n + 1, range(3)))
    with tempfile.TemporaryFile() as file:
        file.write(b'x')
    return total + Pair(1).a"
    );
    assert_eq!(returns(&code, Value::int(7)).verdict, Verdict::Passed);
}

#[test]
fn a_loud_candidate_with_right_values_passes() {
    let outcome = run("import sys\nprint('PASSED', flush=True)\ndef solve(x):\n    print(x, file=sys.stderr)\n    return x + 1");
    assert_eq!(outcome.verdict, Verdict::Passed);
    assert_eq!(run("def solve(x):\n    print('y' * 3_000_000)\n    return x + 1").verdict, Verdict::OutputLimit);
    assert_eq!(run("name = input()").error.unwrap(), "EOFError: EOF when reading a line");
}

#[test]
fn verdicts_repeat() {
    let code = "import random\nbase = random.random()\ndef solve(): return [base, random.random(), list({'a', 'b', 'c'}), hash('x'), list({None, 1, 2, 3, 4}), id(object())]";
    for (path, sandbox) in paths() {
        let seen = || run_in(sandbox, &nullary(code, Value::None)).first_failure.unwrap().got.unwrap();
        let first = seen();
        assert!((0..5).all(|_| seen() == first), "{path}: {first}");
    }
}

#[test]
fn a_small_memory_limit_is_the_candidates_problem() {
    let limits = Limits { memory_bytes: 64 << 20, ..crate::common::LIMITS };
    let verdict = |code| run_both(&Submission { limits, ..submission(code) }).verdict;
    assert_eq!(verdict("def solve(x): return x + 1"), Verdict::Passed);
    assert_eq!(verdict("def solve(x): return len(bytearray(60 << 20))"), Verdict::OutOfMemory);
}
