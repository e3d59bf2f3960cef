//! One control group: limits set and counts read through files that are opened once.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::{
        fd::{AsRawFd as _, RawFd},
        unix::fs::FileExt as _,
    },
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// The limit is written anew only if it is off by more than this.
const LIMIT_SLACK_BYTES: u64 = 1 << 20;
/// Longest beginning of a file of counts that is read.
const MAX_COUNTS_BYTES: usize = 1024;
/// The kernel may need a moment after the last process has been reaped until a group is empty.
const REMOVE_TRIES: u32 = 50;
const REMOVE_EVERY: Duration = Duration::from_millis(10);
/// Processes in one group: nsjail, the zygote, and the candidate's with room to spare. The limit
/// that candidates meet first is their RLIMIT_NPROC.
const MAX_PROCESSES: u64 = 64;

/// One group; without any files where there are no control groups. Dropping it removes it, so it
/// must be empty by then.
#[derive(Default)]
pub struct Group {
    folders: Vec<PathBuf>,
    /// A process enters by writing `0` to each.
    entrances: Vec<File>,
    pub(super) memory: Option<Memory>,
    pub(super) cpu: Option<Cpu>,
}

/// The files of the memory controller.
pub(super) struct Memory {
    limit: File,
    usage: File,
    /// None in version 2 before Linux 5.19.
    peak: Option<File>,
    kills: File,
    /// How often the group's own limit was in the way, behind `hits_word`.
    hits: File,
    hits_word: &'static str,
    limited_to: u64,
    before: Counts,
}

/// Where the files of the memory controller are.
pub(super) struct MemoryFiles<'a> {
    pub folder: &'a Path,
    pub limit: &'a str,
    pub usage: &'a str,
    pub peak: &'a str,
    pub kills: &'a str,
    pub hits: &'a str,
    /// The word before the count of hits; nothing if the number is all there is.
    pub hits_word: &'static str,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    usage: u64,
    peak: u64,
    kills: u64,
    hits: u64,
}

/// The clock of the CPU controller.
pub(super) struct Cpu {
    pub file: File,
    /// The word before the number; nothing if the number is all there is.
    pub word: &'static str,
    pub unit: fn(u64) -> Duration,
}

impl Group {
    /// Gives the next candidate `memory_bytes` on top of what is in use now, and remembers the
    /// counts.
    ///
    /// # Errors
    /// If a limit can't be set or a count can't be read.
    pub fn begin(&mut self, memory_bytes: u64) -> io::Result<()> {
        let Some(memory) = &mut self.memory else {
            return Ok(());
        };
        // Starts the peak anew, where the kernel can: always in version 1, from Linux 6.12 in
        // version 2.
        if let Some(peak) = &memory.peak {
            let _ = peak.write_at(b"0", 0);
        }
        // A zygote's group is used again and again: only differences say something of a candidate.
        memory.before = memory.counts()?;
        // What the zygote and the page cache occupy is not the candidate's.
        let limit = memory.before.usage + memory_bytes;
        if limit.abs_diff(memory.limited_to) > LIMIT_SLACK_BYTES {
            memory.limit.write_at(limit.to_string().as_bytes(), 0)?;
            memory.limited_to = limit;
        }
        Ok(())
    }

    /// CPU time of everything that ever ran in the group.
    pub fn cpu(&self) -> Option<Duration> {
        let cpu = self.cpu.as_ref()?;
        let used = number_after(&read(&cpu.file).ok()?, cpu.word)?;
        Some((cpu.unit)(used))
    }

    /// Most bytes in use at once since `begin`, beyond what was in use then; nothing if the kernel
    /// did not say.
    pub fn peak(&self) -> Option<u64> {
        let memory = self.memory.as_ref()?;
        let peak = count(memory.peak.as_ref()?, "").ok()?;
        // A kernel that can't start the peak anew says only whether there was a new one.
        (peak > memory.before.peak).then(|| peak.saturating_sub(memory.before.usage))
    }

    /// Whether the kernel killed a process of the group for memory since `begin`, and that for the
    /// group's own limit: its count includes those it killed because the whole machine's memory ran
    /// out.
    pub fn killed(&self) -> bool {
        let Some(memory) = &self.memory else {
            return false;
        };
        let (before, Ok(now)) = (memory.before, memory.counts()) else {
            return false;
        };
        now.kills > before.kills && now.hits > before.hits
    }

    /// The descriptors through which a process enters, for use between fork and exec.
    pub fn entrances(&self) -> Vec<RawFd> {
        self.entrances.iter().map(File::as_raw_fd).collect()
    }

    /// Makes the group's part below `parent`.
    pub(super) fn make_part(&mut self, parent: &Path, name: &str) -> io::Result<PathBuf> {
        let folder = parent.join(name);
        // A process of our id that has ended may have left one of this name; no name is used twice
        // by one process.
        if folder.exists() {
            fs::remove_dir(&folder)?;
        }
        fs::create_dir(&folder)?;
        self.folders.push(folder.clone());
        let entrance = folder.join("cgroup.procs");
        self.entrances
            .push(OpenOptions::new().write(true).open(entrance)?);
        Ok(folder)
    }
}

