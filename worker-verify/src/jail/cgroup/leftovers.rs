//! Groups by name: how ours are called, which there are, and removing those whose worker is gone.

use std::{
    fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::jail::cgroup::mounts::Mounts;

/// Behind it come the process id of the worker that made the group, and a number.
pub const NAME_PREFIX: &str = "groklab-verify-";

/// A name that no other group has.
pub fn new_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{NAME_PREFIX}{}-{number}", process::id())
}

/// Removes empty groups that workers left which are no longer there.
pub fn sweep() {
    for (folder, owner) in groups() {
        // A process id that is in use again keeps an empty group, which costs nothing.
        if !Path::new("/proc").join(owner.to_string()).exists() {
            // Another worker may have removed it, or it is not ours to remove.
            let _ = fs::remove_dir(folder);
        }
    }
}

/// The groups that this process has made and not removed.
pub fn own_groups() -> Vec<PathBuf> {
    let mut own = Vec::new();
    for (folder, owner) in groups() {
        if owner == process::id() {
            own.push(folder);
        }
    }
    own
}

/// All groups beside which ours would be, and the process that made each.
fn groups() -> Vec<(PathBuf, u32)> {
    let Ok(mounts) = Mounts::read() else {
        return Vec::new();
    };
    let folders = ["memory", "cpuacct", "pids"].map(|name| mounts.folder(name));
    let mut groups = Vec::new();
    // A controller that shares its hierarchy gives the same folder twice, which does no harm.
    for folder in folders.into_iter().chain([mounts.unified()]).flatten() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if let Some(owner) = owner(&entry.file_name().to_string_lossy()) {
                groups.push((entry.path(), owner));
            }
        }
    }
    groups
}

/// The process that made the group of this name, if it is one of ours.
fn owner(name: &str) -> Option<u32> {
    let (owner, _) = name.strip_prefix(NAME_PREFIX)?.split_once('-')?;
    owner.parse().ok()
}
