//! The policy as the seccomp profile of the container around the worker: what candidates may call,
//! what nsjail and the zygote call to isolate them, what the worker itself calls, and nothing else.
//!
//! It is a profile as the OCI runtime specification has it, with `architectures`, which Docker,
//! podman, containerd and CRI-O all read. (Docker's own `archMap` is ignored by containerd, which
//! leaves x32 out.)

use std::collections::BTreeSet;

use nix::libc;
use serde::Serialize;

use crate::jail::policy::calls::{ALLOWED, CONDITIONAL, Calls, IGNORED, ZYGOTES_OWN, calls};

/// What nsjail calls beyond that, from its start to that of the interpreter. `personality`, for
/// addresses that are not randomised, and `socket` are under [`ARGUMENT_RULES`].
const NSJAILS_OWN: Calls = calls! {
    pivot_root SYS_pivot_root, umount SYS_umount2, sethostname SYS_sethostname,
    capget SYS_capget, setresuid SYS_setresuid, setresgid SYS_setresgid,
    setgroups SYS_setgroups, socketpair SYS_socketpair, bind SYS_bind,
    setsockopt SYS_setsockopt,
};

/// What the worker calls beyond that, with tokio, rustls and the C library's resolver, and what
/// the engine's own process and tini call in the container before and around it.
const WORKERS_OWN: Calls = calls! {
    // Connections, also to listen for those who ask for the worker's health.
    connect SYS_connect, listen SYS_listen, accept4 SYS_accept4, recvfrom SYS_recvfrom,
    sendmmsg SYS_sendmmsg, getpeername SYS_getpeername, shutdown SYS_shutdown,
    // Requests and logs in memory, and jails that are ended by their pidfd.
    memfd_create SYS_memfd_create, pidfd_send_signal SYS_pidfd_send_signal,
    // `bench` measures one core.
    sched_setaffinity SYS_sched_setaffinity,
};

/// Calls that are permitted for one value of their first argument only.
const ARGUMENT_RULES: &[ArgumentRule] = &[
    ArgumentRule {
        comment: "nsjail switches off the randomisation of addresses",
        call: "personality",
        // ADDR_NO_RANDOMIZE
        value: 0x4_0000,
    },
    ArgumentRule {
        comment: "local sockets",
        call: "socket",
        value: libc::AF_UNIX as u64,
    },
    ArgumentRule {
        comment: "connections to the coordinator",
        call: "socket",
        value: libc::AF_INET as u64,
    },
    ArgumentRule {
        comment: "connections to the coordinator",
        call: "socket",
        value: libc::AF_INET6 as u64,
    },
    ArgumentRule {
        comment: "nsjail and the C library's resolver ask for network interfaces",
        call: "socket",
        value: libc::AF_NETLINK as u64,
    },
];

struct ArgumentRule {
    comment: &'static str,
    call: &'static str,
    value: u64,
}

/// As the OCI runtime specification spells it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    default_action: &'static str,
    default_errno_ret: i32,
    architectures: [&'static str; 2],
    syscalls: Vec<Rule>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    /// Engines pass over it.
    comment: &'static str,
    names: Vec<&'static str>,
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    errno_ret: Option<i32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    args: Vec<Argument>,
}

#[derive(Serialize)]
struct Argument {
    index: u32,
    value: u64,
    op: &'static str,
}

const ALLOW: &str = "SCMP_ACT_ALLOW";
const ERRNO: &str = "SCMP_ACT_ERRNO";

/// The profile as JSON, to be given to a container engine.
pub fn seccomp_profile() -> String {
    let profile = Profile {
        default_action: ERRNO,
        default_errno_ret: libc::EPERM,
        // The self-test makes an x32 call, which must not exist rather than be killed for: that
        // would be the container's answer to a sub-architecture that is not listed. Calls of 32-bit
        // x86 are killed for in either case.
        architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X32"],
        syscalls: rules(),
    };
    let text = serde_json::to_string_pretty(&profile).expect("names and numbers are JSON");
    text + "\n"
}

