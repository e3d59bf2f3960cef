//! The policy in nsjail's language.

use nix::libc;

use crate::jail::policy::calls::{
    ALLOWED, Calls, EXIT_SIGNAL_MASK, EXIT_SIGNALS, FCNTL_COMMANDS, FIXED_LIMITS, FORBIDDEN,
    IGNORED, IOCTL_COMMANDS, NAMESPACE_FLAGS, REFUSED, SIGKILL,
};

/// The whole policy. Each call with conditions stands under both answers it may get.
pub fn text() -> String {
    format!(
        "POLICY candidate {{
            KILL_PROCESS {{ {forbidden}, clone {{ (clone_flags & {NAMESPACE_FLAGS}) != 0 }} }},
            ERRNO({eperm}) {{ {refused}, {refused_conditions} }},
            ERRNO(0) {{ {ignored} }},
            ALLOW {{ {allowed}, {allowed_conditions} }}
        }}
        USE candidate DEFAULT ERRNO({enosys})",
        forbidden = names(FORBIDDEN),
        eperm = libc::EPERM,
        refused = names(REFUSED),
        refused_conditions = refused_conditions(),
        ignored = names(IGNORED),
        allowed = names(ALLOWED),
        allowed_conditions = allowed_conditions(),
        enosys = libc::ENOSYS,
    )
}

fn refused_conditions() -> String {
    let is_fixed = is_one_of("resource", &FIXED_LIMITS);
    // nsjail's language has no names for parts of an argument.
    let exit_signal = format!("(clone_flags & {EXIT_SIGNAL_MASK})");
    let special_signal = is_none_of(&exit_signal, &EXIT_SIGNALS);
    [
        format!("setrlimit {{ {is_fixed} }}"),
        format!("prlimit64 {{ ({is_fixed}) && new_rlim != 0 }}"),
        format!("kill {{ sig == {SIGKILL} }}"),
        format!("tkill {{ sig == {SIGKILL} }}"),
        format!("tgkill {{ sig == {SIGKILL} }}"),
        format!("clone {{ (clone_flags & {NAMESPACE_FLAGS}) == 0 && {special_signal} }}"),
        format!("fcntl {{ {} }}", is_none_of("cmd", FCNTL_COMMANDS)),
        format!("ioctl {{ {} }}", is_none_of("cmd", IOCTL_COMMANDS)),
    ]
    .join(", ")
}

fn allowed_conditions() -> String {
    let is_changeable = is_none_of("resource", &FIXED_LIMITS);
    let exit_signal = format!("(clone_flags & {EXIT_SIGNAL_MASK})");
    let plain_signal = is_one_of(&exit_signal, &EXIT_SIGNALS);
    [
        format!("setrlimit {{ {is_changeable} }}"),
        format!("prlimit64 {{ ({is_changeable}) || new_rlim == 0 }}"),
        format!("kill {{ sig != {SIGKILL} }}"),
        format!("tkill {{ sig != {SIGKILL} }}"),
        format!("tgkill {{ sig != {SIGKILL} }}"),
        format!("clone {{ (clone_flags & {NAMESPACE_FLAGS}) == 0 && ({plain_signal}) }}"),
        format!("fcntl {{ {} }}", is_one_of("cmd", FCNTL_COMMANDS)),
        format!("ioctl {{ {} }}", is_one_of("cmd", IOCTL_COMMANDS)),
    ]
    .join(", ")
}

fn names(calls: Calls) -> String {
    let names: Vec<&str> = calls.iter().map(|call| call.nsjail_name).collect();
    names.join(", ")
}

fn is_one_of(what: &str, values: &[u32]) -> String {
    let mut tests = Vec::new();
    for value in values {
        tests.push(format!("{what} == {value}"));
    }
    tests.join(" || ")
}

fn is_none_of(what: &str, values: &[u32]) -> String {
    let mut tests = Vec::new();
    for value in values {
        tests.push(format!("{what} != {value}"));
    }
    tests.join(" && ")
}
