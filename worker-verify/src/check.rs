//! `worker-verify check`: candidates in, verdicts out, one JSON object a line, in input order. A malformed line gets an answer
//! with its number, and the rest goes on. What has arrived is answered without waiting for more.

use std::{
    io::{self, BufRead, Read as _, Write},
    num::NonZero,
    sync::{
        atomic::AtomicBool,
        mpsc::{Receiver, sync_channel},
    },
    thread,
    time::Duration,
};

use groklab_domain::{Value, Verdict};
use serde::{Deserialize, Serialize};

use crate::{
    integers,
    pool::verify_all,
    sandbox::{Limits, Sandbox},
    seen::{shorten, write_value},
    verify::{Case, Outcome, Submission},
};

/// Most lines verified at a time, and most read ahead.
const BATCH: usize = 256;
/// A batch takes no further line once it has so many bytes.
const BATCH_BYTES: usize = 64 << 20;
/// Longest line that is read, bytes.
const MAX_LINE: usize = 256 << 20;
/// Most cases of one candidate: the shortest answers to many more would not fit into what is accepted from one run.
const MAX_CASES: usize = 100_000;
/// Deepest nesting and largest encoding of a value that `runner.py` sends, with room for what is around it.
const MAX_DEPTH: usize = 63;
const MAX_ANSWER: usize = (1 << 20) - 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: String,
    /// Code as it stands.
    #[serde(default)]
    code: Option<String>,
    /// Or a text with code in it.
    #[serde(default)]
    text: Option<String>,
    entry: String,
    cases: Vec<LineCase>,
    #[serde(default)]
    timeout_ms: Option<Value>,
    #[serde(default)]
    memory_mb: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineCase {
    args: Vec<Value>,
    expected: Value,
}

#[derive(Serialize)]
struct Answer<'a> {
    id: &'a str,
    verdict: Verdict,
    passed: u32,
    total: u32,
    first_failure: Option<AnswerFailure<'a>>,
    error: Option<&'a str>,
    cpu_ms: f64,
    wall_ms: f64,
    peak_memory_kb: u64,
}

#[derive(Serialize)]
struct AnswerFailure<'a> {
    case: usize,
    got: Option<&'a str>,
    expected: &'a str,
}

#[derive(Serialize)]
struct Refusal<'a> {
    line: usize,
    error: &'a str,
}

/// How `check` went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    pub passed: usize,
    pub failed: usize,
    /// Candidates about which nothing could be said.
    pub infrastructure_errors: usize,
    pub malformed: usize,
}

/// Answers every line of `input` on `output`: JSON with `json`, else `id verdict passed/total error`.
///
/// # Errors
/// Reading or writing.
pub fn check(
    sandbox: &dyn Sandbox,
    threads: NonZero<usize>,
    input: impl BufRead + Send + 'static,
    output: impl Write,
    json: bool,
) -> io::Result<Summary> {
    let mut printer = Printer { output, json, summary: Summary::default() };
    let lines = read_ahead(input)?;
    while let Ok(first) = lines.recv() {
        // Only what is there already: whoever writes a line and waits for its answer gets it.
        let mut batch = vec![first?];
        while batch.len() < BATCH && batch.iter().map(|(_, line)| line.len()).sum::<usize>() < BATCH_BYTES {
            let Ok(line) = lines.try_recv() else { break };
            batch.push(line?);
        }
        check_batch(sandbox, threads, &batch, &mut printer)?;
    }
    Ok(printer.summary)
}

/// A line's number, from 1, and its bytes.
type NumberedLine = (usize, Vec<u8>);

/// Reads lines on a thread of its own, at most a batch ahead. The thread ends with the input, or after one more line once
/// nobody listens; it is not waited for, as a read can't be broken off.
fn read_ahead(mut input: impl BufRead + Send + 'static) -> io::Result<Receiver<io::Result<NumberedLine>>> {
    let (sender, receiver) = sync_channel(BATCH);
    let read = move || {
        for number in 1.. {
            let line = read_line(&mut input).transpose();
            let Some(line) = line else { break };
            let failed = line.is_err();
            if sender.send(line.map(|line| (number, line))).is_err() || failed {
                break;
            }
        }
    };
    thread::Builder::new().name("read-lines".to_owned()).spawn(read)?;
    Ok(receiver)
}

/// The next line without its end; of one that is too long only one byte more than is allowed. Nothing at the end of the input.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    if input.by_ref().take(MAX_LINE as u64 + 1).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() > MAX_LINE {
        input.skip_until(b'\n')?;
    }
    Ok(Some(line))
}

fn check_batch<W: Write>(
    sandbox: &dyn Sandbox,
    threads: NonZero<usize>,
    batch: &[NumberedLine],
    printer: &mut Printer<W>,
) -> io::Result<()> {
    let mut submissions = Vec::new();
    let mut lines = Vec::new();
    for (number, line) in batch.iter().filter(|(_, line)| !line.trim_ascii().is_empty()) {
        lines.push(
            parse(line)
                .map(|(id, submission)| {
                    submissions.push(submission);
                    id
                })
                .map_err(|error| (*number, error)),
        );
    }
    let never = AtomicBool::new(false);
    let outcomes = verify_all(sandbox, &submissions, threads, &never, &|_| ()).expect("nobody cancels");
    let mut outcomes = outcomes.iter();
    for line in &lines {
        match line {
            Ok(id) => printer.answer(id, outcomes.next().expect("every submission has an outcome"))?,
            Err((number, error)) => printer.refuse(*number, error)?,
        }
    }
    printer.output.flush()
}

