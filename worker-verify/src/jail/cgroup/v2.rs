//! Version 2: folders within our own group, which must be ours to divide. A group that is divided
//! may hold no processes itself, so whatever runs in it (process 1 of a container, a shell, this
//! process) moves into a part of it first, and stays within the group's limits there.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::jail::cgroup::{
    group::{Cpu, Group, Memory, MemoryFiles, limit_processes, open_counts, set_if_there},
    leftovers::new_name,
    mounts::{Mounts, WORKERS_PART},
    unavailable::Unavailable,
    versions::{Cgroups, try_out},
};

/// What a group's files are read for. CPU time is counted in every group: its controller would only
/// share it out.
const MEMORY: &str = "memory";
const PIDS: &str = "pids";
/// How often a group is looked through for processes that were started meanwhile.
const MOVE_ROUNDS: u32 = 20;

/// Makes version 2 groups.
#[derive(Debug)]
pub struct V2 {
    folder: PathBuf,
    controllers: Vec<&'static str>,
}

impl V2 {
    pub fn find(mounts: &Mounts) -> Result<Self, Unavailable> {
        let Some(folder) = mounts.unified() else {
            return Err(Unavailable::NoVersion2);
        };
        let found = Self::divided(folder)?;
        try_out(&found, &found.folder)?;
        Ok(found)
    }

    /// The group at `folder`, its parts with the controllers that they need.
    fn divided(folder: PathBuf) -> Result<Self, Unavailable> {
        let offered = read(&folder.join("cgroup.controllers"))?;
        let mut controllers = Vec::new();
        for name in [MEMORY, PIDS] {
            if has_word(&offered, name) {
                controllers.push(name);
            }
        }
        if !controllers.contains(&MEMORY) {
            return Err(Unavailable::NoMemory {
                folder,
                offered: offered.trim().to_owned(),
            });
        }
        let given = read(&folder.join("cgroup.subtree_control"))?;
        if !controllers.iter().all(|name| has_word(&given, name)) {
            divide(&folder, &controllers)?;
        }
        Ok(Self {
            folder,
            controllers,
        })
    }
}

impl Cgroups for V2 {
    fn create(&self) -> io::Result<Group> {
        let mut group = Group::default();
        let folder = group.make_part(&self.folder, &new_name())?;
        group.memory = Some(Memory::open(&MemoryFiles {
            folder: &folder,
            limit: "memory.max",
            usage: "memory.current",
            peak: "memory.peak",
            kills: "memory.events",
            hits: "memory.events",
            hits_word: "oom",
        })?);
        group.cpu = Some(Cpu {
            file: open_counts(&folder.join("cpu.stat"))?,
            word: "usage_usec",
            unit: Duration::from_micros,
        });
        if self.controllers.contains(&PIDS) {
            limit_processes(&folder)?;
        }
        // Swap would make the limit on memory mean little.
        set_if_there(&folder.join("memory.swap.max"), "0")?;
        // A candidate over its limit must not take the zygote beside it along.
        set_if_there(&folder.join("memory.oom.group"), "0")?;
        Ok(group)
    }

    fn version(&self) -> &'static str {
        "v2"
    }

    fn describe(&self) -> String {
        format!("v2: {}", self.controllers.join(" "))
    }
}

/// Our group, if the kernel ends everything in it once it is out of memory, as Kubernetes has it
/// do.
pub fn ended_as_a_whole() -> Option<PathBuf> {
    let folder = Mounts::read().ok()?.unified()?;
    is_ended_as_a_whole(&folder).then_some(folder)
}

fn is_ended_as_a_whole(folder: &Path) -> bool {
    fs::read_to_string(folder.join("memory.oom.group")).is_ok_and(|set| set.trim() == "1")
}

/// Lets the parts of the group have these controllers. Where processes are in the way they move
/// into a part, and back if that was of no use.
fn divide(folder: &Path, controllers: &[&str]) -> Result<(), Unavailable> {
    let part = folder.join(WORKERS_PART);
    let outcome = give_controllers(folder, &part, controllers);
    if outcome.is_err() {
        // Best effort: whoever looks finds the group as it was, and nobody depends on it.
        let _ = move_processes(&part, folder);
        let _ = fs::remove_dir(&part);
    }
    outcome
}