/// The AppArmor profile of the container, in its language, for `apparmor_parser` on the host.
pub fn apparmor_profile() -> &'static str {
    include_str!("groklab-verify.apparmor")
}

fn rules() -> Vec<Rule> {
    let mut named = BTreeSet::new();
    let conditional = CONDITIONAL.iter().map(|(calls, _)| *calls);
    let candidates: Vec<Calls> = [ALLOWED, IGNORED].into_iter().chain(conditional).collect();
    let mut rules = vec![
        allow(
            "candidates, who have a stricter list of their own",
            &candidates,
            &mut named,
        ),
        allow(
            "nsjail and the zygote, to isolate candidates",
            &[NSJAILS_OWN, ZYGOTES_OWN],
            &mut named,
        ),
        allow("the worker", &[WORKERS_OWN], &mut named),
    ];
    for rule in ARGUMENT_RULES {
        rules.push(Rule {
            comment: rule.comment,
            names: vec![rule.call],
            action: ALLOW,
            errno_ret: None,
            args: vec![Argument {
                index: 0,
                value: rule.value,
                op: "SCMP_CMP_EQ",
            }],
        });
    }
    rules.push(Rule {
        comment: "the C library and nsjail fall back to clone only where there is no clone3",
        names: vec!["clone3"],
        action: ERRNO,
        errno_ret: Some(libc::ENOSYS),
        args: Vec::new(),
    });
    rules
}

/// A rule for what is in `lists` and was not named before.
fn allow(comment: &'static str, lists: &[Calls], named: &mut BTreeSet<&'static str>) -> Rule {
    let mut names = BTreeSet::new();
    for call in lists.iter().copied().flatten() {
        let name = call.kernel_name();
        if named.insert(name) {
            names.insert(name);
        }
    }
    Rule {
        comment,
        names: names.into_iter().collect(),
        action: ALLOW,
        errno_ret: None,
        args: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::jail::policy::calls::{FORBIDDEN, REFUSED};

    /// The file of the repository, and how to make it anew.
    #[track_caller]
    fn is_current(file: &str, printed: &str, command: &str) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let stored = fs::read_to_string(root.join(file)).expect("it is in the repository");
        let fix = format!("{file} is not current: run `{command} > {file}`");
        assert!(stored == printed, "{fix}");
    }

    #[test]
    fn the_files_of_the_repository_are_current() {
        is_current(
            "deploy/seccomp/worker-verify.json",
            &seccomp_profile(),
            "worker-verify container-profile seccomp",
        );
        is_current(
            "deploy/apparmor/groklab-verify",
            apparmor_profile(),
            "worker-verify container-profile apparmor",
        );
    }

    fn allowed_always() -> BTreeSet<&'static str> {
        let mut names = BTreeSet::new();
        for rule in rules() {
            if rule.action == ALLOW && rule.args.is_empty() {
                names.extend(rule.names);
            }
        }
        names
    }

    #[test]
    fn a_candidate_meets_its_own_list_before_the_containers() {
        let names = allowed_always();
        let conditional = CONDITIONAL.iter().map(|(calls, _)| *calls);
        for call in [ALLOWED, IGNORED].into_iter().chain(conditional).flatten() {
            assert!(names.contains(call.kernel_name()), "{call:?}");
        }
    }

    #[test]
    fn what_only_an_attack_would_call_is_for_nobody() {
        // What isolates is forbidden to candidates and permitted in the container.
        let isolating = [
            "mount",
            "umount2",
            "pivot_root",
            "unshare",
            "setns",
            "sethostname",
        ];
        let names = allowed_always();
        for call in FORBIDDEN {
            let name = call.kernel_name();
            assert_eq!(names.contains(name), isolating.contains(&name), "{name}");
        }
        for call in REFUSED {
            let name = call.kernel_name();
            let is_a_systems = ["shm", "sem", "msg", "mq_"]
                .iter()
                .any(|kind| name.starts_with(kind));
            assert!(!(is_a_systems && names.contains(name)), "{name}");
        }
    }
}
