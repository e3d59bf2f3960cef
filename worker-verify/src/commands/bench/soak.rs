//! `worker-verify soak`: many candidates in a row, one in ten hostile; the memory in use as it goes, every verdict checked, and
//! what is left over at the end.

use std::{
    fs, io::Write, num::NonZero, process::id, sync::atomic::AtomicBool, thread, time::Duration,
};

use groklab_domain::Verdict;

use crate::commands::bench::{
    drive::drive,
    load::{SHARED_FOLDERS, Sample, soaking},
};
use crate::jail::cgroup;
use crate::jail::process;
use crate::jail::warm::Warm;
use crate::judge::verify::verify;
use crate::metrics::METRICS;
use crate::sandbox::Sandbox;

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
    let mut found = Found {
        wrong: Vec::new(),
        wrong_count: 0,
        memory: Vec::new(),
        left_over: Vec::new(),
    };
    for part in 0..parts {
        let samples = soaking(
            part * count / parts,
            (part + 1) * count / parts - part * count / parts,
            &litter(),
        );
        judge(&warm, &samples, threads, &mut found);
        let zygotes = warm
            .pids()
            .into_iter()
            .flat_map(|(jail, zygote)| [jail, zygote]);
        let memory = (resident(id().cast_signed()), zygotes.map(resident).sum());
        found.memory.push(memory);
        let (own, theirs) = memory;
        writeln!(
            out,
            "{:>7} candidates: worker {own} KiB, zygotes {theirs} KiB, {} wrong",
            (part + 1) * count / parts,
            found.wrong_count
        )?;
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
                found.wrong.push(format!(
                    "{} {:?}: {}",
                    outcome.verdict,
                    outcome.error,
                    String::from_utf8_lossy(&sample.submission.text)
                ));
            }
        }
    }
}

/// How the files begin that candidates of this soak try to leave. Nobody else's do: whatever other programs make meanwhile, also as the
/// same user, is theirs.
fn litter() -> String {
    format!("groklab-soak-{}-", id())
}

/// Everything that could be left over, one line each.
fn inventory() -> Vec<String> {
    let pid = id();
    let names = |folder: &str| -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    };
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut all: Vec<String> = mounts
        .lines()
        .filter(|line| is_a_jails(line))
        .map(|line| format!("mount {line}"))
        .collect();
    all.push(format!("{} descriptors", names("/proc/self/fd").len()));
    all.extend(
        SHARED_FOLDERS
            .iter()
            .flat_map(|folder| files(folder, &litter())),
    );
    all.extend(
        cgroup::own_groups()
            .iter()
            .map(|folder| format!("control group {}", folder.display())),
    );
    let threads = names("/proc/self/task").into_iter();
    let children = threads.filter_map(|thread| {
        fs::read_to_string(format!("/proc/{pid}/task/{thread}/children")).ok()
    });
    all.extend(children.flat_map(|list| {
        list.split_whitespace()
            .map(|child| format!("process {child}"))
            .collect::<Vec<_>>()
    }));
    all
}

/// Whether a jail could have made this line of `mountinfo`: nsjail mounts in folders of its name, a candidate's scratch folder is `/tmp`.
fn is_a_jails(mount: &str) -> bool {
    mount
        .split(' ')
        .nth(4)
        .is_some_and(|place| place == "/tmp" || place.contains("/nsjail"))
}

/// The files in `folder` whose names begin so.
fn files(folder: &str, beginning: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let theirs = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(beginning));
    theirs
        .map(|entry| format!("file {}", entry.path().display()))
        .collect()
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
    let gone = before
        .iter()
        .filter(|line| !after.contains(line))
        .map(|line| format!("- {line}"));
    let new = after
        .iter()
        .filter(|line| !before.contains(line))
        .map(|line| format!("+ {line}"));
    gone.chain(new).collect()
}

fn resident(pid: i32) -> u64 {
    process::resident_kib(pid).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_candidates_left_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        fs::write(folder.path().join("PostgreSQL.1"), "").unwrap();
        assert_eq!(files(path, &litter()), Vec::<String>::new());
        let left = folder.path().join(format!("{}7", litter()));
        fs::write(&left, "").unwrap();
        assert_eq!(files(path, &litter()), [format!("file {}", left.display())]);
        assert_eq!(difference(&[], &files(path, &litter())).len(), 1);
    }

    #[test]
    fn only_a_jails_mounts_count() {
        let mount = |place: &str| {
            format!("40 31 0:37 / {place} rw,nosuid - tmpfs none rw,size=8192k,nr_inodes=64")
        };
        assert!(
            [
                "/tmp",
                "/run/user/nsjail.0.root",
                "/tmp/nsjail.65534.root/usr/lib"
            ]
            .iter()
            .all(|place| is_a_jails(&mount(place)))
        );
        assert!(
            [
                "/run/user/1000",
                "/var/lib/docker/overlay2/a/merged",
                "/tmp/build"
            ]
            .iter()
            .all(|place| !is_a_jails(&mount(place)))
        );
    }
}
