//! Names what the machine, or the container around the worker, keeps a jail from doing, and the
//! fix: from what nsjail and the zygote complained of, and from what is around this process.
//! Guesses nothing: a complaint that it does not know has no obstacle.

use std::{fmt, fs};

use nix::{
    errno::Errno,
    libc,
    sys::resource::{Resource, getrlimit},
    unistd::geteuid,
};

use crate::jail::zygote_jail::CONTROL_FD;

/// The calls that isolate and that something around the worker may refuse.
const ISOLATING_CALLS: [&str; 17] = [
    "clone",
    "unshare",
    "setns",
    "mount",
    "umount2",
    "pivot_root",
    "sethostname",
    "personality",
    "capget",
    "capset",
    "prctl",
    "setresuid",
    "setresgid",
    "setitimer",
    "socketpair",
    "socket",
    "mkdir",
];

/// What the C library says of the errors that tell obstacles apart.
const NOT_PERMITTED: &str = "Operation not permitted";
const DENIED: &str = "Permission denied";
const LIMIT_REACHED: &str = "No space left on device";
const TOO_MANY_PROCESSES: &str = "Resource temporarily unavailable";
const NO_SUCH_DESCRIPTOR: &str = "Bad file descriptor";

const USE_SECCOMP_PROFILE: &str = "give the container the profile that `worker-verify \
    container-profile seccomp` prints, deploy/seccomp/worker-verify.json (Docker: --security-opt \
    seccomp=FILE; Kubernetes: seccompProfile of type Localhost)";
const USE_APPARMOR_PROFILE: &str = "load the profile that `worker-verify container-profile \
    apparmor` prints, deploy/apparmor/groklab-verify, on the host with apparmor_parser and give it \
    to the container (Docker: --security-opt apparmor=groklab-verify; Kubernetes: appArmorProfile \
    of type Localhost)";

/// What keeps jails from starting, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    pub cause: String,
    pub fix: &'static str,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; to fix it, {}", self.cause, self.fix)
    }
}

/// What is around this process and decides on what it may do.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    pub is_root: bool,
    /// Whether a seccomp filter was on this process from its start.
    pub has_seccomp_filter: bool,
    /// The AppArmor profile or the SELinux context that it is confined by.
    pub confined_by: Option<String>,
    pub max_user_namespaces: Option<u64>,
    /// Only some distributions' kernels have this setting, Debian's among them.
    pub unprivileged_userns_clone: Option<u64>,
    /// Ubuntu's, from 23.10.
    pub apparmor_restrict_unprivileged_userns: Option<u64>,
    /// The soft limit.
    pub max_open_files: u64,
}

impl Surroundings {
    pub fn look() -> Self {
        let label = fs::read_to_string("/proc/self/attr/current").unwrap_or_default();
        let label = label.trim_matches(['\0', '\n', ' ']);
        let is_confined = !label.is_empty() && label != "unconfined";
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            is_root: geteuid().is_root(),
            has_seccomp_filter: status.contains("\nSeccomp:\t2"),
            confined_by: is_confined.then(|| label.to_owned()),
            max_user_namespaces: setting("user/max_user_namespaces"),
            unprivileged_userns_clone: setting("kernel/unprivileged_userns_clone"),
            apparmor_restrict_unprivileged_userns: setting(
                "kernel/apparmor_restrict_unprivileged_userns",
            ),
            max_open_files: getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft),
        }
    }

    /// A setting of the kernel that leaves no user namespaces to this process.
    pub fn no_user_namespaces(&self) -> Option<Obstacle> {
        if self.max_user_namespaces == Some(0) {
            return Some(Obstacle {
                cause: "user namespaces are switched off: user.max_user_namespaces is 0".to_owned(),
                fix: "run `sysctl user.max_user_namespaces=10000` on the host",
            });
        }
        if !self.is_root && self.unprivileged_userns_clone == Some(0) {
            return Some(Obstacle {
                cause: "user namespaces are for root alone: kernel.unprivileged_userns_clone is 0"
                    .to_owned(),
                fix: "run `sysctl kernel.unprivileged_userns_clone=1` on the host",
            });
        }
        None
    }

    /// AppArmor's restriction of user namespaces, which a profile of one's own lifts.
    pub fn restricted_user_namespaces(&self) -> Option<Obstacle> {
        let is_restricted = self.apparmor_restrict_unprivileged_userns == Some(1);
        if self.is_root || !is_restricted || self.confined_by.is_some() {
            return None;
        }
        Some(Obstacle {
            cause: "AppArmor restricts user namespaces of unconfined programs: \
                    kernel.apparmor_restrict_unprivileged_userns is 1"
                .to_owned(),
            fix: "run `sysctl kernel.apparmor_restrict_unprivileged_userns=0` on the host, or give \
                  the container the AppArmor profile that `worker-verify container-profile \
                  apparmor` prints",
        })
    }

    fn may_not_call(&self, call: &str) -> Obstacle {
        if call == "clone"
            && let Some(obstacle) = self.no_user_namespaces()
        {
            return obstacle;
        }
        if !self.has_seccomp_filter {
            return Obstacle {
                cause: format!(
                    "the kernel does not permit `{call}` here, and no seccomp filter is on"
                ),
                fix: "start the worker outside of a chroot, and let no security module refuse it",
            };
        }
        let flags = if call == "clone" {
            " with namespace flags"
        } else {
            ""
        };
        Obstacle {
            cause: format!("the container's seccomp profile does not permit `{call}`{flags}"),
            fix: USE_SECCOMP_PROFILE,
        }
    }

    fn is_denied(&self, call: &str) -> Obstacle {
        if let Some(obstacle) = self.restricted_user_namespaces() {
            return obstacle;
        }
        let Some(label) = &self.confined_by else {
            return Obstacle {
                cause: format!("a security module denies `{call}`"),
                fix: USE_APPARMOR_PROFILE,
            };
        };
        // An SELinux context has at least three colons: user, role, type, level.
        if label.split(':').count() > 3 {
            return Obstacle {
                cause: format!("SELinux denies `{call}` to `{label}`"),
                fix: "start the container with --security-opt label=disable, or with a type that \
                      may mount",
            };
        }
        Obstacle {
            cause: format!("the AppArmor profile `{label}` denies `{call}`"),
            fix: USE_APPARMOR_PROFILE,
        }
    }
}

