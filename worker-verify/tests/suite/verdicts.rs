//! Every verdict from real candidates, and what honest ones may rely on.

use crate::common::{
    NSJAIL, SLOWNESS, expect, nullary, paths, returns, run, run_both, run_in, submission,
};
use groklab_domain::{
    Tally, Value, Verdict,
    candidate::{self, Candidate},
};
use groklab_worker_verify::{Limits, Submission};

fn text(text: &[u8]) -> Verdict {
    run_both(&Submission {
        text: text.to_vec(),
        candidate: Some(Candidate::of(text, "solve")),
        ..submission("")
    })
    .verdict
}

#[test]
fn code_is_found_in_texts() {
    assert_eq!(
        text(b"Sure!\n```python\ndef solve(x): return x + 1\n```\nDone."),
        Verdict::Passed
    );
    assert_eq!(text(b"def solve(x): return x + 1"), Verdict::Passed);
    assert_eq!(text(b"```\ndef solve(x): return x + 1"), Verdict::Passed);
    assert_eq!(text(b"I think you should add one to it."), Verdict::NoCode);
    assert_eq!(text(b"  \n"), Verdict::NoCode);
    assert_eq!(text(b"\xff\xfe is not text"), Verdict::NoCode);
    assert_eq!(text(b"```python\nI think\n```"), Verdict::SyntaxError);
}

/// Of the completions that people labelled as having no code, those that are all text: Python says that they are none.
#[test]
fn texts_without_code_are_no_code() {
    let corpus = include_str!("../../../crates/domain/tests/fixtures/completions.jsonl");
    let lines = corpus
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let without: Vec<serde_json::Value> = lines
        .filter(|line| line["code"].is_null() && line["departure"].is_null())
        .collect();
    assert!(without.len() > 20);
    for line in without {
        let (completion, entry) = (
            line["text"].as_str().unwrap().as_bytes(),
            line["entry"].as_str().unwrap(),
        );
        let reader = candidate::Reader::new(entry, line["thinking"] == true);
        let candidate = if line["thinking"] == true {
            reader.finish(completion)
        } else {
            Candidate::of(completion, entry)
        };
        let whole = Submission {
            text: completion.to_vec(),
            candidate: Some(candidate),
            entry: entry.to_owned(),
            ..submission("")
        };
        let other = line["or"].as_array().is_some_and(|or| !or.is_empty());
        // `Here is the` compares two names.
        let other = other || line["id"] == "w-think-cut-after-close";
        assert!(
            run_both(&whole).verdict == Verdict::NoCode || other,
            "{}: {candidate:?}",
            line["id"]
        );
    }
}

#[test]
fn sources_that_do_not_compile() {
    let nested = format!("x = {}{}", "(".repeat(100_000), ")".repeat(100_000));
    let minuses = format!("x = {}1", "-".repeat(100_000));
    for code in [
        "def solve(",
        "\0",
        "x = 1\0",
        "return 1",
        "\u{feff}\u{feff}",
        &nested,
        &minuses,
    ] {
        expect(code, &[Verdict::SyntaxError]);
    }
    let invalid = Submission {
        text: b"x = '\xff'".to_vec(),
        ..submission("")
    };
    assert_eq!(run_both(&invalid).verdict, Verdict::SyntaxError);
}

#[test]
fn errors_are_told_apart() {
    assert_eq!(
        expect("1/0", &[Verdict::RuntimeError]).error.unwrap(),
        "ZeroDivisionError: division by zero"
    );
    expect("def solve(x): return solve(x)", &[Verdict::RuntimeError]);
    expect("def solve(): return 1", &[Verdict::RuntimeError]);
    expect("solve = 3", &[Verdict::MissingFunction]);
    expect("def other(x): return x", &[Verdict::MissingFunction]);
    expect(
        "def solve(x): return [0] * (1 << 40)",
        &[Verdict::OutOfMemory],
    );
    expect("x = bytearray(1 << 30)", &[Verdict::OutOfMemory]);
    expect("def solve(x): return x + 2", &[Verdict::WrongAnswer]);
    expect("def solve(x): pass", &[Verdict::WrongAnswer]);
    expect(
        "def solve(x): return 'x' * 10_000_000",
        &[Verdict::OutputLimit],
    );
}

