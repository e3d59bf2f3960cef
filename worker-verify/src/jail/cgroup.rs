//! Control groups: one per zygote, in which it and every candidate it forks are born, so that no candidate is ever outside.
//! Limits the memory of all processes of a candidate together and reads the kernel's own counts. Versions 1 and 2 and none at
//! all look the same to the caller. Version 2 has not been tried on a real machine yet: `doctor` says so.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

/// Processes in one group: nsjail, the zygote, and the candidate's with room to spare. The limit that candidates meet first is
/// their RLIMIT_NPROC.
const MAX_PROCESSES: u64 = 64;
/// The limit is written anew only if it is off by more than this, bytes.
const SLACK: u64 = 1 << 20;
const PREFIX: &str = "groklab-verify-";

/// Makes groups.
pub trait Cgroups: Send + Sync + std::fmt::Debug {
    /// A new group.
    ///
    /// # Errors
    /// If it can't be made or limited.
    fn create(&self) -> io::Result<Group>;

    /// What is in use, for people: `v1: memory cpuacct pids`.
    fn describe(&self) -> String;

    /// Whether groups limit anything.
    fn active(&self) -> bool {
        true
    }
}

/// No control groups: resource limits of single processes are all there is.
#[derive(Debug)]
pub struct Without {
    /// Why there are none.
    pub reason: String,
}