fn give_controllers(folder: &Path, part: &Path, controllers: &[&str]) -> Result<(), Unavailable> {
    let control = folder.join("cgroup.subtree_control");
    let mut wanted = String::new();
    for name in controllers {
        wanted.push_str(&format!("+{name} "));
    }
    for _ in 0..MOVE_ROUNDS {
        match fs::write(&control, &wanted) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::ResourceBusy => {
                return Err(Unavailable::at("divide", folder, error));
            }
            Err(_) => move_into_part(folder, part)?,
        }
    }
    let processes = read(&folder.join("cgroup.procs"))?;
    Err(Unavailable::Busy {
        folder: folder.to_owned(),
        processes: processes.split_whitespace().collect::<Vec<_>>().join(" "),
    })
}

fn move_into_part(folder: &Path, part: &Path) -> Result<(), Unavailable> {
    // It is there from an earlier round, or another worker has made it.
    fs::create_dir_all(part).map_err(|error| Unavailable::at("make", part, error))?;
    match move_processes(folder, part) {
        Ok(()) => Ok(()),
        Err(error) => Err(Unavailable::at("move processes into", part, error)),
    }
}

/// Moves every process that can be moved from one group into another.
fn move_processes(from: &Path, to: &Path) -> io::Result<()> {
    let mut entrance = OpenOptions::new()
        .write(true)
        .open(to.join("cgroup.procs"))?;
    for process in fs::read_to_string(from.join("cgroup.procs"))?.lines() {
        // Zero stands for a process that can't be seen from here, and would move this one.
        if process != "0" {
            // One may have ended meanwhile; one that can't be moved is named by who counts those
            // that stayed.
            let _ = entrance.write_all(format!("{process}\n").as_bytes());
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, Unavailable> {
    fs::read_to_string(path).map_err(|error| Unavailable::at("read", path, error))
}

fn has_word(text: &str, word: &str) -> bool {
    text.split_whitespace().any(|found| found == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with a group's files; writing to them has no effect but to be seen.
    fn group(controllers: &str, given: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("cgroup.controllers"), controllers).unwrap();
        fs::write(folder.path().join("cgroup.subtree_control"), given).unwrap();
        folder
    }

    fn given(folder: &Path) -> String {
        fs::read_to_string(folder.join("cgroup.subtree_control")).unwrap()
    }

    #[test]
    fn a_controller_is_known_by_its_whole_name() {
        let folder = group("cpuset memory hugetlb\n", "");
        let found = V2::divided(folder.path().to_owned()).unwrap();
        assert_eq!(found.describe(), "v2: memory");
        assert_eq!(given(folder.path()), "+memory ");
    }

    #[test]
    fn a_group_that_is_divided_already_is_left_alone() {
        let folder = group("cpu memory pids\n", "memory pids\n");
        V2::divided(folder.path().to_owned()).unwrap();
        assert_eq!(given(folder.path()), "memory pids\n");
    }

    #[test]
    fn without_a_memory_controller_the_group_is_named() {
        let folder = group("cpuset cpu\n", "");
        let error = V2::divided(folder.path().to_owned()).unwrap_err();
        assert!(
            matches!(&error, Unavailable::NoMemory { offered, .. } if offered == "cpuset cpu"),
            "{error}"
        );
    }

    #[test]
    fn every_process_that_can_be_seen_is_moved() {
        let folder = group("memory\n", "");
        fs::write(folder.path().join("cgroup.procs"), "1\n0\n17\n4000001\n").unwrap();
        let part = folder.path().join(WORKERS_PART);
        fs::create_dir(&part).unwrap();
        fs::write(part.join("cgroup.procs"), "").unwrap();
        move_processes(folder.path(), &part).unwrap();
        let moved = fs::read_to_string(part.join("cgroup.procs")).unwrap();
        assert_eq!(moved, "1\n17\n4000001\n");
    }

    #[test]
    fn only_a_one_ends_a_group_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_ended_as_a_whole(folder.path()));
        for (set, is) in [("0\n", false), ("1\n", true)] {
            fs::write(folder.path().join("memory.oom.group"), set).unwrap();
            assert_eq!(is_ended_as_a_whole(folder.path()), is);
        }
    }
}