#[test]
fn tallies_go_on_after_a_failure() {
    let outcome = expect(
        "def solve(x): return x + 1 if x != 2 else 1 / 0",
        &[Verdict::RuntimeError],
    );
    assert_eq!(
        (outcome.visible, outcome.hidden),
        (
            Tally {
                passed: 1,
                total: 1
            },
            Tally {
                passed: 1,
                total: 2
            }
        )
    );
    assert!(outcome.verification().shortcut());
    assert_eq!(
        outcome.first_failure.unwrap().got.unwrap(),
        "ZeroDivisionError: division by zero"
    );
}

#[test]
fn a_timeout_keeps_what_was_passed_before() {
    let outcome = expect(
        "def solve(x):\n    while x == 3: pass\n    return x + 1",
        &[Verdict::Timeout],
    );
    assert_eq!((outcome.visible.passed, outcome.hidden.passed), (1, 1));
    // On a machine so busy that the limit on elapsed time came first, the other was not reached.
    let mut limit = crate::common::LIMITS;
    limit.cpu *= *SLOWNESS;
    assert!(
        outcome.wall >= limit.wall() || (limit.cpu..limit.cpu * 2).contains(&outcome.cpu),
        "{outcome:?}"
    );
}

#[test]
fn the_usual_standard_library_is_there() {
    let modules = "collections itertools functools math re heapq bisect string random datetime decimal fractions json typing dataclasses \
                   statistics operator copy enum hashlib queue threading concurrent.futures contextlib abc array textwrap time \
                   unittest inspect tempfile io types numbers cmath calendar struct base64 secrets uuid zlib logging pprint ctypes";
    let imports: String = modules
        .split_whitespace()
        .map(|module| format!("import {module}\n"))
        .collect();
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
    let outcome = run(
        "import sys\nprint('PASSED', flush=True)\ndef solve(x):\n    print(x, file=sys.stderr)\n    return x + 1",
    );
    assert_eq!(outcome.verdict, Verdict::Passed);
    assert_eq!(
        run("def solve(x):\n    print('y' * 3_000_000)\n    return x + 1").verdict,
        Verdict::OutputLimit
    );
    assert_eq!(
        run("name = input()").error.unwrap(),
        "EOFError: EOF when reading a line"
    );
}

#[test]
fn verdicts_repeat() {
    let code = "import random\nbase = random.random()\ndef solve(): return [base, random.random(), list({'a', 'b', 'c'}), hash('x'), list({None, 1, 2, 3, 4}), id(object())]";
    for (path, sandbox) in paths() {
        let seen = || {
            run_in(sandbox, &nullary(code, Value::None))
                .first_failure
                .unwrap()
                .got
                .unwrap()
        };
        let first = seen();
        assert!((0..5).all(|_| seen() == first), "{path}: {first}");
    }
}

#[test]
fn a_small_memory_limit_is_the_candidates_problem() {
    let limits = Limits {
        memory_bytes: 64 << 20,
        ..crate::common::LIMITS
    };
    let verdict = |code| {
        run_both(&Submission {
            limits,
            ..submission(code)
        })
        .verdict
    };
    assert_eq!(verdict("def solve(x): return x + 1"), Verdict::Passed);
    assert_eq!(
        verdict("def solve(x): return len(bytearray(60 << 20))"),
        Verdict::OutOfMemory
    );
}

/// Whatever can be called by the entry's name is called; what it returns counts, and nothing else.
#[test]
fn kinds_of_functions() {
    let kinds = [
        ("solve = lambda x: x + 1", Verdict::Passed),
        (
            "import functools, operator\nsolve = functools.partial(operator.add, 1)",
            Verdict::Passed,
        ),
        (
            "class solve:\n    def __new__(cls, x): return x + 1",
            Verdict::Passed,
        ),
        (
            "class C:\n    def __call__(self, x): return x + 1\nsolve = C()",
            Verdict::Passed,
        ),
        (
            "class C:\n    @classmethod\n    def add(cls, x): return x + 1\nsolve = C.add",
            Verdict::Passed,
        ),
        ("solve = (1).__add__", Verdict::Passed),
        (
            "def solve(x):\n    globals().pop('solve', 0)\n    return x + 1",
            Verdict::Passed,
        ),
        (
            "def solve(x):\n    globals()['solve'] = lambda x: 0\n    return x + 1",
            Verdict::Passed,
        ),
        (
            "def solve(*args, seen=[], **more):\n    seen.append(args)\n    return args[0] + 1",
            Verdict::Passed,
        ),
        ("def solve(x):\n    yield x + 1", Verdict::WrongAnswer),
        ("async def solve(x): return x + 1", Verdict::WrongAnswer),
        ("def solve(x): return lambda: x + 1", Verdict::WrongAnswer),
        ("def solve(x, y): return x + 1", Verdict::RuntimeError),
        (
            "if False:\n    def solve(x): return x + 1",
            Verdict::MissingFunction,
        ),
    ];
    for (code, verdict) in kinds {
        expect(code, &[verdict]);
    }
}