impl Cgroups for Without {
    fn create(&self) -> io::Result<Group> {
        Ok(Group::default())
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
pub struct V1 {
    memory: PathBuf,
    cpuacct: Option<PathBuf>,
    pids: Option<PathBuf>,
}

impl V1 {
    fn find(table: &Table) -> io::Result<Self> {
        let memory = table
            .folder("memory")
            .ok_or_else(|| io::Error::other("no version 1 memory controller is mounted"))?;
        Ok(Self {
            memory,
            cpuacct: table.folder("cpuacct"),
            pids: table.folder("pids"),
        })
    }
}

impl Cgroups for V1 {
    fn create(&self) -> io::Result<Group> {
        let name = new_name();
        let mut group = Group::default();
        let memory = group.enter(&self.memory, &name)?;
        group.memory = Some(Memory {
            limit: open(&memory.join("memory.limit_in_bytes"))?,
            usage: open(&memory.join("memory.usage_in_bytes"))?,
            peak: open(&memory.join("memory.max_usage_in_bytes"))?,
            kills: open(&memory.join("memory.oom_control"))?,
            hits: open(&memory.join("memory.failcnt"))?,
            ..Memory::empty()?
        });
        if let Some(folder) = &self.cpuacct {
            let folder = group.enter(folder, &name)?;
            group.cpu = Some(Cpu {
                file: open(&folder.join("cpuacct.usage"))?,
                key: "",
                unit: Duration::from_nanos,
            });
        }
        if let Some(folder) = &self.pids {
            let folder = group.enter(folder, &name)?;
            fs::write(folder.join("pids.max"), MAX_PROCESSES.to_string())?;
        }
        Ok(group)
    }

    fn describe(&self) -> String {
        let others = [("cpuacct", &self.cpuacct), ("pids", &self.pids)];
        let names: String = others
            .iter()
            .filter(|(_, folder)| folder.is_some())
            .map(|(name, _)| format!(" {name}"))
            .collect();
        format!("v1: memory{names}")
    }
}

/// Version 2: folders within our own group, which must be ours to divide.
#[derive(Debug)]
pub struct V2 {
    folder: PathBuf,
}

impl V2 {
    fn find(table: &Table) -> io::Result<Self> {
        let folder = table
            .unified()
            .ok_or_else(|| io::Error::other("no version 2 tree is mounted"))?;
        let offered = fs::read_to_string(folder.join("cgroup.controllers"))?;
        if !offered.split_whitespace().any(|name| name == "memory") {
            return Err(io::Error::other(
                "the version 2 tree has no memory controller here",
            ));
        }
        let wanted: String = ["memory", "pids", "cpu"]
            .iter()
            .filter(|name| offered.contains(**name))
            .map(|name| format!("+{name} "))
            .collect();
        let divide = || fs::write(folder.join("cgroup.subtree_control"), &wanted);
        if divide().is_err() {
            // A group that is divided may hold no processes: this one moves into a part of it.
            let own = folder.join(format!("{PREFIX}worker"));
            fs::create_dir_all(&own)?;
            fs::write(own.join("cgroup.procs"), "0")?;
            divide()?;
        }
        Ok(Self { folder })
    }
}

impl Cgroups for V2 {
    fn create(&self) -> io::Result<Group> {
        let mut group = Group::default();
        let folder = group.enter(&self.folder, &new_name())?;
        group.memory = Some(Memory {
            limit: open(&folder.join("memory.max"))?,
            usage: open(&folder.join("memory.current"))?,
            peak: open(&folder.join("memory.peak"))?,
            kills: open(&folder.join("memory.events"))?,
            hits: open(&folder.join("memory.events"))?,
            hits_key: "oom",
            ..Memory::empty()?
        });
        group.cpu = Some(Cpu {
            file: open(&folder.join("cpu.stat"))?,
            key: "usage_usec",
            unit: Duration::from_micros,
        });
        if folder.join("pids.max").exists() {
            fs::write(folder.join("pids.max"), MAX_PROCESSES.to_string())?;
        }
        // Swap would make the limit on memory mean little; not every kernel counts it.
        let _ = fs::write(folder.join("memory.swap.max"), "0");
        Ok(group)
    }

    fn describe(&self) -> String {
        "v2: memory cpu pids (untested)".to_owned()
    }
}

/// The best that is available here, tried out: version 1 where it has the memory controller, else version 2, else none.
pub fn find() -> Box<dyn Cgroups> {
    let table = match Table::read() {
        Ok(table) => table,
        Err(error) => {
            return Box::new(Without {
                reason: format!("the mount table can't be read: {error}"),
            });
        }
    };
    let v2 = || V2::find(&table).and_then(|v2| tried(Box::new(v2)));
    let found = V1::find(&table)
        .and_then(|v1| tried(Box::new(v1)))
        .or_else(|v1| v2().map_err(|v2| format!("v1: {v1}; v2: {v2}")));
    found.unwrap_or_else(|reason| Box::new(Without { reason }))
}

fn tried(cgroups: Box<dyn Cgroups>) -> io::Result<Box<dyn Cgroups>> {
    cgroups.create()?.begin(64 << 20)?;
    Ok(cgroups)
}

/// One group; without any files where there are no control groups. Dropping it removes it, so it must be empty by then.
#[derive(Default)]
pub struct Group {
    folders: Vec<PathBuf>,
    /// A process enters by writing `0` to each.
    pub entrances: Vec<File>,
    memory: Option<Memory>,
    cpu: Option<Cpu>,
}

struct Memory {
    limit: File,
    usage: File,
    peak: File,
    kills: File,
    /// How often the group's own limit was in the way, behind this word.
    hits: File,
    hits_key: &'static str,
    limited_to: u64,
    before: Counts,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    usage: u64,
    peak: u64,
    kills: u64,
    hits: u64,
}

struct Cpu {
    file: File,
    /// The word before the number; nothing if the number is all there is.
    key: &'static str,
    unit: fn(u64) -> Duration,
}

impl Group {
    /// Gives the next candidate `memory_bytes` on top of what is in use now, and remembers the counts.
    ///
    /// # Errors
    /// If a limit can't be set or a count can't be read.
    pub fn begin(&mut self, memory_bytes: u64) -> io::Result<()> {
        let Some(memory) = &mut self.memory else {
            return Ok(());
        };
        // Starts the peak anew, where the kernel can (always in version 1, from Linux 6.12 in version 2).
        let _ = memory.peak.write_at(b"0", 0);
        memory.before = memory.counts()?;
        let limit = memory.before.usage + memory_bytes;
        if limit.abs_diff(memory.limited_to) > SLACK {
            memory.limit.write_at(limit.to_string().as_bytes(), 0)?;
            memory.limited_to = limit;
        }
        Ok(())
    }

    /// CPU time of everything that ever ran in the group.
    pub fn cpu(&self) -> Option<Duration> {
        let cpu = self.cpu.as_ref()?;
        number_after(&read(&cpu.file).ok()?, cpu.key).map(cpu.unit)
    }

    /// Most bytes in use at once since `begin`, beyond what was in use then; nothing if the kernel did not tell.
    pub fn peak(&self) -> Option<u64> {
        let memory = self.memory.as_ref()?;
        let peak = number_after(&read(&memory.peak).ok()?, "")?;
        let told = peak > memory.before.peak;
        told.then(|| peak - memory.before.usage.min(peak))
    }

    /// Whether the kernel killed a process of the group for memory since `begin`, and that for the group's own limit: it counts here
    /// whom it killed because the whole machine's memory ran out too.
    pub fn killed(&self) -> bool {
        let own = |now: Counts, before: Counts| now.kills > before.kills && now.hits > before.hits;
        self.memory
            .as_ref()
            .is_some_and(|memory| memory.counts().is_ok_and(|now| own(now, memory.before)))
    }

    /// Makes the group's part below `parent`.
    fn enter(&mut self, parent: &Path, name: &str) -> io::Result<PathBuf> {
        let folder = parent.join(name);
        fs::create_dir(&folder)?;
        self.folders.push(folder.clone());
        self.entrances.push(
            OpenOptions::new()
                .write(true)
                .open(folder.join("cgroup.procs"))?,
        );
        Ok(folder)
    }
}

impl Memory {
    /// Files that stand for nothing, to be replaced.
    fn empty() -> io::Result<Self> {
        let null = || File::open("/dev/null");
        let [limit, usage, peak, kills, hits] = [null()?, null()?, null()?, null()?, null()?];
        Ok(Self {
            limit,
            usage,
            peak,
            kills,
            hits,
            hits_key: "",
            limited_to: 0,
            before: Counts::default(),
        })
    }

    fn counts(&self) -> io::Result<Counts> {
        let missing = || io::Error::other("a count is missing");
        Ok(Counts {
            usage: number_after(&read(&self.usage)?, "").ok_or_else(missing)?,
            peak: number_after(&read(&self.peak)?, "").ok_or_else(missing)?,
            kills: number_after(&read(&self.kills)?, "oom_kill").unwrap_or(0),
            hits: number_after(&read(&self.hits)?, self.hits_key).ok_or_else(missing)?,
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for folder in &self.folders {
            // The kernel may need a moment after the last process has been reaped.
            for _ in 0..50 {
                match fs::remove_dir(folder) {
                    Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                        thread::sleep(Duration::from_millis(10))
                    }
                    _ => break,
                }
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .or_else(|_| File::open(path))
}

fn read(file: &File) -> io::Result<String> {
    let mut bytes = [0; 1024];
    let count = file.read_at(&mut bytes, 0)?;
    Ok(String::from_utf8_lossy(&bytes[..count]).into_owned())
}

/// The number on the line that begins with `key`, or on the first line.
fn number_after(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| match line.split_once(' ') {
        Some((word, number)) if word == key => number.trim().parse().ok(),
        None if key.is_empty() => line.trim().parse().ok(),
        _ => None,
    })
}

fn new_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!(
        "{PREFIX}{}-{}",
        process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// Where this process is in every hierarchy, and where these are mounted.
struct Table {
    /// Controllers (none for version 2) and path, from `/proc/self/cgroup`.
    own: Vec<(String, String)>,
    /// File system type, its options, its root and where it is mounted, from `/proc/self/mountinfo`.
    mounts: Vec<[String; 4]>,
}

impl Table {
    fn read() -> io::Result<Self> {
        Ok(Self::parse(
            &fs::read_to_string("/proc/self/cgroup")?,
            &fs::read_to_string("/proc/self/mountinfo")?,
        ))
    }

    fn parse(own: &str, mounts: &str) -> Self {
        let own = own.lines().filter_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
        });
        let mounts = mounts.lines().filter_map(|line| {
            let (place, kind) = line.split_once(" - ")?;
            let (place, kind): (Vec<&str>, Vec<&str>) =
                (place.split(' ').collect(), kind.split(' ').collect());
            Some(
                [
                    *kind.first()?,
                    *kind.get(2)?,
                    *place.get(3)?,
                    *place.get(4)?,
                ]
                .map(str::to_owned),
            )
        });
        Self {
            own: own.collect(),
            mounts: mounts.collect(),
        }
    }

    /// Our own folder under version 1's `controller`.
    fn folder(&self, controller: &str) -> Option<PathBuf> {
        let has = |list: &str| list.split(',').any(|name| name == controller);
        let (_, path) = self.own.iter().find(|(controllers, _)| has(controllers))?;
        self.mounts
            .iter()
            .find(|[kind, options, ..]| kind == "cgroup" && has(options))
            .map(|mount| below(mount, path))
    }

    /// Our own folder in version 2's only tree.
    fn unified(&self) -> Option<PathBuf> {
        let (_, path) = self
            .own
            .iter()
            .find(|(controllers, _)| controllers.is_empty())?;
        self.mounts
            .iter()
            .find(|[kind, ..]| kind == "cgroup2")
            .map(|mount| below(mount, path))
    }
}

/// A mount shows the part of its hierarchy below its root.
fn below([_, _, root, place]: &[String; 4], path: &str) -> PathBuf {
    let rest = path.strip_prefix(root.trim_end_matches('/')).unwrap_or("");
    Path::new(place).join(rest.trim_start_matches('/'))
}

/// Removes empty groups that workers left which are no longer there.
pub fn sweep() {
    for (folder, owner) in groups() {
        if !Path::new("/proc").join(owner.to_string()).exists() {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// The groups that this process has made and not removed.
pub fn own_groups() -> Vec<PathBuf> {
    groups()
        .into_iter()
        .filter(|(_, owner)| *owner == process::id())
        .map(|(folder, _)| folder)
        .collect()
}

/// All groups beside which ours would be, and the process that made each.
fn groups() -> Vec<(PathBuf, u32)> {
    let Ok(table) = Table::read() else {
        return Vec::new();
    };
    let folders = ["memory", "cpuacct", "pids"]
        .iter()
        .filter_map(|name| table.folder(name))
        .chain(table.unified());
    let entries = folders
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .flatten();
    let named = |entry: fs::DirEntry| {
        let owner = entry
            .file_name()
            .to_string_lossy()
            .strip_prefix(PREFIX)?
            .split('-')
            .next()?
            .parse()
            .ok()?;
        Some((entry.path(), owner))
    };
    entries.filter_map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
40 31 0:37 /docker/ab /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate";

    #[test]
    fn finds_our_own_folders() {
        let table = Table::parse(
            "4:memory:/a/b\n2:cpu,cpuacct:/docker/ab/c\n0::/user.slice",
            MOUNTS,
        );
        assert_eq!(
            table.folder("memory"),
            Some("/sys/fs/cgroup/memory/a/b".into())
        );
        assert_eq!(
            table.folder("cpuacct"),
            Some("/sys/fs/cgroup/cpu,cpuacct/c".into())
        );
        assert_eq!(table.folder("pids"), None);
        assert_eq!(
            table.unified(),
            Some("/sys/fs/cgroup/unified/user.slice".into())
        );
    }

    #[test]
    fn reads_both_forms_of_counts() {
        assert_eq!(number_after("12345\n", ""), Some(12345));
        assert_eq!(
            number_after("usage_usec 7\nuser_usec 3\n", "usage_usec"),
            Some(7)
        );
        assert_eq!(
            number_after("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", "oom_kill"),
            Some(2)
        );
        assert_eq!(number_after("low 0\noom 1\n", "oom_kill"), None);
    }

    #[test]
    fn a_kill_that_the_groups_limit_did_not_cause_is_not_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        for (hits, hits_key) in [("failcnt", ""), ("events", "oom")] {
            let events =
                |oom, kills| write("events", &format!("max 9\noom {oom}\noom_kill {kills}\n"));
            ["usage", "peak", "limit", "failcnt"]
                .iter()
                .for_each(|name| write(name, "0\n"));
            events(0, 0);
            let file = |name| open(&folder.path().join(name)).unwrap();
            let memory = Memory {
                limit: file("limit"),
                usage: file("usage"),
                peak: file("peak"),
                kills: file("events"),
                hits: file(hits),
                hits_key,
                ..Memory::empty().unwrap()
            };
            let mut group = Group::default();
            group.memory = Some(memory);
            group.begin(1 << 30).unwrap();
            events(0, 1);
            assert!(!group.killed(), "{hits}: the machine's memory ran out");
            write("failcnt", "5\n");
            events(1, 1);
            assert!(group.killed(), "{hits}");
        }
    }
}