fn parse(line: &[u8]) -> Result<(String, Submission), String> {
    if line.len() > MAX_LINE {
        return Err(format!("the line is longer than {} MiB", MAX_LINE >> 20));
    }
    let line: Line = serde_json::from_slice(&integers::tagged(line)).map_err(|error| error.to_string())?;
    let (text, is_code) = match (line.code, line.text) {
        (Some(code), None) => (code, true),
        (None, Some(text)) => (text, false),
        _ => return Err("exactly one of `code` and `text` is needed".to_owned()),
    };
    let defaults = Limits::default();
    let limits = Limits {
        cpu: whole("timeout_ms", line.timeout_ms)?.map_or(defaults.cpu, Duration::from_millis),
        memory_bytes: whole("memory_mb", line.memory_mb)?.map_or(defaults.memory_bytes, |mb| mb.saturating_mul(1 << 20)),
        ..defaults
    };
    limits.check().map_err(|error| error.to_string())?;
    if line.cases.len() > MAX_CASES {
        return Err(format!("{} cases are more than {MAX_CASES}", line.cases.len()));
    }
    for case in &line.cases {
        case.args.iter().chain([&case.expected]).try_for_each(|value| check_value(value, 0))?;
        check_answer(&case.expected)?;
    }
    let cases = line.cases.into_iter().map(|case| Case { args: case.args, expected: case.expected, visible: false }).collect();
    Ok((line.id, Submission { text: text.into_bytes(), is_code, entry: line.entry, cases, limits }))
}

/// A limit as it was written, if it was.
fn whole(name: &str, value: Option<Value>) -> Result<Option<u64>, String> {
    match value {
        None | Some(Value::None) => Ok(None),
        Some(Value::Int(n)) if u64::try_from(&n).is_ok() => Ok(u64::try_from(&n).ok()),
        Some(other) => Err(format!("{name}: `{}` is not a whole number from 0 to {}", shorten(&other.python(), 40), u64::MAX)),
    }
}

/// Whether the runner can make this value, or show it: Python has no dictionaries with keys that can be changed.
fn check_value(value: &Value, depth: usize) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!("a value nests deeper than {MAX_DEPTH}"));
    }
    match value {
        Value::List(items) | Value::Tuple(items) => items.iter().try_for_each(|item| check_value(item, depth + 1)),
        Value::Dict(pairs) => pairs.iter().try_for_each(|(key, value)| match key {
            key if is_hashable(key) => check_value(key, depth + 1).and_then(|()| check_value(value, depth + 1)),
            key => Err(format!("`{}` can't be a key of a dictionary", shorten(&key.python(), 40))),
        }),
        _ => Ok(()),
    }
}

/// Whether a candidate could return it at all.
fn check_answer(expected: &Value) -> Result<(), String> {
    let mut bytes = Vec::new();
    write_value(expected, &mut bytes);
    if bytes.len() > MAX_ANSWER {
        return Err(format!("an expected value of {} bytes is larger than the {MAX_ANSWER} that can be returned", bytes.len()));
    }
    Ok(())
}

fn is_hashable(key: &Value) -> bool {
    match key {
        Value::List(_) | Value::Dict(_) => false,
        Value::Tuple(items) => items.iter().all(is_hashable),
        _ => true,
    }
}

struct Printer<W> {
    output: W,
    json: bool,
    summary: Summary,
}

impl<W: Write> Printer<W> {
    fn answer(&mut self, id: &str, outcome: &Outcome) -> io::Result<()> {
        match outcome.verdict {
            Verdict::Passed => self.summary.passed += 1,
            Verdict::InfrastructureError => self.summary.infrastructure_errors += 1,
            _ => self.summary.failed += 1,
        }
        let failure = outcome.first_failure.as_ref();
        let answer = Answer {
            id,
            verdict: outcome.verdict,
            passed: outcome.visible.passed + outcome.hidden.passed,
            total: outcome.visible.total + outcome.hidden.total,
            first_failure: failure.map(|f| AnswerFailure { case: f.case, got: f.got.as_deref(), expected: &f.expected }),
            error: outcome.error.as_deref(),
            cpu_ms: milliseconds(outcome.cpu),
            wall_ms: milliseconds(outcome.wall),
            peak_memory_kb: outcome.peak_memory_bytes / 1024,
        };
        if self.json {
            return self.write_json(&answer);
        }
        let error = answer.error.unwrap_or_default();
        writeln!(self.output, "{id}\t{}\t{}/{}\t{error}", answer.verdict, answer.passed, answer.total)
    }

    fn refuse(&mut self, line: usize, error: &str) -> io::Result<()> {
        self.summary.malformed += 1;
        if self.json {
            return self.write_json(&Refusal { line, error });
        }
        writeln!(self.output, "line {line}\tmalformed\t{error}")
    }

    fn write_json(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.output, value)?;
        self.output.write_all(b"\n")
    }
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e5).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Fake, Step};
    use std::{io::BufReader, os::unix::net::UnixStream};

    #[test]
    fn a_line_is_answered_while_the_input_stays_open() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let checking = thread::spawn(move || {
            let sandbox = Fake::default().with("one", "solve", |_| Step::Return(Value::int(1)));
            check(&sandbox, NonZero::<usize>::MIN, BufReader::new(theirs.try_clone().unwrap()), theirs, false)
        });
        let mut answers = BufReader::new(ours.try_clone().unwrap()).lines();
        for id in ["a", "b"] {
            writeln!(ours, r#"{{"id": "{id}", "code": "one", "entry": "solve", "cases": [{{"args": [], "expected": 1}}]}}"#).unwrap();
            assert_eq!(answers.next().unwrap().unwrap(), format!("{id}\tpassed\t1/1\t"));
        }
        ours.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(checking.join().unwrap().unwrap(), Summary { passed: 2, ..Summary::default() });
    }
}
