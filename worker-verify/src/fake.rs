//! A sandbox without isolation or Python, for tests of what stands on it: its "programs" are
//! closures in Rust, found by the candidate's exact code. It writes the same frames as the real
//! one. Never used to verify anything real.

use std::{collections::HashMap, sync::atomic::Ordering, time::Duration};

use groklab_domain::Value;

use crate::{
    sandbox::{Ended, InfrastructureError, RawRun, Request, Sandbox},
    wire::{
        encode::{length_prefix, write_blob, write_value},
        frame::Nonce,
    },
};

const NONCE: Nonce = *b"fake-run";

/// What one call does.
#[derive(Debug, Clone)]
pub enum Step {
    Return(Value),
    /// Class and message.
    Raise(&'static str, &'static str),
    /// Ends the process with this status, without another frame.
    Exit(i32),
    /// Never comes back.
    Loop,
    /// Is killed from outside.
    Die,
    /// Is killed from outside before its first step.
    NeverBegin,
}

type Function = Box<dyn Fn(&[Value]) -> Step + Send + Sync>;

/// The fake. Code it does not know is a syntax error.
#[derive(Default)]
pub struct Fake {
    programs: HashMap<Vec<u8>, (String, Function)>,
    broken: bool,
}

impl Fake {
    /// A sandbox whose every run fails.
    pub fn broken() -> Self {
        Self {
            broken: true,
            ..Self::default()
        }
    }

    /// Teaches it that `code` defines the function `entry`.
    #[must_use]
    pub fn with(
        mut self,
        code: &str,
        entry: &str,
        function: impl Fn(&[Value]) -> Step + Send + Sync + 'static,
    ) -> Self {
        self.programs.insert(
            code.as_bytes().to_vec(),
            (entry.to_owned(), Box::new(function)),
        );
        self
    }

    fn play(
        &self,
        request: &Request<'_>,
        results: &mut Vec<u8>,
    ) -> Result<Ended, InfrastructureError> {
        // No CPU time was used before the first step.
        put(results, &[b"R".as_slice(), &[0; 8]].concat());
        let Some((entry, function)) = self.programs.get(request.code) else {
            return Ok(end(
                results,
                &fault(b"Sr", "SyntaxError", "unknown program"),
            ));
        };
        if entry != request.entry {
            return Ok(end(results, b"A"));
        }
        for (index, arguments) in request.cases.iter().enumerate() {
            match function(arguments) {
                Step::Return(value) => put(results, &returned(index, &value)),
                Step::Raise(class, message) => put(results, &raised(index, class, message)),
                Step::Exit(status) => return Ok(Ended::Exited(status)),
                Step::Loop => return Ok(Ended::CpuLimit),
                Step::Die => return Err(InfrastructureError::CandidateKilled(9)),
                Step::NeverBegin => {
                    return Err(InfrastructureError::KilledAtStart(9, String::new()));
                }
            }
        }
        put(results, b"Z");
        Ok(Ended::Exited(0))
    }
}

impl Sandbox for Fake {
    fn run(&self, request: &Request<'_>) -> Result<RawRun, InfrastructureError> {
        if self.broken {
            return Err(InfrastructureError::Setup {
                ended: Ended::Exited(1),
                log: "broken on purpose".to_owned(),
            });
        }
        let mut results = Vec::new();
        // A real run is broken off wherever it is; this one has only a beginning.
        let cancelled = request.cancelled.load(Ordering::Relaxed);
        let ended = if cancelled {
            Ended::Cancelled
        } else {
            self.play(request, &mut results)?
        };
        let cpu = if ended == Ended::CpuLimit {
            request.limits.cpu
        } else {
            Duration::from_millis(1)
        };
        Ok(RawRun {
            ended,
            nonce: NONCE,
            results,
            cpu,
            wall: cpu,
            peak_memory_bytes: 1 << 20,
        })
    }
}

fn put(results: &mut Vec<u8>, body: &[u8]) {
    results.extend(NONCE);
    write_blob(body, results);
}

fn end(results: &mut Vec<u8>, body: &[u8]) -> Ended {
    put(results, body);
    put(results, b"Z");
    Ended::Exited(0)
}

fn returned(case: usize, value: &Value) -> Vec<u8> {
    let mut body = b"V".to_vec();
    body.extend(length_prefix(case));
    write_value(value, &mut body);
    body
}

fn raised(case: usize, class: &str, message: &str) -> Vec<u8> {
    let mut head = b"E".to_vec();
    head.extend(length_prefix(case));
    head.push(b'r');
    fault(&head, class, message)
}

fn fault(head: &[u8], class: &str, message: &str) -> Vec<u8> {
    let mut body = head.to_vec();
    write_blob(class.as_bytes(), &mut body);
    write_blob(message.as_bytes(), &mut body);
    body
}
