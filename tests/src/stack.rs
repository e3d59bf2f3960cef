//! A coordinator and workers as real processes on a temporary folder.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use crate::{binary, wait::until};

/// One running binary in a process group of its own; ended, and killed if need be, when dropped.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `name` with `args`; its output goes to `DIR/NAME.log`.
    pub fn start(dir: &Path, name: &str, args: &[&str], env: &[(&str, &str)]) -> Self {
        let log = dir.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let mut command = Command::new(binary(name));
        command.args(args).envs(env.iter().copied()).process_group(0);
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        Self { name: name.to_owned(), child: command.spawn().unwrap(), log }
    }

    /// Sends a signal to the process's group.
    pub fn signal(&self, signal: Signal) {
        // Fails only when the group has gone.
        let _ = killpg(Pid::from_raw(self.child.id().cast_signed()), signal);
    }

    /// Waits for the end of the process.
    pub fn wait(&mut self, deadline: Duration) -> ExitStatus {
        until(&format!("{} to end; its log: {}", self.name, self.log()), deadline, || self.child.try_wait().unwrap())
    }

    /// SIGTERM, then waits.
    pub fn stop(&mut self, deadline: Duration) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.wait(deadline)
    }

    pub fn running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::SIGTERM);
        for _ in 0..400 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.signal(Signal::SIGKILL);
        // Nothing can be done about a child that cannot be reaped.
        let _ = self.child.wait();
    }
}

/// A coordinator with its own Postgres, and the workers a test adds.
pub struct Stack {
    // Workers end before the coordinator, the folder goes last: fields drop in this order.
    pub workers: Vec<Process>,
    pub coordinator: Process,
    pub address: String,
    pub dir: tempfile::TempDir,
}

impl Stack {
    /// A coordinator that answers, without workers.
    pub fn coordinator(flags: &[&str]) -> Self {
        Self::coordinator_with_env(flags, &[])
    }

    /// The same with variables in its environment.
    pub fn coordinator_with_env(flags: &[&str], env: &[(&str, &str)]) -> Self {
        let dir = crate::folder();
        let address_file = dir.path().join("address");
        let data = dir.path().join("data");
        let mut args = vec!["--listen", "127.0.0.1:0", "--data", data.to_str().unwrap(), "--address-file", address_file.to_str().unwrap()];
        args.extend(flags);
        let mut coordinator = Process::start(dir.path(), "coordinator", &args, env);
        let address = until("the coordinator to serve", Duration::from_secs(60), || {
            assert!(coordinator.running(), "the coordinator ended: {}", coordinator.log());
            fs::read_to_string(&address_file).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
        });
        Self { workers: Vec::new(), coordinator, address, dir }
    }

    /// A coordinator and one worker of each kind.
    pub fn full() -> Self {
        let mut stack = Self::coordinator(&[]);
        for name in ["worker-verify", "worker-gen", "worker-train"] {
            stack.add_worker(name, &[], &[]);
        }
        stack
    }

    /// Starts a worker beside the others; its index in `workers`.
    pub fn add_worker(&mut self, name: &str, flags: &[&str], env: &[(&str, &str)]) -> usize {
        let cache = self.dir.path().join("cache");
        let mut args = vec!["work", "--coordinator", &self.address, "--cache", cache.to_str().unwrap()];
        args.extend(flags);
        self.workers.push(Process::start(self.dir.path(), name, &args, env));
        self.workers.len() - 1
    }

    /// Writes an experiment file into the stack's folder.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Runs grokctl against this coordinator.
    pub fn grokctl(&self, args: &[&str]) -> Output {
        let output = Command::new(binary("grokctl")).args(["--coordinator", &self.address]).args(args).stdin(Stdio::null()).output();
        output.unwrap()
    }

    /// Runs grokctl and takes its standard output; panics when it fails.
    pub fn grokctl_ok(&self, args: &[&str]) -> String {
        let output = self.grokctl(args);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "grokctl {args:?}: {}\n{out}\n{err}\n{}", output.status, self.logs());
        out.into_owned()
    }

    /// All logs, for a failed assertion.
    pub fn logs(&self) -> String {
        let tail = |process: &Process| {
            let log = process.log();
            let lines: Vec<_> = log.lines().rev().take(15).collect();
            format!("--- {}\n{}\n", process.name, lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
        };
        std::iter::once(&self.coordinator).chain(&self.workers).map(tail).collect()
    }
}
