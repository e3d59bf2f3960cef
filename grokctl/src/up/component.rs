//! One component as a child process: a process group of its own, no standard input, its log in a
//! file, and a pipe whose end tells it to drain should this process die without a word.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    os::fd::{AsRawFd, OwnedFd},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use groklab_runtime::{child::signal_group, config::DRAIN_FD, log_file, secret::Secret};
use nix::{
    fcntl::{FcntlArg, FdFlag, OFlag, fcntl},
    sys::signal::{Signal, kill, killpg},
    unistd::{Pid, pipe2},
};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::programs::COORDINATOR;

/// How the coordinator is told of a database that is not its own.
pub const DATABASE_URL: &str = "GROKLAB_DATABASE_URL";
/// What the names of the variables begin with that open S3.
const S3_VARIABLES: &[u8] = b"AWS_";
/// How much of a log a message quotes.
const LOG_TAIL_BYTES: u64 = 4096;
const LOG_TAIL_LINES: usize = 8;

/// How to start one component.
#[derive(Debug, Clone)]
pub struct Component {
    /// Also the name of its log.
    pub name: String,
    pub program: PathBuf,
    pub args: Vec<String>,
    /// Beside the inherited environment; what other users must not see goes here and not into
    /// `args`.
    pub env: Vec<(&'static str, Secret)>,
    pub log: PathBuf,
    /// Whether what is left of its group is killed when it dies: a worker's sandboxes, but not the
    /// coordinator's Postgres.
    pub kill_group: bool,
}

/// A component that has been started.
#[derive(Debug)]
pub struct Running {
    child: Child,
    group: Pid,
    kill_group: bool,
    /// Where this run's lines begin in the log.
    log_start: u64,
    /// Never written to; its end is the message.
    _drain: OwnedFd,
}

impl Component {
    /// Starts it. Errors are those of pipes, files and exec.
    pub fn start(&self) -> io::Result<Running> {
        // Where it fails, as on a full disk, a later look tries again: no reason not to start.
        let _ = log_file::bound(&self.log, log_file::MAX_LOG_BYTES);
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)?;
        let log_start = log.metadata()?.len();
        // Only this child inherits the reading end; a sibling that held it too would keep it open.
        let (inherited, drain) = pipe2(OFlag::O_CLOEXEC)?;
        fcntl(&inherited, FcntlArg::F_SETFD(FdFlag::empty()))?;
        let mut command = Command::new(&self.program);
        // The coordinator alone may open the database, which this process may have been told, and
        // S3.
        command.args(&self.args).env_remove(DATABASE_URL);
        if self.name != COORDINATOR {
            for (variable, _) in std::env::vars_os() {
                if variable.as_encoded_bytes().starts_with(S3_VARIABLES) {
                    command.env_remove(variable);
                }
            }
        }
        for (name, value) in &self.env {
            command.env(name, value.reveal());
        }
        // Ctrl-C reaches the terminal's group; components in their own are stopped in order.
        let child = command
            .env(DRAIN_FD, inherited.as_raw_fd().to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()?;
        let Some(id) = child.id() else {
            return Err(io::Error::other("the child has no process id"));
        };
        Ok(Running {
            child,
            group: Pid::from_raw(id.cast_signed()),
            kill_group: self.kill_group,
            log_start,
            _drain: drain,
        })
    }

    /// The last lines of the run whose log begins at `start`, for a message.
    pub fn log_tail(&self, start: u64) -> String {
        // A message without a log is better than none.
        let text = self.read_log_end(start).unwrap_or_default();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.retain(|line| !line.trim().is_empty());
        lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
    }

