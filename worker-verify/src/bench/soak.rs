//! `worker-verify soak`: many candidates in a row, one in ten hostile; the memory in use as it goes, every verdict checked, and
//! what is left over at the end.

use std::{fs, io::Write, num::NonZero, os::unix::fs::MetadataExt as _, sync::atomic::AtomicBool, thread, time::Duration};

use groklab_domain::Verdict;

use crate::{
    arguments,
    bench::{
        drive::drive,
        load::{Sample, soaking},
    },
    cgroup,
    metrics::METRICS,
    process,
    sandbox::Sandbox,
    verify::verify,
    warm::Warm,
};

/// What a soak found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Candidates whose verdict was not right, with their code: the first few.
    pub wrong: Vec<String>,
    pub wrong_count: usize,
    /// Resident KiB of this process after each part, and of all zygotes' processes together.
    pub memory: Vec<(u64, u64)>,
    /// What was there before and is not now, or the other way round: descriptors, processes, mounts, control groups, files.
    pub left_over: Vec<String>,
}

/// Runs `count` candidates in `parts`, with a line for each part. Takes the sandbox: that it leaves nothing is part of the question.
///
/// # Errors
/// Printing.
pub fn soak(
    make: impl FnOnce() -> Warm,
    count: usize,
    parts: usize,
    threads: NonZero<usize>,
    out: &mut dyn Write,
) -> anyhow::Result<Found> {
    let before = inventory();
    let warm = make();
    let mut found = Found { wrong: Vec::new(), wrong_count: 0, memory: Vec::new(), left_over: Vec::new() };
    for part in 0..parts {
        let samples = soaking(part * count / parts, (part + 1) * count / parts - part * count / parts);
        judge(&warm, &samples, threads, &mut found);
        let zygotes = warm.pids().into_iter().flat_map(|(jail, zygote)| [jail, zygote]);
        let memory = (resident(std::process::id().cast_signed()), zygotes.map(resident).sum());
        found.memory.push(memory);
        let (own, theirs) = memory;
        writeln!(out, "{:>7} candidates: worker {own} KiB, zygotes {theirs} KiB, {} wrong", (part + 1) * count / parts, found.wrong_count)?;
    }
    drop(warm);
    found.left_over = difference(&before, &settled(&before));
    writeln!(out, "{METRICS}")?;
    Ok(found)
}

fn judge(warm: &dyn Sandbox, samples: &[Sample], threads: NonZero<usize>, found: &mut Found) {
    let submissions: Vec<_> = samples.iter().map(|sample| &sample.submission).collect();
    let driven = drive(warm, &submissions, threads);
    for ((sample, mut outcome), took) in samples.iter().zip(driven.outcomes).zip(driven.latencies) {
        // As for a worker, only a timeout of a run alone counts.
        if outcome.verdict == Verdict::Timeout && !sample.right.contains(&Verdict::Timeout) {
            outcome = verify(warm, &sample.submission, &AtomicBool::new(false));
        }
        METRICS.judged(&outcome);
        METRICS.took(took);
        if !sample.right.contains(&outcome.verdict) {
            found.wrong_count += 1;
            if found.wrong.len() < 10 {
                found.wrong.push(format!("{} {:?}: {}", outcome.verdict, outcome.error, String::from_utf8_lossy(&sample.submission.text)));
            }
        }
    }
}

/// Everything that could be left over, one line each.
fn inventory() -> Vec<String> {
    let pid = std::process::id();
    let names = |folder: &str| -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut all: Vec<String> = mounts.lines().map(|line| format!("mount {line}")).collect();
    all.push(format!("{} descriptors", names("/proc/self/fd").len()));
    all.extend(["/tmp", "/dev/shm", "/dev/mqueue"].into_iter().flat_map(candidates_files));
    all.extend(cgroup::own_groups().iter().map(|folder| format!("control group {}", folder.display())));
    let threads = names("/proc/self/task").into_iter();
    let children = threads.filter_map(|thread| fs::read_to_string(format!("/proc/{pid}/task/{thread}/children")).ok());
    all.extend(children.flat_map(|list| list.split_whitespace().map(|child| format!("process {child}")).collect::<Vec<_>>()));
    all
}

/// Files that belong to the user that candidates are outside. Other programs' come and go meanwhile.
fn candidates_files(folder: &str) -> Vec<String> {
    let user = arguments::outer_ids().0;
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let theirs = entries.filter(|entry| entry.metadata().is_ok_and(|data| data.uid() == user));
    theirs.map(|entry| format!("file {}", entry.path().display())).collect()
}

/// The inventory, once it is as `before` or five seconds have passed.
fn settled(before: &[String]) -> Vec<String> {
    for _ in 0..50 {
        if difference(before, &inventory()).is_empty() {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    inventory()
}

fn difference(before: &[String], after: &[String]) -> Vec<String> {
    let gone = before.iter().filter(|line| !after.contains(line)).map(|line| format!("- {line}"));
    let new = after.iter().filter(|line| !before.contains(line)).map(|line| format!("+ {line}"));
    gone.chain(new).collect()
}

fn resident(pid: i32) -> u64 {
    process::resident_kib(pid).unwrap_or(0)
}