impl Memory {
    pub fn open(files: &MemoryFiles<'_>) -> io::Result<Self> {
        Ok(Self {
            limit: open_counts(&files.folder.join(files.limit))?,
            usage: open_counts(&files.folder.join(files.usage))?,
            peak: open_if_there(&files.folder.join(files.peak))?,
            kills: open_counts(&files.folder.join(files.kills))?,
            hits: open_counts(&files.folder.join(files.hits))?,
            hits_word: files.hits_word,
            limited_to: 0,
            before: Counts::default(),
        })
    }

    fn counts(&self) -> io::Result<Counts> {
        Ok(Counts {
            usage: count(&self.usage, "")?,
            peak: match &self.peak {
                Some(peak) => count(peak, "")?,
                None => 0,
            },
            // A kernel without the count has killed nobody that we could know of.
            kills: number_after(&read(&self.kills)?, "oom_kill").unwrap_or(0),
            hits: count(&self.hits, self.hits_word)?,
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A group that stays is swept up by the next worker that starts.
        for folder in &self.folders {
            for _ in 0..REMOVE_TRIES {
                match fs::remove_dir(folder) {
                    Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                        thread::sleep(REMOVE_EVERY);
                    }
                    _ => break,
                }
            }
        }
    }
}

/// For reading and writing; for reading alone where the kernel takes nothing.
pub(super) fn open_counts(path: &Path) -> io::Result<File> {
    // Counts that can be reset are written to, the others refuse it.
    match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => Ok(file),
        Err(_) => File::open(path),
    }
}

fn open_if_there(path: &Path) -> io::Result<Option<File>> {
    match open_counts(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sets what not every kernel has.
pub(super) fn set_if_there(path: &Path, value: &str) -> io::Result<()> {
    match fs::write(path, value) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

pub(super) fn limit_processes(folder: &Path) -> io::Result<()> {
    fs::write(folder.join("pids.max"), MAX_PROCESSES.to_string())
}

fn read(file: &File) -> io::Result<String> {
    let mut bytes = [0; MAX_COUNTS_BYTES];
    let count = file.read_at(&mut bytes, 0)?;
    Ok(String::from_utf8_lossy(&bytes[..count]).into_owned())
}

fn count(file: &File, word: &str) -> io::Result<u64> {
    match number_after(&read(file)?, word) {
        Some(number) => Ok(number),
        None => Err(io::Error::other("a count is missing")),
    }
}

/// The number on the line that begins with `word`, or on the first line.
fn number_after(text: &str, word: &str) -> Option<u64> {
    text.lines().find_map(|line| match line.split_once(' ') {
        Some((found, number)) if found == word => number.trim().parse().ok(),
        None if word.is_empty() => line.trim().parse().ok(),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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

    /// As before Linux 5.19 in version 2.
    #[test]
    fn without_a_peak_the_rest_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("memory.max", "max\n");
        write("memory.current", "4096\n");
        write("memory.events", "oom 0\noom_kill 0\n");
        let memory = Memory::open(&MemoryFiles {
            folder: folder.path(),
            limit: "memory.max",
            usage: "memory.current",
            peak: "memory.peak",
            kills: "memory.events",
            hits: "memory.events",
            hits_word: "oom",
        });
        let mut group = Group::default();
        group.memory = Some(memory.unwrap());
        group.begin(64 << 20).unwrap();
        let limit = fs::read_to_string(folder.path().join("memory.max")).unwrap();
        assert!(
            limit.starts_with(&(4096 + (64 << 20)).to_string()),
            "{limit}"
        );
        assert_eq!(group.peak(), None);
        write("memory.events", "oom 1\noom_kill 1\n");
        assert!(group.killed());
    }

    #[test]
    fn what_a_dead_process_of_our_id_left_is_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join("groklab-verify-7-0");
        fs::create_dir(&left).unwrap();
        // A folder is no control group: this one has no entrance, and that is all it lacks.
        let error = Group::default().make_part(folder.path(), "groklab-verify-7-0");
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_kill_that_the_groups_limit_did_not_cause_is_not_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        for (hits, hits_word) in [("failcnt", ""), ("events", "oom")] {
            let events =
                |oom, kills| write("events", &format!("max 9\noom {oom}\noom_kill {kills}\n"));
            for name in ["usage", "peak", "limit", "failcnt"] {
                write(name, "0\n");
            }
            events(0, 0);
            let memory = Memory::open(&MemoryFiles {
                folder: folder.path(),
                limit: "limit",
                usage: "usage",
                peak: "peak",
                kills: "events",
                hits,
                hits_word,
            });
            let mut group = Group::default();
            group.memory = Some(memory.unwrap());
            group.begin(1 << 30).unwrap();
            events(0, 1);
            assert!(!group.killed(), "{hits}: the machine's memory ran out");
            write("failcnt", "5\n");
            events(1, 1);
            assert!(group.killed(), "{hits}");
        }
    }
}
