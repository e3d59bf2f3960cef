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

use groklab_domain::Verdict;
use groklab_runtime::process::USAGE;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::commands::line::{self, MAX_LINE};
use crate::judge::pool::verify_all;
use crate::judge::verify::Outcome;
use crate::sandbox::Sandbox;

/// Most lines verified at a time, and most read ahead.
const BATCH: usize = 256;
/// A batch takes no further line once it has so many bytes.
const BATCH_BYTES: usize = 64 << 20;

#[derive(Serialize)]
struct Answer<'a> {
    id: &'a RawValue,
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
    /// The number of the first malformed line.
    pub first_malformed: Option<usize>,
}

impl Summary {
    /// The exit code that `--help` documents. What has no verdict for reasons of ours comes first: the same lines may get one on
    /// another try, and until then the answers are not to be relied on as a whole.
    pub fn exit_code(&self) -> u8 {
        match (self.infrastructure_errors, self.malformed) {
            (0, 0) => 0,
            (0, _) => USAGE,
            _ => 1,
        }
    }

    /// What was not done, if anything, for people.
    pub fn complaint(&self) -> Option<String> {
        let judged = |count| format!("candidates that the sandbox could not judge: {count}");
        let read = |line| {
            format!(
                "malformed lines: {}, the first is line {line}",
                self.malformed
            )
        };
        let broken = Some(self.infrastructure_errors)
            .filter(|count| *count > 0)
            .map(judged);
        let complaints: Vec<String> = broken
            .into_iter()
            .chain(self.first_malformed.map(read))
            .collect();
        if complaints.is_empty() {
            None
        } else {
            Some(complaints.join("; "))
        }
    }
}