/// What is returned counts by exact type, to the last item.
#[test]
fn kinds_of_values() {
    let one = || Value::List(vec![Value::int(1)]);
    let floats = |x: f64| Value::List(vec![Value::Float(x)]);
    let pairs = |keys: [i64; 2]| {
        Value::Dict(
            keys.iter()
                .map(|key| (Value::int(*key), Value::str("v")))
                .collect(),
        )
    };
    let kinds = [
        ("[1]", one(), true),
        ("(1,)", one(), false),
        ("[True]", one(), false),
        ("[1.0]", one(), false),
        ("type('L', (list,), {})([1])", one(), false),
        (
            "__import__('collections').namedtuple('P', 'a')(1)",
            Value::Tuple(vec![Value::int(1)]),
            false,
        ),
        ("__import__('array').array('q', [1])", one(), false),
        ("range(1, 2)", one(), false),
        ("{1}", one(), false),
        ("b'a'", Value::str("a"), false),
        ("'a\\0b'", Value::str("a\0b"), true),
        ("type('S', (str,), {})('a')", Value::str("a"), false),
        ("[-0.0]", floats(0.0), true),
        ("[float('inf')]", floats(f64::INFINITY), true),
        ("[float('nan')]", floats(f64::NAN), false),
        ("[1 + 0j]", floats(1.0), false),
        ("{2: 'v', 1: 'v'}", pairs([1, 2]), true),
        ("{1: 'v', True: 'w', 2: 'v'}", pairs([1, 2]), false),
        ("{1: 'v', 2.0: 'v'}", pairs([1, 2]), false),
        (
            "__import__('collections').Counter('ab')",
            Value::Dict(vec![
                (Value::str("a"), Value::int(1)),
                (Value::str("b"), Value::int(1)),
            ]),
            false,
        ),
        (
            "__import__('collections').OrderedDict({1: 'v', 2: 'v'})",
            pairs([1, 2]),
            false,
        ),
        (
            "[shared, shared] if (shared := [1]) else 0",
            Value::List(vec![one(), one()]),
            true,
        ),
        ("None", Value::Bool(false), false),
        ("NotImplemented", Value::None, false),
        ("...", Value::None, false),
        (
            "10 ** 400",
            Value::Int(num_bigint::BigInt::from(10).pow(400)),
            true,
        ),
    ];
    for (expression, expected, passes) in kinds {
        let outcome = returns(&format!("def solve(): return {expression}"), expected);
        assert_eq!(
            outcome.verdict,
            if passes {
                Verdict::Passed
            } else {
                Verdict::WrongAnswer
            },
            "{expression}: {outcome:#?}"
        );
    }
}

/// Python's limit on the digits of what is converted is not the task's: the limit on CPU time is.
#[test]
fn integers_of_many_digits_are_converted() {
    for (expression, digits) in [
        ("str(2 ** 20_000)", 6021),
        ("str(int('7' * 9_000))", 9000),
        ("f'{10 ** 4999}'", 5000),
    ] {
        let outcome = returns(
            &format!("def solve(): return len({expression})"),
            Value::int(digits),
        );
        assert_eq!(
            outcome.verdict,
            Verdict::Passed,
            "{expression}: {outcome:#?}"
        );
    }
    let literal = format!("def solve(): return {} % 10", "7".repeat(5000));
    assert_eq!(returns(&literal, Value::int(7)).verdict, Verdict::Passed);
    expect(
        "def solve(x): return str(1 << (1 << 26))",
        &[Verdict::Timeout],
    );
}

/// As the interpreter's `typing` has them, without those that `collections` has too.
#[test]
fn all_names_of_typing_need_no_import() {
    let list = "import typing; print(*(name for name in typing.__all__ if name not in ('ChainMap', 'Counter', 'OrderedDict')))";
    let listed = std::process::Command::new(&NSJAIL.python.executable)
        .args(["-I", "-c", list])
        .output()
        .unwrap();
    let names = String::from_utf8(listed.stdout)
        .unwrap()
        .trim()
        .replace(' ', ", ");
    assert!(
        names.contains("List") && names.contains("Optional"),
        "{names}"
    );
    let code = format!(
        "def solve():
    t = __import__('ty' 'ping')
    return [name for name, lent in zip('{names}'.split(', '), [{names}]) if lent is not getattr(t, name)]"
    );
    let outcome = returns(&code, Value::List(vec![]));
    assert_eq!(outcome.verdict, Verdict::Passed, "{outcome:#?}");
}

