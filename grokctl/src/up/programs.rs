//! The programs of the stack: the coordinator, and the worker of each kind of job.

use groklab_domain::JobKind;

pub const COORDINATOR: &str = "coordinator";

/// The worker of each kind there is, with the name of its program.
pub fn worker_programs() -> impl Iterator<Item = (JobKind, &'static str)> {
    JobKind::ALL.iter().map(with_program)
}

fn with_program(kind: &JobKind) -> (JobKind, &'static str) {
    // A new kind does not compile before its program is named here.
    let program = match kind {
        JobKind::Generate => "worker-gen",
        JobKind::Verify => "worker-verify",
        JobKind::Train => "worker-train",
    };
    (*kind, program)
}
