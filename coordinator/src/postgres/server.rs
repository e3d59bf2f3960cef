//! The server process: made, started or adopted, kept running, stopped. Needs the folder to itself:
//! its caller holds the lock.

use std::{
    fs,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use groklab_runtime::log_file;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sqlx::{Connection, PgConnection};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::{
    Error,
    layout::{Layout, file},
};

/// Recovery after a crash counts in.
const START: Duration = Duration::from_secs(180);
/// For how long a server that ends at once is started anew: what is left of one that was killed may
/// be in its way.
const AGAIN: Duration = Duration::from_secs(5);
/// How long open transactions have before the server is stopped hard.
const STOP: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_millis(50);
const DATABASE: &str = "groklab";

/// A running Postgres of one's own.
#[derive(Debug)]
pub struct Server {
    layout: Layout,
    process: Process,
}

#[derive(Debug)]
enum Process {
    Child(Child),
    /// Started by an earlier coordinator that did not stop it.
    Adopted(Pid),
}

impl Process {
    /// Adopts the server that still runs, or starts one.
    fn begin(layout: &Layout) -> Result<Self, Error> {
        let Some(pid) = running(layout) else {
            return Ok(Self::Child(spawn(layout)?));
        };
        tracing::info!(
            postgres.pid = pid.as_raw(),
            "adopting the Postgres that still runs"
        );
        Ok(Self::Adopted(pid))
    }
}

impl Server {
    /// Brings Postgres up: makes its files where there are none, adopts a server that still runs,
    /// and waits until it answers.
    pub async fn start(layout: Layout) -> Result<Self, Error> {
        if !layout.cluster.join("PG_VERSION").exists() {
            initialise(&layout).await?;
        }
        let begun = Instant::now();
        let mut server = Self {
            process: Process::begin(&layout)?,
            layout,
        };
        while let Err(error) = server.come_up().await {
            // An adopted server may be shutting down: once it has ended, another is started. One
            // started here says why it ended, so it is given less time.
            let patience = if matches!(server.process, Process::Adopted(_)) {
                START
            } else {
                AGAIN
            };
            if begun.elapsed() > patience {
                return Err(error);
            }
            tracing::warn!(
                error = crate::error::chain(&error),
                "Postgres did not come up, trying again"
            );
            tokio::time::sleep(TICK * 10).await;
            server.process = Process::begin(&server.layout)?;
        }
        Ok(server)
    }

    async fn come_up(&mut self) -> Result<(), Error> {
        self.ready().await?;
        create_database(&self.layout).await
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// How to connect to the coordinator's database.
    pub fn connect(&self) -> sqlx::postgres::PgConnectOptions {
        self.layout.connect(DATABASE)
    }

    /// Keeps the server running until `stop`, then stops it. A server that dies is started again.
    pub async fn supervise(mut self, stop: CancellationToken) {
        let log = self.layout.log.clone();
        loop {
            tokio::select! {
                () = self.ended() => {}
                never = log_file::keep_bounded(&log) => match never {},
                () = stop.cancelled() => return self.stop().await,
            }
            tracing::warn!("Postgres ended by itself, starting it again");
            while let Err(error) = self.restart().await {
                tracing::error!(
                    error = crate::error::chain(&error),
                    "Postgres does not start"
                );
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_secs(2)) => {}
                    () = stop.cancelled() => return self.stop().await,
                }
            }
        }
    }

    /// Fast shutdown; after [`STOP`] an immediate one, from which Postgres recovers at its next
    /// start.
    pub async fn stop(mut self) {
        // SIGTERM would wait until every client has gone.
        self.signal(Signal::SIGINT);
        if tokio::time::timeout(STOP, self.ended()).await.is_err() {
            tracing::warn!("Postgres does not stop, stopping it at once");
            // Not SIGKILL, which leaves shared memory and the server's children behind.
            self.signal(Signal::SIGQUIT);
            if tokio::time::timeout(STOP, self.ended()).await.is_err() {
                tracing::error!(
                    postgres.pid = self.pid().map(Pid::as_raw),
                    "Postgres still runs"
                );
            }
        }
    }

    async fn restart(&mut self) -> Result<(), Error> {
        self.process = Process::begin(&self.layout)?;
        self.ready().await
    }

    /// Cancel-safe.
    async fn ended(&mut self) {
        match &mut self.process {
            Process::Child(child) => {
                if let Err(error) = child.wait().await {
                    tracing::error!(%error, "wait for Postgres");
                }
            }
            Process::Adopted(pid) => {
                // Not a child of this process, so it cannot be waited for.
                while is_postgres(*pid) {
                    tokio::time::sleep(TICK * 4).await;
                }
            }
        }
    }

    fn pid(&self) -> Option<Pid> {
        match &self.process {
            Process::Child(child) => child
                .id()
                .and_then(|id| i32::try_from(id).ok())
                .map(Pid::from_raw),
            Process::Adopted(pid) => Some(*pid),
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid()
            && let Err(error) = kill(pid, signal)
        {
            tracing::debug!(%error, %signal, "signal to Postgres");
        }
    }

    async fn ready(&mut self) -> Result<(), Error> {
        let deadline = Instant::now() + START;
        loop {
            if PgConnection::connect_with(&self.layout.connect("postgres"))
                .await
                .is_ok()
            {
                return Ok(());
            }
            // Also the pause between two attempts.
            let ended = tokio::time::timeout(TICK, self.ended()).await.is_ok();
            if ended || Instant::now() > deadline {
                let tail = log_tail(&self.layout.log);
                return Err(Error::NotReady {
                    seconds: START.as_secs(),
                    log: self.layout.log.clone(),
                    tail,
                });
            }
        }
    }
}

/// Makes the files beside their place and moves them there, so that half-made ones are never used.
async fn initialise(layout: &Layout) -> Result<(), Error> {
    let half = layout.cluster.with_extension("new");
    if half.exists() {
        fs::remove_dir_all(&half).map_err(file("remove", &half))?;
    }
    let mut command = program(layout, "initdb");
    command.arg("-D").arg(&half).args([
        "-U",
        "groklab",
        "-A",
        // No passwords: the socket's folder lets in the server's own user alone.
        "trust",
        "-E",
        "UTF8",
        // The order of texts, and so of indexes and pages, is the same on every machine.
        "--locale=C.UTF-8",
    ]);
    if !layout.durable {
        command.arg("--no-sync");
    }
    let output = command
        .output()
        .await
        .map_err(file("run", &layout.binaries.join("initdb")))?;
    if !output.status.success() {
        let text = [output.stdout, output.stderr].concat();
        return Err(Error::Program {
            program: "initdb",
            output: String::from_utf8_lossy(&text).trim().to_owned(),
        });
    }
    fs::rename(&half, &layout.cluster).map_err(file("rename", &half))
}

fn spawn(layout: &Layout) -> Result<Child, Error> {
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&layout.log)
        .map_err(file("open", &layout.log))?;
    let errors = log.try_clone().map_err(file("open", &layout.log))?;
    let mut command = program(layout, "postgres");
    command
        .arg("-D")
        .arg(&layout.cluster)
        .stdout(log)
        .stderr(errors);
    for setting in layout.settings() {
        command.arg("-c").arg(setting);
    }
    command
        .spawn()
        .map_err(file("run", &layout.binaries.join("postgres")))
}

