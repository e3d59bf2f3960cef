//! A coordinator and workers as real processes on a temporary folder.

use std::{
    fs::{self, File},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::LazyLock,
    time::Duration,
};

use groklab_runtime::config::DRAIN_FD;
use nix::{
    fcntl::{FcntlArg, FdFlag, OFlag, fcntl},
    sys::signal::{Signal, killpg},
    unistd::{Pid, pipe2},
};

use crate::{binary, wait::until};

/// A pipe of which every process that is started here has the one end; when the other is closed it drains. So nothing outlives a test or a
/// benchmark that is killed.
struct Lifeline {
    end: OwnedFd,
    _held: OwnedFd,
}

static LIFELINE: LazyLock<Lifeline> = LazyLock::new(|| {
    let (end, held) = pipe2(OFlag::O_CLOEXEC).unwrap();
    fcntl(&end, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    Lifeline { end, _held: held }
});

/// One running binary in a process group of its own; ended, and killed if need be, when dropped.
pub struct Process {
    name: String,
    command: Command,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `name` with `args`; its output goes to `DIR/NAME.log`.
    pub fn start(dir: &Path, name: &str, args: &[&str], env: &[(&str, &str)]) -> Self {
        let log = dir.join(format!("{name}.log"));
        let mut command = command(name, args, env, &log);
        let child = command.spawn().unwrap();
        Self {
            name: name.to_owned(),
            command,
            child,
            log,
        }
    }

    /// What it is started with the next time.
    fn set_args(&mut self, args: &[&str], env: &[(&str, &str)]) {
        self.command = command(&self.name, args, env, &self.log);
    }

    /// SIGKILL to the group.
    pub fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        self.child.wait().unwrap();
    }

    /// SIGKILL, and the same command once more.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        self.start_again();
    }

    /// The same command once more, after it has ended.
    pub fn start_again(&mut self) {
        self.child = self.command.spawn().unwrap();
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends a signal to the process's group.
    pub fn signal(&self, signal: Signal) {
        // Fails only when the group has gone.
        let _ = killpg(Pid::from_raw(self.child.id().cast_signed()), signal);
    }

    /// Waits for the end of the process.
    pub fn wait(&mut self, deadline: Duration) -> ExitStatus {
        until(
            &format!("{} to end; its log: {}", self.name, self.log()),
            deadline,
            || self.child.try_wait().unwrap(),
        )
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

fn command(name: &str, args: &[&str], env: &[(&str, &str)], log: &Path) -> Command {
    let file = File::options().create(true).append(true).open(log).unwrap();
    let mut command = Command::new(binary(name));
    command
        .args(args)
        .env(DRAIN_FD, LIFELINE.end.as_raw_fd().to_string())
        .envs(env.iter().copied())
        .process_group(0);
    command
        .stdin(Stdio::null())
        .stdout(file.try_clone().unwrap())
        .stderr(file);
    command
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
        let own = [
            "--listen",
            "127.0.0.1:0",
            "--data",
            data.to_str().unwrap(),
            "--address-file",
            address_file.to_str().unwrap(),
        ];
        // A flag that the test gives stands for the one of the same name here.
        let (mut args, mut rest) = (Vec::new(), flags.to_vec());
        for pair in own.chunks(2) {
            let given = rest.iter().position(|flag| *flag == pair[0]);
            args.extend(given.map_or_else(|| pair.to_vec(), |at| rest.drain(at..at + 2).collect()));
        }
        args.extend(rest);
        let mut coordinator = Process::start(dir.path(), "coordinator", &args, env);
        let address = until("the coordinator to serve", Duration::from_secs(180), || {
            assert!(
                coordinator.running(),
                "the coordinator ended: {}",
                coordinator.log()
            );
            fs::read_to_string(&address_file)
                .ok()
                .map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty())
        });
        // Started again, it serves where its workers look for it.
        coordinator.set_args(
            &[
                &["--listen", address.trim_start_matches("http://")],
                &args[2..],
            ]
            .concat(),
            env,
        );
        Self {
            workers: Vec::new(),
            coordinator,
            address,
            dir,
        }
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
        let address = self.address.clone();
        self.add_worker_at(&address, name, flags, env)
    }

    /// The same for the coordinators at `addresses`, separated by commas.
    pub fn add_worker_at(
        &mut self,
        addresses: &str,
        name: &str,
        flags: &[&str],
        env: &[(&str, &str)],
    ) -> usize {
        let cache = self.dir.path().join("cache");
        let mut args = vec![
            "work",
            "--coordinator",
            addresses,
            "--cache",
            cache.to_str().unwrap(),
        ];
        args.extend(flags);
        self.workers
            .push(Process::start(self.dir.path(), name, &args, env));
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
        // What hangs is a failure that says where.
        let mut command = Command::new("timeout");
        command
            .args(["--kill-after=5", "300"])
            .arg(binary("grokctl"))
            .args(["--coordinator", &self.address])
            .args(args);
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// Runs grokctl and takes its standard output; panics when it fails.
    pub fn grokctl_ok(&self, args: &[&str]) -> String {
        let output = self.grokctl(args);
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(
            output.status.success(),
            "grokctl {args:?}: {}\n{out}\n{err}\n{}",
            output.status,
            self.logs()
        );
        out.into_owned()
    }

    /// Exports an experiment; the folder.
    pub fn export(&self, name: &str) -> PathBuf {
        let out = self.dir.path().join(format!("out-{name}"));
        self.grokctl_ok(&["export", name, "--out", out.to_str().unwrap(), "--force"]);
        out
    }

    /// Asks the coordinator's own database; a line per row, columns parted by `|`. None while it does not answer.
    pub fn sql(&self, query: &str) -> Option<Vec<String>> {
        crate::database::ask(
            &self.dir.path().join("data/postgres/socket"),
            "groklab",
            query,
        )
    }

    /// The process id of the coordinator's own Postgres.
    pub fn postgres(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.dir.path().join("data/postgres/cluster/postmaster.pid"))
            .ok()?;
        text.lines().next()?.trim().parse().ok().map(Pid::from_raw)
    }

    /// Waits until the coordinator answers, as after it was started again.
    pub fn wait_until_served(&self) {
        until("the coordinator to answer", Duration::from_secs(90), || {
            self.grokctl(&["list"]).status.success().then_some(())
        });
    }

    /// All logs, for a failed assertion.
    pub fn logs(&self) -> String {
        let tail = |process: &Process| {
            let log = process.log();
            let lines: Vec<_> = log.lines().rev().take(15).collect();
            format!(
                "--- {}\n{}\n",
                process.name,
                lines.into_iter().rev().collect::<Vec<_>>().join("\n")
            )
        };
        std::iter::once(&self.coordinator)
            .chain(&self.workers)
            .map(tail)
            .collect()
    }
}
