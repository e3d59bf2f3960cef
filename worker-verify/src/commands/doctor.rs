//! `worker-verify doctor`: what isolates on this machine, what is missing, and the fix. Changes nothing.

use std::{fs, path::Path};

use nix::unistd::{getegid, geteuid, getgroups};

use crate::commands::selftest::selftest;
use crate::jail::cgroup;
use crate::jail::isolation;
use crate::jail::nsjail::{Config, Nsjail};
use crate::jail::warm::Warm;
use crate::sandbox::Sandbox;

/// How a finding counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Good,
    /// Works, but weaker than it could be.
    Weak,
    /// The worker will not start.
    Missing,
}

/// One line of the report.
#[derive(Debug, Clone)]
pub struct Finding {
    pub level: Level,
    pub what: &'static str,
    pub details: String,
}

impl Finding {
    /// `ok    nsjail      /usr/bin/nsjail`
    pub fn line(&self) -> String {
        let mark = match self.level {
            Level::Good => "ok",
            Level::Weak => "weak",
            Level::Missing => "FAIL",
        };
        format!("{mark:<5} {:<14} {}", self.what, self.details)
    }
}

/// Looks at everything the worker needs, ending with the self-test on the cold path and, unless it is not to be used, the warm.
pub fn examine(config: &Config, path: isolation::Path) -> Vec<Finding> {
    let mut findings = vec![
        user(),
        user_namespaces(),
        namespaces(),
        seccomp(),
        cgroups(),
    ];
    let cold = match Nsjail::new(config) {
        Ok(cold) => cold,
        Err(error) => {
            findings.push(finding(Level::Missing, "programs", error.to_string()));
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
    findings.push(finding(
        Level::Good,
        "nsjail",
        cold.path().display().to_string(),
    ));
    findings.push(finding(Level::Good, "python", details));
    findings.push(tested("cold path", &cold));
    if path == isolation::Path::Warm {
        findings.push(tested("warm path", &Warm::new(cold)));
    }
    findings
}

fn tested(what: &'static str, sandbox: &dyn Sandbox) -> Finding {
    match selftest(sandbox) {
        Ok(probes) => finding(Level::Good, what, format!("{} probes held", probes.len())),
        Err(failed) => finding(Level::Missing, what, failed.to_string()),
    }
}

fn finding(level: Level, what: &'static str, details: impl Into<String>) -> Finding {
    Finding {
        level,
        what,
        details: details.into(),
    }
}

fn user() -> Finding {
    let user = geteuid();
    let details = if user.is_root() {
        "root; candidates run as nobody (65534) inside and outside".to_owned()
    } else {
        let listed = getgroups().unwrap_or_default();
        let others: Vec<String> = listed
            .iter()
            .filter(|group| **group != getegid())
            .map(ToString::to_string)
            .collect();
        let groups = if others.is_empty() {
            String::new()
        } else {
            format!(", in its groups {}", others.join(" "))
        };
        format!("user {user}; candidates run as nobody inside and as user {user}{groups} outside")
    };
    finding(Level::Good, "user mapping", details)
}

fn user_namespaces() -> Finding {
    let number = |path: &str| {
        fs::read_to_string(path)
            .ok()
            .and_then(|text| text.trim().parse::<u64>().ok())
    };
    let privileged = geteuid().is_root();
    if number("/proc/sys/user/max_user_namespaces") == Some(0) {
        return finding(
            Level::Missing,
            "user namespaces",
            "switched off; run `sysctl user.max_user_namespaces=10000`",
        );
    }
    if !privileged && number("/proc/sys/kernel/unprivileged_userns_clone") == Some(0) {
        return finding(
            Level::Missing,
            "user namespaces",
            "only for root; run `sysctl kernel.unprivileged_userns_clone=1`",
        );
    }
    if !privileged && number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == Some(1) {
        let fix = "restricted by AppArmor; run `sysctl kernel.apparmor_restrict_unprivileged_userns=0` or give nsjail a profile";
        return finding(Level::Missing, "user namespaces", fix);
    }
    finding(Level::Good, "user namespaces", "available")
}

fn namespaces() -> Finding {
    const KINDS: [&str; 7] = ["user", "pid", "mnt", "net", "ipc", "uts", "cgroup"];
    let missing: Vec<_> = KINDS
        .into_iter()
        .filter(|kind| !Path::new("/proc/self/ns").join(kind).exists())
        .collect();
    if missing.is_empty() {
        finding(Level::Good, "namespaces", KINDS.join(" "))
    } else {
        finding(
            Level::Missing,
            "namespaces",
            format!("this kernel lacks {}", missing.join(" ")),
        )
    }
}

fn seccomp() -> Finding {
    let actions = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
    if actions.contains("kill_process") {
        finding(
            Level::Good,
            "seccomp",
            "an allow-list; what it does not name does not exist for candidates",
        )
    } else {
        finding(
            Level::Missing,
            "seccomp",
            "this kernel has no seccomp filter with kill_process (Linux 4.14)",
        )
    }
}

fn cgroups() -> Finding {
    let found = cgroup::find();
    if found.active() {
        return finding(
            Level::Good,
            "cgroups",
            format!("{}; one per zygote", found.describe()),
        );
    }
    let weaker = "memory is limited per process, not per candidate, and peak memory is that of its largest process";
    let fix = "run as root with a memory controller, or have the worker's cgroup delegated to its user (systemd: Delegate=yes)";
    finding(
        Level::Weak,
        "cgroups",
        format!("{}; so {weaker}; to fix it, {fix}", found.describe()),
    )
}