/// A program of Postgres as its account, in a process group of its own, so that a Ctrl-C in the
/// terminal does not reach it.
fn program(layout: &Layout, name: &str) -> Command {
    let mut command = Command::new(layout.binaries.join(name));
    command
        // PGDATA, PGPORT and the like of whoever starts it are for another server.
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C.UTF-8");
    command
        .current_dir("/")
        .stdin(Stdio::null())
        .process_group(0);
    if let Some(account) = layout.account {
        command.uid(account.uid.as_raw()).gid(account.gid.as_raw());
    }
    command
}

async fn create_database(layout: &Layout) -> Result<(), Error> {
    let mut connection = PgConnection::connect_with(&layout.connect("postgres")).await?;
    // `create database` knows no `if not exists`.
    let there = sqlx::query("select 1 from pg_database where datname = $1")
        .bind(DATABASE)
        .fetch_optional(&mut connection)
        .await?;
    if there.is_none() {
        sqlx::query("create database groklab")
            .execute(&mut connection)
            .await?;
    }
    connection.close().await?;
    Ok(())
}

/// The server of these files that still runs, by its own lock file.
fn running(layout: &Layout) -> Option<Pid> {
    let text = fs::read_to_string(layout.cluster.join("postmaster.pid")).ok()?;
    let pid = Pid::from_raw(text.lines().next()?.trim().parse().ok()?);
    // A copied data folder brings the lock file of its original along.
    let ours = text
        .lines()
        .nth(1)
        .is_some_and(|cluster| Path::new(cluster.trim()) == layout.cluster);
    (ours && is_postgres(pid)).then_some(pid)
}

fn is_postgres(pid: Pid) -> bool {
    // A zombie's command line is empty.
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| {
        line.split(|&b| b == 0)
            .next()
            .is_some_and(|program| program.ends_with(b"postgres"))
    })
}

fn log_tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join(" | ")
}
