//! Looking for processes that outlive what started them, and holding one of their threads.

use std::{collections::BTreeMap, fs};

use nix::{
    sys::{
        ptrace,
        wait::{WaitPidFlag, waitpid},
    },
    unistd::Pid,
};

/// A thread of another process that stands still, as one does in a call that does not return, while the process' other threads go on.
/// It goes on when this is dropped, which must be by the thread that made it.
#[derive(Debug)]
pub struct Stuck(Pid);

impl Stuck {
    /// Stops the thread called `name`.
    ///
    /// # Panics
    /// When there is no such thread, or it may not be traced.
    pub fn new(process: u32, name: &str) -> Self {
        let mut threads = fs::read_dir(format!("/proc/{process}/task"))
            .unwrap()
            .flatten();
        let called = |folder: &fs::DirEntry| {
            fs::read_to_string(folder.path().join("comm")).is_ok_and(|comm| comm.trim() == name)
        };
        let folder = threads
            .find(called)
            .unwrap_or_else(|| panic!("process {process} has no thread `{name}`"));
        let thread = Pid::from_raw(folder.file_name().to_str().unwrap().parse().unwrap());
        ptrace::seize(thread, ptrace::Options::empty()).unwrap();
        ptrace::interrupt(thread).unwrap();
        waitpid(thread, Some(WaitPidFlag::__WALL)).unwrap();
        Self(thread)
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        // One that has gone has to be taken note of, or its process never ends.
        if ptrace::detach(self.0, None).is_err() {
            let _ = waitpid(self.0, Some(WaitPidFlag::__WALL));
        }
    }
}

/// Every process below `root`, by its id and start time (a reused id is another process).
pub fn descendants(root: u32) -> Vec<(u32, String)> {
    let parents = table();
    let mut found = Vec::new();
    let mut wave = vec![root];
    while let Some(parent) = wave.pop() {
        for (&id, (of, started)) in &parents {
            if *of == parent {
                found.push((id, started.clone()));
                wave.push(id);
            }
        }
    }
    found
}

/// Those of `processes` that still run.
pub fn alive(processes: &[(u32, String)]) -> Vec<String> {
    let table = table();
    let still = processes
        .iter()
        .filter(|(id, started)| table.get(id).is_some_and(|(_, now)| now == started));
    still
        .map(|(id, _)| format!("{id} {}", command_line(*id)))
        .collect()
}

/// Command lines that name `text`.
pub fn naming(text: &str) -> Vec<String> {
    table()
        .keys()
        .map(|&id| command_line(id))
        .filter(|line| line.contains(text))
        .collect()
}

fn command_line(id: u32) -> String {
    String::from_utf8_lossy(&fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default())
        .replace('\0', " ")
}

/// Parent and start time of every process that is not a zombie.
fn table() -> BTreeMap<u32, (u32, String)> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let row = |process: fs::DirEntry| {
        let id: u32 = process.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(process.path().join("stat")).ok()?;
        // The name in parentheses may hold blanks.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        (fields[0] != "Z").then_some((id, (fields[1].parse().ok()?, fields[19].to_owned())))
    };
    processes.filter_map(row).collect()
}
