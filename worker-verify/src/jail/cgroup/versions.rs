//! Makes groups with what the machine has: version 1, version 2, or none.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::jail::cgroup::{
    group::{Cpu, Group, Memory, MemoryFiles, open_counts},
    leftovers::{NAME_PREFIX, new_name},
    mounts::Mounts,
};

/// Processes in one group: nsjail, the zygote, and the candidate's with room to spare. The limit
/// that candidates meet first is their RLIMIT_NPROC.
const MAX_PROCESSES: u64 = 64;
/// What a group is given to try out whether limits can be set.
const TRIAL_MEMORY_BYTES: u64 = 64 << 20;

/// Makes groups.
pub trait Cgroups: Send + Sync + std::fmt::Debug {
    /// A new group.
    ///
    /// # Errors
    /// If it can't be made or limited.
    fn create(&self) -> io::Result<Group>;

    /// `v1`, `v2` or `none`.
    fn version(&self) -> &'static str;

    /// What is in use, for people: `v1: memory cpuacct pids`.
    fn describe(&self) -> String;

    /// Whether groups limit anything.
    fn active(&self) -> bool {
        true
    }
}

/// No control groups: resource limits of single processes are all there is.
#[derive(Debug)]
pub struct NoCgroups {
    /// Why there are none.
    pub reason: String,
}

impl Cgroups for NoCgroups {
    fn create(&self) -> io::Result<Group> {
        Ok(Group::default())
    }

    fn version(&self) -> &'static str {
        "none"
    }

    fn describe(&self) -> String {
        format!("not used: {}", self.reason)
    }

    fn active(&self) -> bool {
        false
    }
}

/// Version 1: a folder of our own under each controller.
#[derive(Debug)]
struct V1 {
    memory: PathBuf,
    cpuacct: Option<PathBuf>,
    pids: Option<PathBuf>,
}

impl V1 {
    fn find(mounts: &Mounts) -> io::Result<Self> {
        let Some(memory) = mounts.folder("memory") else {
            return Err(io::Error::other(
                "no version 1 memory controller is mounted",
            ));
        };
        Ok(Self {
            memory,
            cpuacct: mounts.folder("cpuacct"),
            pids: mounts.folder("pids"),
        })
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

/// Version 2: folders within our own group, which must be ours to divide.
#[derive(Debug)]
struct V2 {
    folder: PathBuf,
}

impl V2 {
    fn find(mounts: &Mounts) -> io::Result<Self> {
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

fn limit_processes(folder: &Path) -> io::Result<()> {
    fs::write(folder.join("pids.max"), MAX_PROCESSES.to_string())
}

/// The best that is available here, tried out: version 1 where it has the memory controller, else
/// version 2, else none.
pub fn find() -> Box<dyn Cgroups> {
    let mounts = match Mounts::read() {
        Ok(mounts) => mounts,
        Err(error) => {
            return Box::new(NoCgroups {
                reason: format!("the mount table can't be read: {error}"),
            });
        }
    };
    let v1_error = match V1::find(&mounts).and_then(tried) {
        Ok(cgroups) => return cgroups,
        Err(error) => error,
    };
    match V2::find(&mounts).and_then(tried) {
        Ok(cgroups) => cgroups,
        Err(v2_error) => Box::new(NoCgroups {
            reason: format!("v1: {v1_error}; v2: {v2_error}"),
        }),
    }
}

/// Makes a group and sets a limit, since only that shows whether it is permitted.
fn tried(cgroups: impl Cgroups + 'static) -> io::Result<Box<dyn Cgroups>> {
    cgroups.create()?.begin(TRIAL_MEMORY_BYTES)?;
    Ok(Box::new(cgroups))
}