#[test]
fn annotations_need_no_import_and_nothing_else_changes() {
    for passes in [
        "def solve(x: Union[int, str], y: Optional[List[int]] = None) -> Dict[str, Tuple[Any, ...]]: return x + 1",
        "class C:\n    seen: Set[int] = set()\n    def add(self, x: int) -> Callable: return x + 1\nsolve = C().add",
        "def solve(x):\n    def inner(items: Iterable[int]) -> Sequence: return items\n    return inner([x + 1])[0]",
        "from typing import List\ndef solve(x: List[int], y: Optional[int] = None): return x + 1",
        "import typing\ndef solve(x: typing.List[int]): return x + 1 if 'List' not in globals() else 0",
        "T = TypeVar('T')\nclass Box(Generic[T]):\n    pass\nclass P(NamedTuple):\n    n: int\ndef solve(x): return P(x + 1).n",
        // What the code has itself comes first.
        "List = 1\ndef solve(x): return x + List",
        "def Set(x): return x + 1\ndef solve(x): return Set(x)",
        "def solve(x, Any=1): return x + Any",
        "from collections import Counter, OrderedDict\ndef solve(x): return x + len(OrderedDict(Counter('a')))",
        // Nor is there anything to see.
        "x: List\ndef solve(x): return x + 1 if 'List' not in globals() and 'List' not in dir() else 0",
        "import builtins\ndef solve(x): return x + 1 if not any(hasattr(builtins, n) for n in ('List', 'Optional', 'Any')) else 0",
        "import builtins\nbuiltins.one = 1\ndef solve(x: Any): return x + one",
        "import builtins\ndef solve(x: Any): return x + 1 if vars(builtins) is __builtins__ else 0",
    ] {
        expect(passes, &[Verdict::Passed]);
    }
    for (forgotten, reason) in [
        (
            "def solve(x): return math.floor(x) + 1",
            "name 'math' is not defined",
        ),
        (
            "def solve(x): return len(Counter([x])) + x",
            "name 'Counter' is not defined",
        ),
        (
            "def solve(x: List[int], y: Lists): return x + 1",
            "name 'Lists' is not defined",
        ),
        (
            "def solve(x: np.ndarray): return x + 1",
            "name 'np' is not defined",
        ),
    ] {
        let outcome = expect(forgotten, &[Verdict::RuntimeError]);
        assert!(
            outcome
                .error
                .as_ref()
                .is_some_and(|error| error.contains(reason)),
            "{outcome:#?}"
        );
    }
}

/// What one call does to its argument is gone by the next, and never reaches what is expected.
#[test]
fn arguments_are_made_anew_for_every_call() {
    let list = |items: &[i64]| Value::List(items.iter().map(|n| Value::int(*n)).collect());
    let case = |expected| groklab_worker_verify::Case {
        args: vec![list(&[1])],
        expected,
        visible: false,
    };
    let code = "kept = []\ndef solve(x):\n    x.append(2)\n    kept.append(x)\n    return x";
    let outcome = run_both(&Submission {
        cases: vec![
            case(list(&[1, 2])),
            case(list(&[1, 2])),
            case(list(&[1, 2])),
        ],
        ..submission(code)
    });
    assert_eq!(outcome.verdict, Verdict::Passed, "{outcome:#?}");
}

