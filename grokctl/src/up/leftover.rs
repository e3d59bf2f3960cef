//! What children leave behind when they are killed: a Postgres without its coordinator, sandboxes without their worker.
//! The kernel hands such orphans to this process, which ends them with everything else.

use std::{
    fs,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::failure::Failure;

/// Makes orphans of our children ours instead of init's.
pub fn adopt() -> Result<(), Failure> {
    nix::sys::prctl::set_child_subreaper(true)
        .map_err(|error| Failure::other("become the parent of orphaned processes").because(error))
}

/// Ends every living child of this process, `polite` first and SIGKILL after `grace`. Call when no component is wanted any more.
/// Postgres stops fast at SIGINT and at once at SIGQUIT.
pub async fn end(polite: Signal, grace: Duration) {
    let deadline = Instant::now() + grace;
    for child in living() {
        // One that has just ended needs no signal.
        let _ = kill(child, polite);
    }
    while !living().is_empty() {
        if Instant::now() >= deadline {
            for child in living() {
                let _ = kill(child, Signal::SIGKILL);
            }
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The children of this process that have not ended.
fn living() -> Vec<Pid> {
    let own = std::process::id().to_string();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // "pid (name) state parent …", where the name may hold anything.
            let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
            let (state, parent) = (fields.next()?, fields.next()?);
            (parent == own && state != "Z" && state != "X").then(|| Pid::from_raw(id))
        })
        .collect()
}
