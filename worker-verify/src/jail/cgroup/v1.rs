//! Version 1: a folder of our own under each controller.

use std::{io, path::PathBuf, time::Duration};

use crate::jail::cgroup::{
    group::{Cpu, Group, Memory, MemoryFiles, limit_processes, open_counts},
    leftovers::new_name,
    mounts::Mounts,
    unavailable::Unavailable,
    versions::{Cgroups, try_out},
};

/// Makes version 1 groups.
#[derive(Debug)]
pub struct V1 {
    memory: PathBuf,
    cpuacct: Option<PathBuf>,
    pids: Option<PathBuf>,
}

impl V1 {
    pub fn find(mounts: &Mounts) -> Result<Self, Unavailable> {
        let Some(memory) = mounts.folder("memory") else {
            return Err(Unavailable::NoVersion1);
        };
        let found = Self {
            memory,
            cpuacct: mounts.folder("cpuacct"),
            pids: mounts.folder("pids"),
        };
        try_out(&found, &found.memory)?;
        Ok(found)
    }
}

impl Cgroups for V1 {
    fn create(&self) -> io::Result<Group> {
        let name = new_name();
        let mut group = Group::default();
        let memory = group.make_part(&self.memory, &name)?;
        group.memory = Some(Memory::open(&MemoryFiles {
            folder: &memory,
            limit: "memory.limit_in_bytes",
            usage: "memory.usage_in_bytes",
            peak: "memory.max_usage_in_bytes",
            kills: "memory.oom_control",
            hits: "memory.failcnt",
            hits_word: "",
        })?);
        // Without it, CPU time is added up over the processes.
        if let Some(folder) = &self.cpuacct {
            let folder = group.make_part(folder, &name)?;
            group.cpu = Some(Cpu {
                file: open_counts(&folder.join("cpuacct.usage"))?,
                word: "",
                unit: Duration::from_nanos,
            });
        }
        // RLIMIT_NPROC bounds the candidate already; this bounds the whole jail.
        if let Some(folder) = &self.pids {
            let folder = group.make_part(folder, &name)?;
            limit_processes(&folder)?;
        }
        Ok(group)
    }

    fn version(&self) -> &'static str {
        "v1"
    }

    fn describe(&self) -> String {
        let mut controllers = "v1: memory".to_owned();
        for (name, folder) in [("cpuacct", &self.cpuacct), ("pids", &self.pids)] {
            if folder.is_some() {
                controllers.push(' ');
                controllers.push_str(name);
            }
        }
        controllers
    }
}