#[test]
fn forms_of_source() {
    let forms: [(&[u8], Verdict); 13] = [
        (
            "\u{feff}def solve(x): return x + 1".as_bytes(),
            Verdict::Passed,
        ),
        (b"\x0cdef solve(x): return x + 1\n\x0c", Verdict::Passed),
        (
            b"def solve(x):\r    y = x\r\n    return y + 1\n",
            Verdict::Passed,
        ),
        (
            b"# -*- coding: latin-1 -*-\nd = '\xe4'\ndef solve(x): return x + len(d)",
            Verdict::Passed,
        ),
        (
            b"from __future__ import annotations\ndef solve(x: never) -> never: return x + 1",
            Verdict::Passed,
        ),
        (
            b"if __name__ == '__main__': raise SystemExit\ndef solve(x): return x + 1",
            Verdict::Passed,
        ),
        (
            b"x = 1\nfrom __future__ import annotations\ndef solve(x): return x + 1",
            Verdict::SyntaxError,
        ),
        (
            b"# coding: rot13\nqrs fbyir(k): erghea k+1",
            Verdict::SyntaxError,
        ),
        (
            b"# coding: never\ndef solve(x): return x + 1",
            Verdict::SyntaxError,
        ),
        (
            b"def solve(x):\n\ty = x\n        return y + 1",
            Verdict::SyntaxError,
        ),
        (b"def solve(x): return x + 1\n\0", Verdict::SyntaxError),
        (b"\xfe\xff\0d\0e\0f", Verdict::SyntaxError),
        (b"", Verdict::MissingFunction),
    ];
    for (source, verdict) in forms {
        let outcome = run_both(&Submission {
            text: source.to_vec(),
            ..submission("")
        });
        assert_eq!(
            outcome.verdict,
            verdict,
            "{}: {outcome:#?}",
            source.escape_ascii()
        );
    }
}

#[test]
fn forms_of_answers() {
    let right = "def solve(x): return x + 1\n";
    let wrong = "def solve(x): return x\n";
    let answers = [
        (
            format!("```python\n{right}```\n```python\n{wrong}```"),
            Verdict::Passed,
        ),
        (
            format!("```\n{right}```\n```PY\n{wrong}```"),
            Verdict::Passed,
        ),
        (
            format!("```\nsolve(1)\n```\n```PY\n{right}```"),
            Verdict::Passed,
        ),
        (format!("~~~python3\n{right}~~~"), Verdict::Passed),
        (format!("````python\n# ```\n{right}````"), Verdict::Passed),
        (
            format!("1. Like so:\n   ```python\n{right}   ```\n"),
            Verdict::Passed,
        ),
        (
            format!("```python\r\n{}```\r\n", right.replace('\n', "\r\n")),
            Verdict::Passed,
        ),
        (format!("```python\n{right}"), Verdict::Passed),
        (
            format!("```python {{.numberLines}}\n{right}```"),
            Verdict::Passed,
        ),
        (
            format!("```json\n{{}}\n```\n~~~\n{right}~~~"),
            Verdict::Passed,
        ),
        (format!("```python\n```\n{right}"), Verdict::Passed),
        (
            format!("```python\nsolve(1)\n```\n{right}"),
            Verdict::Passed,
        ),
        ("```json\n{}\n```".to_owned(), Verdict::MissingFunction),
        ("``` ```".to_owned(), Verdict::NoCode),
    ];
    for (answer, verdict) in answers {
        assert_eq!(text(answer.as_bytes()), verdict, "{answer}");
    }
}

/// As many calls as in a plain script, on both paths.
#[test]
fn recursion_reaches_as_deep_as_in_a_script() {
    let code = "
def reach(n): return 0 if n == 0 else 1 + reach(n - 1)
def solve():
    deepest = 0
    for n in range(900, 1100):
        try: deepest = reach(n)
        except RecursionError: return deepest";
    let plain = std::process::Command::new(&NSJAIL.python.executable)
        .args(["-I", "-c", &format!("{code}\nprint(solve())")])
        .output()
        .unwrap();
    let depth: i64 = String::from_utf8(plain.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let outcome = returns(code, Value::int(depth));
    assert_eq!(outcome.verdict, Verdict::Passed, "{depth}: {outcome:#?}");
}

#[test]
fn standard_input_is_empty() {
    for code in [
        "import sys\ninput = sys.stdin.buffer.readline\ndef solve(x): return x + 1 if input() == b'' else 0",
        "import sys\ndef solve(x): return x + 1 if sys.stdin.read() == '' and list(sys.stdin) == [] else 0",
        "def solve(x):\n    try: input()\n    except EOFError: return x + 1",
    ] {
        expect(code, &[Verdict::Passed]);
    }
}

/// Its state is the same on both paths although the source does not name it.
#[test]
fn what_is_random_repeats_however_it_is_imported() {
    for import in [
        "import random",
        "random = __import__('ran' 'dom')",
        "import importlib\nrandom = importlib.import_module('modnar'[::-1])",
    ] {
        let code = format!("{import}\ndef solve(): return random.random()");
        let outcome = returns(&code, Value::Float(0.844_421_851_525_048_1));
        assert_eq!(outcome.verdict, Verdict::Passed, "{import}: {outcome:#?}");
    }
}
