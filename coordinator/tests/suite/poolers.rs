//! Poolers between a coordinator and its database: a real PgBouncer in each of its modes, and one that loses notifications.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use nix::unistd::chown;
use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
};

use crate::{
    harness::{Coordinator, eventually},
    life,
    postgres::{Postgres, folder},
    process::refusal,
    worker::crew,
};

const PORT: u16 = 6432;

/// A PgBouncer on a Unix socket, before a database of its own.
struct Pooler {
    process: Child,
    postgres: Arc<Postgres>,
    database: String,
    folder: TempDir,
}

impl Pooler {
    async fn start(settings: &str) -> Self {
        let postgres = Postgres::shared();
        let (database, folder) = (postgres.named_database().await, folder());
        let layout = postgres.layout();
        let config = format!(
            "[databases]\n* = host={} port=5432 user=groklab\n[pgbouncer]\nlisten_addr =\nlisten_port = {PORT}\nunix_socket_dir = {}\n\
             auth_type = any\n{settings}\n",
            layout.socket.display(),
            folder.path().display()
        );
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(program());
        command.arg("--quiet").arg(&file).stdin(Stdio::null());
        if let Some(account) = layout.account {
            use std::os::unix::process::CommandExt as _;
            chown(folder.path(), Some(account.uid), Some(account.gid)).unwrap();
            command.uid(account.uid.as_raw()).gid(account.gid.as_raw());
        }
        let process = command.spawn().unwrap();
        let pooler = Self {
            process,
            database,
            folder,
            postgres: postgres.clone(),
        };
        eventually("the pooler", async || {
            UnixStream::connect(pooler.socket()).await.ok()
        })
        .await;
        pooler
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join(format!(".s.PGSQL.{PORT}"))
    }

    fn url(&self) -> String {
        url(&self.database, PORT, self.folder.path())
    }

    fn direct(&self) -> String {
        url(&self.database, 5432, &self.postgres.layout().socket)
    }

    /// How many tables there are, and how a statement of whoever comes next through the pooler would be planned.
    async fn left_behind(&self) -> (i64, String) {
        let options: PgConnectOptions = self.url().parse().unwrap();
        let mut connection = PgConnection::connect_with(
            &options.extra_float_digits(None).statement_cache_capacity(0),
        )
        .await
        .unwrap();
        let tables = "select count(*) from pg_tables where schemaname = 'public'";
        let tables = sqlx::query_scalar(tables)
            .persistent(false)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        let planned = "select current_setting('plan_cache_mode')";
        (
            tables,
            sqlx::query_scalar(planned)
                .persistent(false)
                .fetch_one(&mut connection)
                .await
                .unwrap(),
        )
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn url(database: &str, port: u16, socket: &Path) -> String {
    format!(
        "postgres://groklab@localhost:{port}/{database}?host={}",
        socket.display()
    )
}

fn program() -> &'static Path {
    let found = [
        "/usr/sbin/pgbouncer",
        "/usr/bin/pgbouncer",
        "/usr/local/bin/pgbouncer",
    ]
    .map(Path::new)
    .into_iter()
    .find(|p| p.exists());
    found.expect("pgbouncer is installed: run make setup")
}

#[tokio::test]
async fn a_pooler_that_keeps_no_sessions_is_refused() {
    let lenient = "ignore_startup_parameters = extra_float_digits,options\n";
    for (settings, says) in [
        ("pool_mode = transaction".to_owned(), ""),
        (format!("{lenient}pool_mode = transaction"), ""),
        (
            "pool_mode = transaction\nmin_pool_size = 4\nserver_round_robin = 1".to_owned(),
            "",
        ),
        (
            "pool_mode = statement".to_owned(),
            "transaction blocks not allowed in statement pooling mode",
        ),
    ] {
        let pooler = Pooler::start(&settings).await;
        let said = refusal(&pooler.url(), &[]).await;
        assert!(
            said.contains("open the database `test_") && said.contains("pool_mode = session"),
            "{settings}: {said}"
        );
        assert!(
            said.contains(says) && !said.contains("busy"),
            "{settings}: {said}"
        );
        assert_eq!(
            pooler.left_behind().await,
            (0, "auto".to_owned()),
            "{settings}"
        );
    }
}

#[tokio::test]
async fn a_pooler_in_session_mode_is_served() {
    let pooler = Pooler::start("pool_mode = session").await;
    let coordinator = Coordinator::by_way_of(pooler.url(), pooler.direct()).await;
    let _crew = crew(&coordinator).await;
    let id = coordinator.submit(life::FILE).await;
    coordinator.until(&id, "completed").await;
    let planned = "select count(*) from pg_stat_activity where application_name = 'groklab-coordinator' and datname = current_database()";
    assert!(coordinator.count(planned).await > 0);
    coordinator.stop().await;
}

#[tokio::test]
async fn what_a_pooler_refuses_is_told_by_its_reason() {
    let pooler = Pooler::start("pool_mode = session").await;
    let said = refusal(
        &format!("{}&options=-c%20work_mem%3D4MB", pooler.url()),
        &[],
    )
    .await;
    assert!(
        said.contains("leave out the `options`") && said.contains("unsupported startup parameter"),
        "{said}"
    );
    assert!(!said.contains("busy"), "{said}");
    let closed = Pooler::start("pool_mode = session\nmax_client_conn = 0").await;
    let said = refusal(&closed.url(), &[]).await;
    assert!(
        said.contains("a pooler before it, ended the connection")
            && said.contains("no more connections allowed"),
        "{said}"
    );
    let narrow = Pooler::start("pool_mode = session\ndefault_pool_size = 1").await;
    let said = refusal(&narrow.url(), &[]).await;
    assert!(
        said.contains("does not serve two connections") && said.contains("room for 16"),
        "{said}"
    );
}

/// Passes everything on but notifications, as poolers do that give each client a process and none of what it did not ask for.
async fn deaf(to: PathBuf, clients: UnixListener) {
    while let Ok((client, _)) = clients.accept().await {
        let server = UnixStream::connect(&to).await.unwrap();
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
        tokio::spawn(async move {
            let mut head = [0; 5];
            while from_server.read_exact(&mut head).await.is_ok() {
                let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
                let mut body = vec![0; length - 4];
                from_server.read_exact(&mut body).await.unwrap();
                if head[0] != b'A'
                    && to_client
                        .write_all(&[&head[..], &body].concat())
                        .await
                        .is_err()
                {
                    break;
                }
            }
        });
    }
}

#[tokio::test]
async fn a_pooler_that_loses_notifications_is_refused() {
    let (postgres, folder) = (Postgres::shared(), folder());
    let database = postgres.named_database().await;
    let clients = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
    let pooler = tokio::spawn(deaf(
        postgres.layout().socket.join(".s.PGSQL.5432"),
        clients,
    ));
    let said = refusal(&url(&database, 5432, folder.path()), &[]).await;
    assert!(said.contains("does not keep sessions"), "{said}");
    pooler.abort();
}
