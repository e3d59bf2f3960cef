//! `worker-verify soak`: many candidates in a row, one in ten hostile; the memory in use as it
//! goes, every verdict checked, and what is left over at the end.

use std::{
    fs, io::Write, num::NonZero, process::id, sync::atomic::AtomicBool, thread, time::Duration,
};

use groklab_domain::Verdict;

use crate::{
    commands::bench::{
        drive::drive,
        load::{SHARED_FOLDERS, Sample, soaking},
    },
    jail::{Warm, cgroup, process},
    judge::verify,
    metrics::Metrics,
    sandbox::Sandbox,
};

/// Wrong verdicts that are kept with their code; all are counted.
const MAX_KEPT_WRONG: usize = 10;
/// How often, and how far apart, what is left over is looked at: processes take a moment to be
/// gone.
const SETTLE_TRIES: u32 = 50;
const SETTLE_EVERY: Duration = Duration::from_millis(100);

/// What a soak found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SoakReport {
    /// Candidates whose verdict was not right, with their code: the first few.
    pub wrong: Vec<String>,
    pub wrong_count: usize,
    /// Resident KiB of this process after each part, and of all zygotes' processes together.
    pub memory: Vec<(u64, u64)>,
    /// What was there before and is not now, or the other way round: descriptors, processes,
    /// mounts, control groups, files.
    pub left_over: Vec<String>,
}

/// How much to soak.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// Candidates in all.
    pub count: usize,
    /// Parts, of which each is reported on its own line.
    pub parts: usize,
    pub threads: NonZero<usize>,
    /// CPU time that each candidate may use.
    pub cpu: Duration,
}

/// Runs the candidates in parts, with a line for each part, in the sandbox that `make` makes: that
/// it leaves nothing is part of the question.
///
/// # Errors
/// Printing.
pub fn soak(
    make: impl FnOnce() -> Warm,
    extent: Extent,
    metrics: &Metrics,
    out: &mut dyn Write,
) -> anyhow::Result<SoakReport> {
    let before = inventory();
    let warm = make();
    let mut found = SoakReport::default();
    let mut from = 0;
    for part in 1..=extent.parts {
        // Computed from the whole, so that the parts add up whatever the count is.
        let to = part * extent.count / extent.parts;
        let mut samples = soaking(from, to - from, &litter_prefix());
        for sample in &mut samples {
            sample.submission.limits.cpu = extent.cpu;
        }
        from = to;
        judge(&warm, &samples, extent.threads, metrics, &mut found);
        let own = resident_kib(id().cast_signed());
        let mut theirs = 0;
        for (jail, zygote) in warm.pids() {
            theirs += resident_kib(jail) + resident_kib(zygote);
        }
        found.memory.push((own, theirs));
        let wrong = found.wrong_count;
        writeln!(
            out,
            "{to:>7} candidates: worker {own} KiB, zygotes {theirs} KiB, {wrong} wrong"
        )?;
    }
    // This ends the zygotes, so that what they leave can be looked for.
    drop(warm);
    found.left_over = difference(&before, &settled_inventory(&before));
    writeln!(out, "{metrics}")?;
    Ok(found)
}

fn judge(
    warm: &dyn Sandbox,
    samples: &[Sample],
    threads: NonZero<usize>,
    metrics: &Metrics,
    found: &mut SoakReport,
) {
    let submissions: Vec<_> = samples.iter().map(|sample| &sample.submission).collect();
    let driven = drive(warm, &submissions, threads);
    for (sample, mut outcome) in samples.iter().zip(driven.outcomes) {
        // As for a worker, only a timeout of a run alone counts.
        if outcome.verdict == Verdict::Timeout && !sample.right.contains(&Verdict::Timeout) {
            outcome = verify(warm, &sample.submission, &AtomicBool::new(false));
        }
        metrics.count_verdict(outcome.verdict);
        if sample.right.contains(&outcome.verdict) {
            continue;
        }
        found.wrong_count += 1;
        if found.wrong.len() < MAX_KEPT_WRONG {
            let code = String::from_utf8_lossy(&sample.submission.text);
            let (verdict, error) = (outcome.verdict, outcome.error);
            found.wrong.push(format!("{verdict} {error:?}: {code}"));
        }
    }
}

/// How the files begin that candidates of this soak try to leave. Nobody else's do: whatever other
/// programs make meanwhile, also as the same user, is theirs.
fn litter_prefix() -> String {
    format!("groklab-soak-{}-", id())
}

/// Everything that could be left over, one line each.
fn inventory() -> Vec<String> {
    let mut all = Vec::new();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    for line in mounts.lines() {
        if is_a_jails(line) {
            all.push(format!("mount {line}"));
        }
    }
    let descriptors = fs::read_dir("/proc/self/fd").into_iter().flatten().count();
    // Reading the folder opens one more, in every inventory alike.
    all.push(format!("{descriptors} descriptors"));
    for folder in SHARED_FOLDERS {
        all.extend(files(folder, &litter_prefix()));
    }
    for folder in cgroup::own_groups() {
        all.push(format!("control group {}", folder.display()));
    }
    for child in process::children(id().cast_signed()) {
        all.push(format!("process {child}"));
    }
    all
}

/// Whether a jail could have made this line of `mountinfo`: nsjail mounts in folders of its name, a
/// candidate's scratch folder is `/tmp`.
fn is_a_jails(mount: &str) -> bool {
    let Some(place) = mount.split(' ').nth(4) else {
        return false;
    };
    place == "/tmp" || place.contains("/nsjail")
}

/// The files in `folder` whose names begin so.
fn files(folder: &str, prefix: &str) -> Vec<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            files.push(format!("file {}", entry.path().display()));
        }
    }
    files
}

/// The inventory, once it is as `before` or it has been waited for that long enough.
fn settled_inventory(before: &[String]) -> Vec<String> {
    for _ in 0..SETTLE_TRIES {
        if difference(before, &inventory()).is_empty() {
            break;
        }
        thread::sleep(SETTLE_EVERY);
    }
    inventory()
}

/// What is gone, behind a minus, and what is new, behind a plus.
fn difference(before: &[String], after: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    for line in before {
        if !after.contains(line) {
            lines.push(format!("- {line}"));
        }
    }
    for line in after {
        if !before.contains(line) {
            lines.push(format!("+ {line}"));
        }
    }
    lines
}

fn resident_kib(pid: i32) -> u64 {
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
        assert_eq!(files(path, &litter_prefix()), Vec::<String>::new());
        let left = folder.path().join(format!("{}7", litter_prefix()));
        fs::write(&left, "").unwrap();
        assert_eq!(
            files(path, &litter_prefix()),
            [format!("file {}", left.display())]
        );
        assert_eq!(difference(&[], &files(path, &litter_prefix())).len(), 1);
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