    fn read_log_end(&self, start: u64) -> io::Result<String> {
        let mut file = File::open(&self.log)?;
        let end = file.metadata()?.len();
        let tail = end.saturating_sub(LOG_TAIL_BYTES);
        // It was too long meanwhile and has begun anew.
        let start = if start > end { 0 } else { start };
        file.seek(SeekFrom::Start(start.max(tail)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Running {
    pub fn id(&self) -> i32 {
        self.group.as_raw()
    }

    pub fn log_start(&self) -> u64 {
        self.log_start
    }

    /// Like [`Running::ended`]; meanwhile `log` stays within its bounds. Cancel-safe.
    pub async fn ended_logging_to(&mut self, log: &Path) -> io::Result<ExitStatus> {
        tokio::select! {
            status = self.ended() => status,
            never = log_file::keep_bounded(log) => match never {},
        }
    }

    /// Waits until it has ended and what it left behind in its group has been killed. Cancel-safe.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await;
        if self.kill_group {
            self.kill_group();
        }
        status
    }

    /// Asks it to end, waits for at most `grace` or until `kill_now`, then kills its group.
    pub async fn stop(
        &mut self,
        grace: Duration,
        kill_now: &CancellationToken,
    ) -> io::Result<ExitStatus> {
        // Only the leader, because a worker ends its sandboxes itself. A process that has ended
        // already cannot be signalled, which is what was wanted.
        if self.child.id().is_some() {
            let _ = kill(self.group, Signal::SIGTERM);
        }
        tokio::select! {
            status = self.ended() => return status,
            () = tokio::time::sleep(grace) => {}
            () = kill_now.cancelled() => {}
        }
        signal_group(&self.child, Signal::SIGKILL);
        self.child.wait().await
    }

    fn kill_group(&self) {
        // An empty group is the usual case.
        let _ = killpg(self.group, Signal::SIGKILL);
    }
}

/// The program `name` in `folder`, if it is there.
pub fn program(folder: &std::path::Path, name: &str) -> Option<PathBuf> {
    let path = folder.join(name);
    fs::metadata(&path)
        .is_ok_and(|meta| meta.is_file())
        .then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(folder: &std::path::Path, script: &str) -> Component {
        let args = vec!["-c".to_owned(), script.to_owned()];
        Component {
            name: "shell".to_owned(),
            program: "/bin/sh".into(),
            args,
            env: Vec::new(),
            log: folder.join("shell.log"),
            kill_group: true,
        }
    }

    fn alive(id: i32) -> bool {
        kill(Pid::from_raw(id), None).is_ok()
    }

    #[tokio::test]
    async fn is_asked_first_and_killed_with_its_group_later() {
        let folder = tempfile::tempdir().unwrap();
        let polite = shell(
            folder.path(),
            "trap 'echo drained; exit 0' TERM; echo up; while :; do sleep 0.05; done",
        );
        let mut running = polite.start().unwrap();
        wait_for(&polite.log, "up").await;
        assert!(
            running
                .stop(Duration::from_secs(10), &CancellationToken::new())
                .await
                .unwrap()
                .success()
        );
        assert_eq!(polite.log_tail(0), "up\ndrained");

        let deaf = shell(
            folder.path(),
            "trap '' TERM; sleep 600 & echo deaf $!; wait; wait",
        );
        let mut running = deaf.start().unwrap();
        wait_for(&deaf.log, "deaf").await;
        let inner: i32 = deaf
            .log_tail(running.log_start())
            .rsplit(' ')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let now = CancellationToken::new();
        now.cancel();
        assert!(
            !running
                .stop(Duration::from_secs(600), &now)
                .await
                .unwrap()
                .success()
        );
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while alive(inner) && !zombie(inner) && std::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(!alive(inner) || zombie(inner));
    }

    #[tokio::test]
    async fn the_pipe_ends_when_the_parent_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let waits = shell(
            folder.path(),
            "cat /proc/self/fd/$GROKLAB_DRAIN_FD; echo drained",
        );
        let Running {
            mut child,
            _drain: drain,
            ..
        } = waits.start().unwrap();
        assert!(
            tokio::time::timeout(Duration::from_millis(200), child.wait())
                .await
                .is_err()
        );
        drop(drain);
        assert!(
            tokio::time::timeout(Duration::from_secs(10), child.wait())
                .await
                .unwrap()
                .unwrap()
                .success()
        );
        assert_eq!(waits.log_tail(0), "drained");
    }

    /// An orphan may wait for a slow init to reap it; it is dead all the same.
    fn zombie(id: i32) -> bool {
        fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| stat.contains(") Z"))
    }

    async fn wait_for(log: &std::path::Path, word: &str) {
        for _ in 0..500 {
            if fs::read_to_string(log).unwrap_or_default().contains(word) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("`{word}` never came");
    }
}
