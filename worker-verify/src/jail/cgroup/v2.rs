//! Version 2: folders within our own group, which must be ours to divide.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::jail::cgroup::{
    group::{Cpu, Group, Memory, MemoryFiles, limit_processes, open_counts},
    leftovers::{NAME_PREFIX, new_name},
    mounts::Mounts,
    versions::Cgroups,
};

/// Makes version 2 groups.
#[derive(Debug)]
pub struct V2 {
    folder: PathBuf,
}

impl V2 {
    pub fn find(mounts: &Mounts) -> io::Result<Self> {
        let Some(folder) = mounts.unified() else {
            return Err(io::Error::other("no version 2 tree is mounted"));
        };
        let offered = fs::read_to_string(folder.join("cgroup.controllers"))?;
        if !offered.split_whitespace().any(|name| name == "memory") {
            return Err(io::Error::other(
                "the version 2 tree has no memory controller here",
            ));
        }
        let mut wanted = String::new();
        for name in ["memory", "pids", "cpu"] {
            if offered.contains(name) {
                wanted.push_str(&format!("+{name} "));
            }
        }
        if divide(&folder, &wanted).is_err() {
            // A group that is divided may hold no processes: this one moves into a part of it.
            let own = folder.join(format!("{NAME_PREFIX}worker"));
            fs::create_dir_all(&own)?;
            fs::write(own.join("cgroup.procs"), "0")?;
            divide(&folder, &wanted)?;
        }
        Ok(Self { folder })
    }
}

/// Lets the parts of the group have these controllers.
fn divide(folder: &Path, controllers: &str) -> io::Result<()> {
    fs::write(folder.join("cgroup.subtree_control"), controllers)
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
        if folder.join("pids.max").exists() {
            limit_processes(&folder)?;
        }
        // Swap would make the limit on memory mean little; not every kernel counts it.
        let _ = fs::write(folder.join("memory.swap.max"), "0");
        Ok(group)
    }

    fn version(&self) -> &'static str {
        "v2"
    }

    fn describe(&self) -> String {
        "v2: memory cpu pids (untested)".to_owned()
    }
}