/// A filter that refuses `clone3` as not permitted: the C library makes threads, and nsjail its
/// child, in another way only where `clone3` does not exist.
pub fn no_threads() -> Option<Obstacle> {
    // SAFETY: a structure of no bytes is refused before anything is read, and nothing is made.
    let answer = unsafe { libc::syscall(libc::SYS_clone3, std::ptr::null::<libc::c_void>(), 0) };
    (answer < 0 && Errno::last() == Errno::EPERM).then(|| Obstacle {
        cause: "the container's seccomp profile refuses `clone3` with another error than ENOSYS"
            .to_owned(),
        fix: USE_SECCOMP_PROFILE,
    })
}

/// What kills for a call that does not exist, although the candidate's own filter lets it go on: a
/// filter of the container's that does not know the call's sub-architecture.
pub fn killed_by_a_filter(around: &Surroundings) -> Option<Obstacle> {
    around.has_seccomp_filter.then(|| Obstacle {
        cause: "the container's seccomp profile kills for calls of the sub-architecture x32: its \
                `architectures` do not have SCMP_ARCH_X32"
            .to_owned(),
        fix: USE_SECCOMP_PROFILE,
    })
}

/// A number below `/proc/sys`, where this kernel has it.
fn setting(name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/sys/{name}")).ok()?;
    text.trim().parse().ok()
}

/// The obstacle behind what was complained of, on one line.
pub fn obstacle(complaint: &str, around: &Surroundings) -> Option<Obstacle> {
    if complaint.contains("Failed to create work directory") {
        return Some(Obstacle {
            cause: "nsjail has no folder to mount its jails at: neither /run/user, /tmp nor \
                    /dev/shm can be written to"
                .to_owned(),
            fix: "mount a tmpfs at /tmp (Docker: --tmpfs /tmp:size=64m,mode=1777; Kubernetes: an \
                  emptyDir)",
        });
    }
    if complaint.contains("id_map") && complaint.contains(NOT_PERMITTED) {
        return Some(no_id_map(around));
    }
    if complaint.contains(NO_SUCH_DESCRIPTOR) && around.max_open_files <= CONTROL_FD as u64 {
        return Some(Obstacle {
            cause: format!(
                "the limit on open files is {}, and descriptor {CONTROL_FD} is needed",
                around.max_open_files
            ),
            fix: "raise it to 4096 (a shell: `ulimit -n 4096`; Docker: --ulimit nofile=4096)",
        });
    }
    let (call, error) = failed_call(complaint)?;
    Some(match error {
        NOT_PERMITTED => around.may_not_call(call),
        DENIED => around.is_denied(call),
        LIMIT_REACHED => around.no_user_namespaces().unwrap_or_else(|| Obstacle {
            cause: "there may be no more namespaces: a limit user.max_*_namespaces is reached"
                .to_owned(),
            fix: "raise the limits user.max_*_namespaces on the host with `sysctl`",
        }),
        _ => Obstacle {
            cause: format!("there may be no more processes: `{call}` is refused for now"),
            fix: "raise the limit on processes (Docker: --pids-limit, at least 64 and 40 for each \
                  thread of the worker; a shell: `ulimit -u`)",
        },
    })
}

/// Another user's id may be mapped into a jail only with the capabilities for it.
fn no_id_map(around: &Surroundings) -> Obstacle {
    if around.is_root {
        return Obstacle {
            cause: "root has no CAP_SETUID and CAP_SETGID here, so it can't run candidates as \
                    nobody"
                .to_owned(),
            fix: "run the container as another user (Docker: --user 10001:10001), or give root \
                  both (--cap-add SETUID --cap-add SETGID)",
        };
    }
    Obstacle {
        cause: "the kernel does not let nsjail map this user's id into a jail".to_owned(),
        fix: "start the worker as a user that is mapped in the container's own user namespace",
    }
}

