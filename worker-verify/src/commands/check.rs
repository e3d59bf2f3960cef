//! `worker-verify check`: candidates in, verdicts out, one JSON object a line, in input order. A
//! malformed line gets an answer with its number, and the rest goes on. What has arrived is
//! answered without waiting for more.

use std::{
    io::{self, BufRead, Read as _, Write},
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

use crate::{
    commands::line::{self, MAX_LINE_BYTES},
    judge::{Failure, Outcome, pool::Pool},
};

/// Most lines verified at a time, and most read ahead.
const MAX_BATCH_LINES: usize = 256;
/// A batch takes no further line once it has so many bytes.
const MAX_BATCH_BYTES: usize = 64 << 20;

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

impl<'a> From<&'a Failure> for AnswerFailure<'a> {
    fn from(failure: &'a Failure) -> Self {
        Self {
            case: failure.case,
            got: failure.got.as_deref(),
            expected: &failure.expected,
        }
    }
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
    /// The exit code that `--help` documents. What has no verdict for reasons of ours comes first:
    /// the same lines may get one on another try, and until then the answers are not to be relied
    /// on as a whole.
    pub fn exit_code(&self) -> u8 {
        match (self.infrastructure_errors, self.malformed) {
            (0, 0) => 0,
            (0, _) => USAGE,
            _ => 1,
        }
    }

    /// What was not done, if anything, for people.
    pub fn complaint(&self) -> Option<String> {
        let mut complaints = Vec::new();
        if self.infrastructure_errors > 0 {
            let count = self.infrastructure_errors;
            complaints.push(format!(
                "candidates that the sandbox could not judge: {count}"
            ));
        }
        if let Some(line) = self.first_malformed {
            let count = self.malformed;
            complaints.push(format!(
                "malformed lines: {count}, the first is line {line}"
            ));
        }
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

/// Answers every line of `input` on `output`: JSON with `json`, else `id verdict passed/total
/// error`.
///
/// # Errors
/// Reading or writing: nobody gets the answers that are missing.
pub fn check(
    pool: Pool<'_>,
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
        let mut bytes = batch[0].1.len();
        while batch.len() < MAX_BATCH_LINES && bytes < MAX_BATCH_BYTES {
            // Whoever is still writing gets the next batch.
            let Ok(line) = lines.try_recv() else { break };
            let line = line.map_err(Error::Read)?;
            bytes += line.1.len();
            batch.push(line);
        }
        check_batch(pool, &batch, &mut printer).map_err(Error::Write)?;
    }
    Ok(printer.summary)
}

/// A line's number, from 1, and its bytes.
type NumberedLine = (usize, Vec<u8>);

/// Reads lines on a thread of its own, at most a batch ahead. The thread ends with the input, or
/// after one more line once nobody listens; it is not waited for, as a read can't be broken off.
fn read_ahead(
    mut input: impl BufRead + Send + 'static,
) -> io::Result<Receiver<io::Result<NumberedLine>>> {
    let (sender, receiver) = sync_channel(MAX_BATCH_LINES);
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

/// The next line without its end; of one that is too long only one byte more than is allowed.
/// Nothing at the end of the input.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let mut limited = input.by_ref().take(MAX_LINE_BYTES as u64 + 1);
    if limited.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() > MAX_LINE_BYTES {
        // The rest would otherwise be read as a line of its own.
        input.skip_until(b'\n')?;
    }
    Ok(Some(line))
}

fn check_batch<W: Write>(
    pool: Pool<'_>,
    batch: &[NumberedLine],
    printer: &mut Printer<W>,
) -> io::Result<()> {
    let mut submissions = Vec::new();
    let mut lines = Vec::new();
    for (number, line) in batch {
        // A blank line is no candidate, and no mistake either.
        if line.trim_ascii().is_empty() {
            continue;
        }
        match line::parse(line) {
            Ok((id, submission)) => {
                submissions.push(submission);
                lines.push(Ok(id));
            }
            Err(error) => lines.push(Err((*number, error))),
        }
    }
    let never = AtomicBool::new(false);
    let outcomes = pool.verify_all(&submissions, &never, &|_| ());
    let mut outcomes = outcomes.expect("nobody cancels").into_iter();
    for line in &lines {
        match line {
            Ok(id) => {
                let outcome = outcomes.next().expect("every submission has an outcome");
                printer.answer(id, &outcome)?;
            }
            Err((number, error)) => printer.refuse(*number, error)?,
        }
    }
    // Whoever waits for an answer before writing the next line would wait for ever.
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
            // This is no statement about the candidate, so it has neither passed nor failed.
            Verdict::InfrastructureError => self.summary.infrastructure_errors += 1,
            _ => self.summary.failed += 1,
        }
        let first_failure = outcome.first_failure.as_ref();
        let answer = Answer {
            id,
            verdict: outcome.verdict,
            passed: outcome.visible.passed + outcome.hidden.passed,
            total: outcome.visible.total + outcome.hidden.total,
            first_failure: first_failure.map(AnswerFailure::from),
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
    match serde_json::from_str::<String>(id.get()) {
        Ok(text) if !text.chars().any(char::is_control) => text,
        _ => id.get().to_owned(),
    }
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e5).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fake::{Fake, Step},
        metrics::Metrics,
    };
    use groklab_domain::Value;
    use std::{io::BufReader, num::NonZero, os::unix::net::UnixStream};

    fn check_one_by_one(
        sandbox: &Fake,
        input: impl BufRead + Send + 'static,
        output: impl Write,
    ) -> Summary {
        let pool = Pool {
            sandbox,
            threads: NonZero::<usize>::MIN,
            metrics: &Metrics::default(),
        };
        check(pool, input, output, false).unwrap()
    }

    #[test]
    fn a_line_is_answered_while_the_input_stays_open() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let checking = thread::spawn(move || {
            let sandbox = Fake::default().with("one", "solve", |_| Step::Return(Value::int(1)));
            let input = BufReader::new(theirs.try_clone().unwrap());
            check_one_by_one(&sandbox, input, theirs)
        });
        let mut answers = BufReader::new(ours.try_clone().unwrap()).lines();
        for id in ["a", "b"] {
            let case = r#"{"args": [], "expected": 1}"#;
            writeln!(
                ours,
                r#"{{"id": "{id}", "code": "one", "entry": "solve", "cases": [{case}]}}"#
            )
            .unwrap();
            assert_eq!(
                answers.next().unwrap().unwrap(),
                format!("{id}\tpassed\t1/1\t")
            );
        }
        ours.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(
            checking.join().unwrap(),
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
                    "candidates that the sandbox could not judge: 1; \
                     malformed lines: 2, the first is line 2",
                ),
            ),
        ] {
            let input = io::Cursor::new(input.clone());
            let summary = check_one_by_one(&sandbox, input, io::sink());
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
