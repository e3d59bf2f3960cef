//! `worker-verify doctor`: what isolates on this machine, what is missing, and the fix. Changes
//! nothing but what trying out version 2 control groups takes: a group that is divided has its
//! processes moved into a part of it.

use std::{fs, num::NonZero, path::Path};

use groklab_domain::finding::{Finding, Level};
use nix::unistd::{getegid, geteuid, getgroups};

use crate::{
    commands::selftest::selftest,
    jail::{Config, MAX_PROCESSES, Nsjail, Warm, cgroup, isolation, obstacle::Surroundings},
    judge::pool::all_cores,
    sandbox::{Limits, Sandbox},
};

/// What a worker takes itself, zygotes included, with room to spare.
const WORKER_MEMORY_BYTES: u64 = 512 << 20;

/// Looks at everything the worker needs, ending with the self-test on the cold path and, unless it
/// is not to be used, the warm.
pub fn examine(config: &Config, path: isolation::Path) -> Vec<Finding> {
    let mut findings = vec![
        user(),
        confinement(),
        user_namespaces(),
        namespaces(),
        seccomp(),
        cgroups(),
    ];
    findings.extend(shared_end());
    let cold = match Nsjail::new(config) {
        Ok(cold) => cold,
        Err(error) => {
            // Without the programs there is nothing to test.
            findings.push(Finding::new(Level::Missing, "programs", error.to_string()));
            return findings;
        }
    };
    let python = &cold.python;
    let details = format!(
        "{} {}, {} read-only binds",
        python.executable.display(),
        python.version,
        python.binds.len()
    );
    findings.push(Finding::new(
        Level::Good,
        "nsjail",
        cold.path().display().to_string(),
    ));
    findings.push(Finding::new(Level::Good, "python", details));
    findings.push(tested("cold path", &cold));
    if path == isolation::Path::Warm {
        findings.push(tested("warm path", &Warm::new(cold)));
    }
    findings
}

fn tested(what: &'static str, sandbox: &dyn Sandbox) -> Finding {
    match selftest(sandbox) {
        Ok(probes) => Finding::new(Level::Good, what, format!("{} probes held", probes.len())),
        Err(failed) => Finding::new(Level::Missing, what, failed.to_string()),
    }
}

fn user() -> Finding {
    let user = geteuid();
    let details = if user.is_root() {
        "root; candidates run as nobody (65534) inside and outside".to_owned()
    } else {
        // An unprivileged user can't give up its groups, so candidates keep them outside.
        let mut groups = String::new();
        for group in getgroups().unwrap_or_default() {
            if group != getegid() {
                groups.push_str(if groups.is_empty() {
                    ", in its groups "
                } else {
                    " "
                });
                groups.push_str(&group.to_string());
            }
        }
        format!("user {user}; candidates run as nobody inside and as user {user}{groups} outside")
    };
    Finding::new(Level::Good, "user mapping", details)
}

fn user_namespaces() -> Finding {
    let around = Surroundings::look();
    let obstacle = around.no_user_namespaces();
    match obstacle.or_else(|| around.restricted_user_namespaces()) {
        Some(obstacle) => Finding::new(Level::Missing, "user namespaces", obstacle.to_string()),
        None => Finding::new(Level::Good, "user namespaces", "available"),
    }
}

/// What the container, or whatever else started the worker, confines it by. The self-test shows
/// whether that lets it work.
fn confinement() -> Finding {
    let around = Surroundings::look();
    let mut confined_by = Vec::new();
    if around.has_seccomp_filter {
        confined_by.push("a seccomp filter".to_owned());
    }
    confined_by.extend(around.confined_by);
    let details = if confined_by.is_empty() {
        "nothing".to_owned()
    } else {
        confined_by.join(" and ")
    };
    Finding::new(Level::Good, "confined by", details)
}

fn namespaces() -> Finding {
    const KINDS: [&str; 7] = ["user", "pid", "mnt", "net", "ipc", "uts", "cgroup"];
    let mut missing = Vec::new();
    for kind in KINDS {
        if !Path::new("/proc/self/ns").join(kind).exists() {
            missing.push(kind);
        }
    }
    if missing.is_empty() {
        Finding::new(Level::Good, "namespaces", KINDS.join(" "))
    } else {
        Finding::new(
            Level::Missing,
            "namespaces",
            format!("this kernel lacks {}", missing.join(" ")),
        )
    }
}

fn seccomp() -> Finding {
    let actions = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
    // A forbidden call must end all threads, which older kernels can't do.
    if actions.contains("kill_process") {
        Finding::new(
            Level::Good,
            "seccomp",
            "an allow-list; what it does not name does not exist for candidates",
        )
    } else {
        Finding::new(
            Level::Missing,
            "seccomp",
            "this kernel has no seccomp filter with kill_process (Linux 4.14)",
        )
    }
}

fn cgroups() -> Finding {
    let found = cgroup::find();
    if found.active() {
        let details = format!("{}; one per zygote", found.describe());
        return Finding::new(Level::Good, "cgroups", details);
    }
    let weaker = "memory is limited per process, not per candidate, \
                  and peak memory is that of its largest process";
    Finding::new(
        Level::Weak,
        "cgroups",
        format!("{}; so {weaker}", found.describe()),
    )
}

/// Whether candidates that use up the memory take the worker along: without groups of their own,
/// in a container that ends as a whole.
fn shared_end() -> Option<Finding> {
    if cgroup::find().active() {
        return None;
    }
    let group = cgroup::ended_as_a_whole()?;
    Some(ended_as_a_whole(&group, all_cores()))
}

/// Kubernetes since 1.28: whoever uses up the memory, all processes of the container go.
fn ended_as_a_whole(group: &Path, threads: NonZero<usize>) -> Finding {
    let memory_bytes = Limits::default().memory_bytes;
    let most_bytes = WORKER_MEMORY_BYTES + threads.get() as u64 * MAX_PROCESSES * memory_bytes;
    let details = format!(
        "1 in `{}`: candidates that use up the container's memory end the worker too, and its job \
         is lost; make control groups writable; else set `singleProcessOOMKill: true` for the \
         kubelet; else give the container 0.5 GiB and threads × {MAX_PROCESSES} × memory_mb \
         ({:.1} GiB for {threads} threads and {} MiB)",
        group.display(),
        most_bytes as f64 / f64::from(1 << 30),
        memory_bytes >> 20,
    );
    Finding::new(Level::Weak, "memory.oom.group", details)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_that_is_enough_without_groups_is_named() {
        let two = NonZero::new(2).unwrap();
        let found = ended_as_a_whole(Path::new("/sys/fs/cgroup"), two);
        assert!(
            found
                .details
                .contains("(8.5 GiB for 2 threads and 256 MiB)"),
            "{found:?}"
        );
    }
}