/// The call that isolates and was refused first, and the error.
fn failed_call(complaint: &str) -> Option<(&'static str, &'static str)> {
    let errors = [NOT_PERMITTED, DENIED, LIMIT_REACHED, TOO_MANY_PROCESSES];
    let mut first: Option<(usize, &'static str)> = None;
    for error in errors {
        if let Some(at) = complaint.find(error)
            && first.is_none_or(|(earlier, _)| at < earlier)
        {
            first = Some((at, error));
        }
    }
    let (at, error) = first?;
    // Each line of nsjail's begins with level, time and process in brackets, each of Python's
    // errors with its number in such.
    let (_, line) = complaint[..at].rsplit_once(']')?;
    let mut words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let call = words.find_map(|word| ISOLATING_CALLS.iter().find(|call| **call == word))?;
    Some((call, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As nsjail 3.6 writes it, under a container's seccomp profile.
    const CLONE: &str = "[W][2026-11-27T17:27:41+0000][1] runChild():511 \
        clone(flags=CLONE_NEWNS|CLONE_NEWUSER) failed: Operation not permitted [E][2026-11-27T\
        17:27:41+0000][1] standaloneMode():274 Couldn't launch the child process";
    const PIVOT_ROOT: &str = "[E][2026-11-27T17:27:44+0000][1] initCloneNs():285 \
        pivot_root('/tmp/nsjail.10001.root', '/tmp/nsjail.10001.root'): Operation not permitted";
    const PERSONALITY: &str = "[E][2026-11-27T17:27:45+0000][1] containPrepareEnv():118 \
        personality(40000): Operation not permitted [F][2026] runChild():506 Launching child \
        process failed";
    const ID_MAP: &str = "[E][2026-11-27T17:27:55+0000][1] writeBufToFile():138 Couldn't write \
        '14' bytes to file '/proc/7/gid_map' (fd='6'): Operation not permitted";

    fn filtered() -> Surroundings {
        Surroundings {
            has_seccomp_filter: true,
            max_user_namespaces: Some(96365),
            max_open_files: 4096,
            ..Surroundings::default()
        }
    }

    #[track_caller]
    fn cause(complaint: &str, around: &Surroundings) -> String {
        obstacle(complaint, around).expect("it is known").cause
    }

    #[test]
    fn the_call_that_a_filter_refuses_is_named() {
        for (complaint, call) in [
            (CLONE, "`clone` with namespace flags"),
            (PIVOT_ROOT, "`pivot_root`"),
            (PERSONALITY, "`personality`"),
            (
                "PermissionError: [Errno 1] unshare: Operation not permitted",
                "`unshare`",
            ),
        ] {
            let cause = cause(complaint, &filtered());
            assert!(cause.contains("seccomp profile"), "{cause}");
            assert!(cause.contains(call), "{cause}");
        }
    }

    #[test]
    fn a_kernels_setting_is_told_from_a_filter() {
        let around = Surroundings {
            unprivileged_userns_clone: Some(0),
            ..filtered()
        };
        assert!(cause(CLONE, &around).contains("kernel.unprivileged_userns_clone is 0"));
        let limit = CLONE.replace(NOT_PERMITTED, LIMIT_REACHED);
        assert!(cause(&limit, &filtered()).contains("user.max_*_namespaces"));
        let around = Surroundings {
            max_user_namespaces: Some(0),
            ..filtered()
        };
        assert!(cause(&limit, &around).contains("user.max_user_namespaces is 0"));
    }

    #[test]
    fn a_security_module_is_named_with_its_label() {
        let denied = "[E][x][1] buildMountTree():302 mount('/', MS_REC|MS_PRIVATE): \
                      Permission denied";
        let mut around = filtered();
        for (label, want) in [
            (
                "docker-default (enforce)",
                "the AppArmor profile `docker-default (enforce)`",
            ),
            (
                "system_u:system_r:container_t:s0:c1,c2",
                "SELinux denies `mount`",
            ),
        ] {
            around.confined_by = Some(label.to_owned());
            assert!(cause(denied, &around).contains(want), "{label}");
        }
        let around = Surroundings {
            apparmor_restrict_unprivileged_userns: Some(1),
            ..filtered()
        };
        assert!(cause(denied, &around).contains("apparmor_restrict_unprivileged_userns is 1"));
    }

    #[test]
    fn what_is_no_refused_call_is_named_too() {
        let root = Surroundings {
            is_root: true,
            ..filtered()
        };
        assert!(cause(ID_MAP, &root).contains("CAP_SETUID"));
        assert!(!cause(ID_MAP, &filtered()).contains("CAP_SETUID"));
        let few_files = Surroundings {
            max_open_files: 512,
            ..filtered()
        };
        let complaint = "start `/opt/nsjail`: Bad file descriptor (os error 9)";
        assert!(cause(complaint, &few_files).contains("open files is 512"));
        assert_eq!(obstacle(complaint, &filtered()), None);
        assert_eq!(obstacle("broken on purpose", &filtered()), None);
    }
}