/// Why `check` came to an end before its input did.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("start to read")]
    Start(#[source] io::Error),
    #[error("read the candidates")]
    Read(#[source] io::Error),
    #[error("write the answers")]
    Write(#[source] io::Error),
}

/// Answers every line of `input` on `output`: JSON with `json`, else `id verdict passed/total error`.
///
/// # Errors
/// Reading or writing: nobody gets the answers that are missing.
pub fn check(
    sandbox: &dyn Sandbox,
    threads: NonZero<usize>,
    input: impl BufRead + Send + 'static,
    output: impl Write,
    json: bool,
) -> Result<Summary, Error> {
    let mut printer = Printer {
        output,
        json,
        summary: Summary::default(),
    };
    let lines = read_ahead(input).map_err(Error::Start)?;
    while let Ok(first) = lines.recv() {
        // Only what is there already: whoever writes a line and waits for its answer gets it.
        let mut batch = vec![first.map_err(Error::Read)?];
        while batch.len() < BATCH
            && batch.iter().map(|(_, line)| line.len()).sum::<usize>() < BATCH_BYTES
        {
            let Ok(line) = lines.try_recv() else { break };
            batch.push(line.map_err(Error::Read)?);
        }
        check_batch(sandbox, threads, &batch, &mut printer).map_err(Error::Write)?;
    }
    Ok(printer.summary)
}

/// A line's number, from 1, and its bytes.
type NumberedLine = (usize, Vec<u8>);

/// Reads lines on a thread of its own, at most a batch ahead. The thread ends with the input, or after one more line once
/// nobody listens; it is not waited for, as a read can't be broken off.
fn read_ahead(
    mut input: impl BufRead + Send + 'static,
) -> io::Result<Receiver<io::Result<NumberedLine>>> {
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
    thread::Builder::new()
        .name("read-lines".to_owned())
        .spawn(read)?;
    Ok(receiver)
}

/// The next line without its end; of one that is too long only one byte more than is allowed. Nothing at the end of the input.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    if input
        .by_ref()
        .take(MAX_LINE as u64 + 1)
        .read_until(b'\n', &mut line)?
        == 0
    {
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
    for (number, line) in batch
        .iter()
        .filter(|(_, line)| !line.trim_ascii().is_empty())
    {
        lines.push(
            line::parse(line)
                .map(|(id, submission)| {
                    submissions.push(submission);
                    id
                })
                .map_err(|error| (*number, error)),
        );
    }
    let never = AtomicBool::new(false);
    let outcomes =
        verify_all(sandbox, &submissions, threads, &never, &|_| ()).expect("nobody cancels");
    let mut outcomes = outcomes.iter();
    for line in &lines {
        match line {
            Ok(id) => printer.answer(
                id,
                outcomes.next().expect("every submission has an outcome"),
            )?,
            Err((number, error)) => printer.refuse(*number, error)?,
        }
    }
    printer.output.flush()
}

struct Printer<W> {
    output: W,
    json: bool,
    summary: Summary,
}

impl<W: Write> Printer<W> {
    fn answer(&mut self, id: &RawValue, outcome: &Outcome) -> io::Result<()> {
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
            first_failure: failure.map(|f| AnswerFailure {
                case: f.case,
                got: f.got.as_deref(),
                expected: &f.expected,
            }),
            error: outcome.error.as_deref(),
            cpu_ms: milliseconds(outcome.cpu),
            wall_ms: milliseconds(outcome.wall),
            peak_memory_kb: outcome.peak_memory_bytes / 1024,
        };
        if self.json {
            return self.write_json(&answer);
        }
        let error = answer.error.unwrap_or_default();
        writeln!(
            self.output,
            "{}\t{}\t{}/{}\t{error}",
            shown(id),
            answer.verdict,
            answer.passed,
            answer.total
        )
    }

    fn refuse(&mut self, line: usize, error: &str) -> io::Result<()> {
        self.summary.malformed += 1;
        self.summary.first_malformed.get_or_insert(line);
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

/// An id for people: a text without its quotes, unless it would break the line.
fn shown(id: &RawValue) -> String {
    let text = serde_json::from_str::<String>(id.get()).ok();
    text.filter(|text| !text.chars().any(char::is_control))
        .unwrap_or_else(|| id.get().to_owned())
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e5).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Fake, Step};
    use groklab_domain::Value;
    use std::{io::BufReader, os::unix::net::UnixStream};

    #[test]
    fn a_line_is_answered_while_the_input_stays_open() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let checking = thread::spawn(move || {
            let sandbox = Fake::default().with("one", "solve", |_| Step::Return(Value::int(1)));
            check(
                &sandbox,
                NonZero::<usize>::MIN,
                BufReader::new(theirs.try_clone().unwrap()),
                theirs,
                false,
            )
        });
        let mut answers = BufReader::new(ours.try_clone().unwrap()).lines();
        for id in ["a", "b"] {
            writeln!(ours, r#"{{"id": "{id}", "code": "one", "entry": "solve", "cases": [{{"args": [], "expected": 1}}]}}"#).unwrap();
            assert_eq!(
                answers.next().unwrap().unwrap(),
                format!("{id}\tpassed\t1/1\t")
            );
        }
        ours.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(
            checking.join().unwrap().unwrap(),
            Summary {
                passed: 2,
                ..Summary::default()
            }
        );
    }

    #[test]
    fn the_exit_code_says_what_was_not_done() {
        let good =
            r#"{"id": 1, "code": "one", "entry": "solve", "cases": [{"args": [], "expected": 1}]}"#;
        let (whole, mixed) = (good.to_owned(), format!("{good}\nno line\n\n{{}}"));
        let sandbox = || Fake::default().with("one", "solve", |_| Step::Return(Value::int(1)));
        for (sandbox, input, code, complaint) in [
            (sandbox(), &whole, 0, None),
            (
                sandbox(),
                &mixed,
                2,
                Some("malformed lines: 2, the first is line 2"),
            ),
            (
                Fake::broken(),
                &whole,
                1,
                Some("candidates that the sandbox could not judge: 1"),
            ),
            (
                Fake::broken(),
                &mixed,
                1,
                Some(
                    "candidates that the sandbox could not judge: 1; malformed lines: 2, the first is line 2",
                ),
            ),
        ] {
            let input = io::Cursor::new(input.clone());
            let summary = check(&sandbox, NonZero::<usize>::MIN, input, io::sink(), false).unwrap();
            assert_eq!(
                (summary.exit_code(), summary.complaint().as_deref()),
                (code, complaint)
            );
        }
    }

    #[test]
    fn an_id_for_people_never_breaks_its_line() {
        for (id, told) in [
            ("\"a b\"", "a b"),
            ("\"a\\tb\"", "\"a\\tb\""),
            ("12", "12"),
            ("{\"a\": 1}", "{\"a\": 1}"),
        ] {
            assert_eq!(shown(&RawValue::from_string(id.to_owned()).unwrap()), told);
        }
    }
}
