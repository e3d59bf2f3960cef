//! The jail around one zygote: nsjail, started with what the zygote needs and nothing else.

use std::{
    fs::File,
    os::{
        fd::{AsRawFd as _, OwnedFd, RawFd},
        unix::process::CommandExt as _,
    },
    process::{Command, Stdio},
};

use nix::libc;

use crate::{
    jail::{
        arguments::{self, Descriptors},
        cgroup::Group,
        nsjail::Nsjail,
        policy, process,
        scripts::ZYGOTE_PROGRAM,
    },
    sandbox::InfrastructureError,
};

/// The control socket's number in the jail: always the same, as everything must be that a zygote's
/// heap could depend on. So high that nothing else has it.
pub const CONTROL_FD: RawFd = 999;

/// Ends and reaps nsjail, which takes everything in the jail along.
pub struct Jail {
    pub pid: i32,
    pub pidfd: OwnedFd,
}

/// The descriptors that a jail is started with.
pub struct JailPipes<'a> {
    pub control: &'a OwnedFd,
    pub output: OwnedFd,
    pub log: &'a File,
}

impl Jail {
    pub fn start(
        programs: &Nsjail,
        pipes: JailPipes<'_>,
        group: &Group,
    ) -> Result<Self, InfrastructureError> {
        let fds = Descriptors {
            passed: CONTROL_FD,
            log: pipes.log.as_raw_fd(),
        };
        // Errors and output are read together: both only explain why a jail did not start.
        let errors = pipes.output.try_clone();
        let errors = errors.map_err(InfrastructureError::during("make the output pipe"))?;
        let mut command = Command::new(programs.path());
        command
            .args(arguments::zygote_arguments(
                &programs.python,
                &ZYGOTE_PROGRAM,
                fds,
            ))
            .env_clear()
            // A signal to the worker's group, such as Ctrl-C, must not end a jail.
            .process_group(0)
            .stdin(Stdio::from(filters_file()?))
            .stdout(Stdio::from(pipes.output))
            .stderr(Stdio::from(errors));
        inherit(
            &mut command,
            pipes.control.as_raw_fd(),
            fds,
            group.entrances(),
        )?;
        let pid = programs.spawn(&mut command)?;
        let pidfd =
            process::pidfd(pid).map_err(InfrastructureError::during("open the jail's pidfd"))?;
        Ok(Self { pid, pidfd })
    }
}

/// Both seccomp programs, behind the length of the first.
fn filters_file() -> Result<File, InfrastructureError> {
    let [first, second] = policy::programs();
    // The zygote reads them from its standard input and tells them apart by this.
    let length = u32::try_from(first.len()).expect("a program is short");
    let content = [&length.to_le_bytes(), &*first, &*second].concat();
    process::sealed_file(&content)
        .map_err(InfrastructureError::during("make the file of the filters"))
}

/// Has the command's process keep the descriptors it needs, enter the group behind `entrances`, and
/// end with this thread.
fn inherit(
    command: &mut Command,
    control: RawFd,
    fds: Descriptors,
    entrances: Vec<RawFd>,
) -> Result<(), InfrastructureError> {
    // `dup2` would silently close what has the number now.
    if fds.log == CONTROL_FD || entrances.contains(&CONTROL_FD) {
        return Err(InfrastructureError::Zygote(format!(
            "descriptor {CONTROL_FD} is in use: there are too many"
        )));
    }
    let prepare = move || {
        process::inherit_as(control, CONTROL_FD)?;
        process::inherit(fds.log)?;
        process::forbid_core_files();
        process::limit_waiting_signals();
        // A zygote is of no use without its worker, and nothing has to be put in order at its end.
        process::die_with_parent(libc::SIGKILL)?;
        for entrance in &entrances {
            process::enter(*entrance)?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes system calls on integers and a constant and
    // allocates nothing.
    unsafe { command.pre_exec(prepare) };
    Ok(())
}

impl Drop for Jail {
    fn drop(&mut self) {
        // nsjail's end is the end of its child, the jail's first process, and so of everything in
        // it.
        process::signal(&self.pidfd, libc::SIGKILL);
        let _ = process::reap(self.pid);
    }
}
