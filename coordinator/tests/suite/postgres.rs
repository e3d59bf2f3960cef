//! One Postgres for all tests that run at the same time; a fresh database for each.

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    sync::{Arc, Mutex, Weak, mpsc},
    thread::JoinHandle,
};

use groklab_coordinator::postgres::{Layout, Server};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());

/// A running server, stopped when the last test lets go of it.
pub struct Postgres {
    layout: Layout,
    stop: Option<DropGuard>,
    thread: Option<JoinHandle<()>>,
    _folder: TempDir,
}

/// A folder in which the unprivileged account of Postgres finds its way.
pub fn folder() -> TempDir {
    tempfile::Builder::new()
        .prefix("groklab-test")
        .permissions(Permissions::from_mode(0o755))
        .tempdir()
        .unwrap()
}

impl Postgres {
    pub fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap();
        if let Some(postgres) = shared.upgrade() {
            return postgres;
        }
        let postgres = Arc::new(Self::start());
        *shared = Arc::downgrade(&postgres);
        postgres
    }

    /// A runtime of its own: those of the tests come and go.
    fn start() -> Self {
        let folder = folder();
        let (path, stop) = (PathBuf::from(folder.path()), CancellationToken::new());
        let (ready, started) = mpsc::channel();
        let until = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let layout = Layout {
                    durable: false,
                    ..Layout::prepare(&path).unwrap()
                };
                let server = Server::start(layout).await.unwrap();
                ready.send(server.layout().clone()).unwrap();
                server.supervise(until).await;
            });
        });
        Self {
            layout: started.recv().unwrap(),
            stop: Some(stop.drop_guard()),
            thread: Some(thread),
            _folder: folder,
        }
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Makes a database; returns its URL.
    pub async fn database(&self) -> String {
        let name = self.named_database().await;
        format!(
            "postgres://groklab@localhost:5432/{name}?host={}&sslmode=disable",
            self.layout.socket.display()
        )
    }

    /// Makes a database; returns its name.
    pub async fn named_database(&self) -> String {
        let name = format!("test_{}", Uuid::new_v4().simple());
        let mut connection = self.connect("postgres").await;
        sqlx::query(AssertSqlSafe(format!("create database {name}")))
            .execute(&mut connection)
            .await
            .unwrap();
        name
    }

    async fn connect(&self, database: &str) -> PgConnection {
        PgConnection::connect_with(&self.layout.connect(database))
            .await
            .unwrap()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap();
    }
}

/// What a data folder's Postgres goes through: made, left running by a coordinator that died, adopted, killed, started again, stopped.
#[tokio::test]
async fn an_own_postgres_is_adopted_and_restarted() {
    let folder = folder();
    let layout = Layout {
        durable: false,
        ..Layout::prepare(folder.path()).unwrap()
    };
    let pid = || {
        std::fs::read_to_string(layout.cluster.join("postmaster.pid"))
            .ok()?
            .lines()
            .next()?
            .parse::<i32>()
            .ok()
    };
    let abandoned = Server::start(layout.clone()).await.unwrap();
    let first = pid().unwrap();
    let adopted = Server::start(layout.clone()).await.unwrap();
    assert_eq!(pid(), Some(first), "adopted, not started");
    drop(abandoned);
    let stop = CancellationToken::new();
    let supervisor = tokio::spawn(adopted.supervise(stop.clone()));
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(first),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    crate::harness::eventually("another Postgres", async || {
        let another = pid().is_some_and(|pid| pid != first);
        PgConnection::connect_with(&layout.connect("groklab"))
            .await
            .ok()
            .filter(|_| another)
    })
    .await;
    stop.cancel();
    supervisor.await.unwrap();
    assert_eq!(pid(), None, "stopped in order");
}

/// A coordinator that starts while its predecessor's Postgres shuts down waits for it and starts another.
#[tokio::test]
async fn a_postgres_that_shuts_down_is_replaced() {
    let folder = folder();
    let layout = Layout {
        durable: false,
        ..Layout::prepare(folder.path()).unwrap()
    };
    let pid = || {
        std::fs::read_to_string(layout.cluster.join("postmaster.pid"))
            .unwrap()
            .lines()
            .next()
            .unwrap()
            .parse::<i32>()
            .unwrap()
    };
    let _abandoned = Server::start(layout.clone()).await.unwrap();
    let first = pid();
    let guest = PgConnection::connect_with(&layout.connect("groklab"))
        .await
        .unwrap();
    // A smart shutdown: nobody new is let in, and it waits for the guest.
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(first),
        nix::sys::signal::Signal::SIGTERM,
    )
    .unwrap();
    let leaves = async {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        guest.close().await.unwrap();
    };
    let (server, ()) = tokio::join!(Server::start(layout.clone()), leaves);
    assert_ne!(pid(), first);
    server.unwrap().stop().await;
}
