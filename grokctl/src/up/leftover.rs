//! What children leave behind when they are killed: a Postgres without its coordinator, sandboxes
//! without their worker. The kernel hands such orphans to this process, which ends them too.

use std::{
    fs,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::failure::Failure;

const CHECK_EVERY: Duration = Duration::from_millis(20);

/// Makes orphans of our children ours instead of init's.
pub fn adopt() -> Result<(), Failure> {
    nix::sys::prctl::set_child_subreaper(true)
        .map_err(|error| Failure::other("become the parent of orphaned processes").because(error))
}

/// Ends every living child of this process, `polite` first and SIGKILL after `grace`. Call when no
/// component is wanted any more.
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
        tokio::time::sleep(CHECK_EVERY).await;
    }
}

/// The children of this process that have not ended.
fn living() -> Vec<Pid> {
    let own = std::process::id().to_string();
    let mut living = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        // Most entries are not processes, and a process may end while it is looked at.
        let Some(id) = entry.file_name().to_str().and_then(parse_id) else {
            continue;
        };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        if is_living_child(&stat, &own) {
            living.push(Pid::from_raw(id));
        }
    }
    living
}

fn parse_id(name: &str) -> Option<i32> {
    name.parse().ok()
}

/// Reads "pid (name) state parent …", where the name may hold anything.
fn is_living_child(stat: &str, parent: &str) -> bool {
    let Some((_, fields)) = stat.rsplit_once(')') else {
        return false;
    };
    let mut fields = fields.split_whitespace();
    let state = fields.next();
    // Z and X: it has ended and waits to be reaped.
    fields.next() == Some(parent) && state != Some("Z") && state != Some("X")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_child_is_told_by_its_stat() {
        assert!(is_living_child("7 (a) Z 9 (b) S 42 1", "42"));
        assert!(!is_living_child("7 (postgres) S 43 1", "42"));
        assert!(!is_living_child("7 (postgres) Z 42 1", "42"));
        assert!(!is_living_child("", "42"));
    }
}
