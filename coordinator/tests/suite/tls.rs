//! TLS towards the database: a real Postgres with a certificate of an authority made for the test, in every mode.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

use groklab_coordinator::postgres::{Layout, Server};
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, chown},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;

use crate::{
    harness::eventually,
    postgres::folder,
    process::{Environment, Serving, refusal},
};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate and its key, for a host or for a user.
fn signed(authority: &Authority, host: Option<&str>, user: &str) -> [String; 2] {
    let key = KeyPair::generate().unwrap();
    let mut params =
        CertificateParams::new(host.map(str::to_owned).into_iter().collect::<Vec<_>>()).unwrap();
    params.distinguished_name.push(DnType::CommonName, user);
    [
        params.signed_by(&key, authority).unwrap().pem(),
        key.serialize_pem(),
    ]
}

/// Who may come in how: `secure` over TLS alone, `certified` by a certificate, `locked` by a password, the others as they like.
const WHO: &str = "local all all trust\nhostssl all certified all cert\nhostnossl all secure,certified all reject\n\
    host all locked all scram-sha-256\nhost all all all trust\n";

/// A Postgres that listens on loopback.
struct Host {
    process: Child,
    layout: Layout,
    port: u16,
    folder: TempDir,
}

impl Host {
    /// With the certificate of `localhost` where TLS is wanted.
    async fn start(tls: bool) -> Self {
        let folder = folder();
        let layout = Layout {
            durable: false,
            ..Layout::prepare(folder.path()).unwrap()
        };
        // The coordinator's own server makes the files, and never listens beyond its socket.
        Server::start(layout.clone()).await.unwrap().stop().await;
        fs::write(layout.cluster.join("pg_hba.conf"), WHO).unwrap();
        let authority = authority("ours");
        let [certificate, key] = signed(&authority, Some("localhost"), "localhost");
        let files = [
            ("ca.pem", authority.pem()),
            ("foreign.pem", self::authority("foreign").pem()),
            ("server.pem", certificate),
            ("server.key", key),
        ];
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        for (name, text) in
            ["user.pem", "user.key"]
                .iter()
                .zip(signed(&authority, None, "certified"))
        {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let key = folder.path().join("server.key");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        if let Some(account) = layout.account {
            chown(&key, Some(account.uid), Some(account.gid)).unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let process = serve(&layout, folder.path(), port, tls);
        let host = Self {
            process,
            layout,
            port,
            folder,
        };
        let mut connection = eventually("Postgres", async || host.connect().await).await;
        let roles = "create role secure superuser login; create role certified superuser login; \
            create role locked superuser login password '/?#@:%'";
        sqlx::raw_sql(roles).execute(&mut connection).await.unwrap();
        host
    }

    async fn connect(&self) -> Option<PgConnection> {
        PgConnection::connect_with(&self.layout.connect("groklab").port(self.port))
            .await
            .ok()
    }

    fn url(&self, host: &str, query: &str) -> String {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        let names = ["ca.pem", "foreign.pem", "user.pem", "user.key"];
        let query = names.iter().fold(query.to_owned(), |query, name| {
            query.replace(name, &file(name))
        });
        let user = if host.contains('@') { "" } else { "groklab@" };
        format!("postgres://{user}{host}:{}/groklab?{query}", self.port)
    }

    /// Serves on it once; whether all its connections were encrypted (none otherwise), and everything it said.
    async fn serves(
        &self,
        host: &str,
        query: &str,
        environment: Environment<'_>,
    ) -> (bool, String) {
        let serving = Serving::on(&self.url(host, query), environment).await;
        let sql = "select ssl from pg_stat_ssl join pg_stat_activity using (pid) where application_name = 'groklab-coordinator'";
        let encrypted: Vec<bool> = sqlx::query_scalar(sql)
            .fetch_all(&mut self.connect().await.unwrap())
            .await
            .unwrap();
        assert!(
            !encrypted.is_empty() && encrypted.iter().all(|each| each == &encrypted[0]),
            "{encrypted:?}"
        );
        (encrypted[0], serving.stop().await)
    }

    async fn refuses(&self, host: &str, query: &str) -> String {
        refusal(&self.url(host, query), &[]).await
    }
}

fn serve(layout: &Layout, files: &Path, port: u16, tls: bool) -> Child {
    let mut command = Command::new(layout.binaries.join("postgres"));
    command
        .arg("-D")
        .arg(&layout.cluster)
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let file = |name: &str| files.join(name).display().to_string();
    let settings = [
        format!("port={port}"),
        "listen_addresses=localhost".to_owned(),
        format!("unix_socket_directories={}", layout.socket.display()),
        "fsync=off".to_owned(),
        format!("ssl={}", if tls { "on" } else { "off" }),
        format!("ssl_cert_file={}", file("server.pem")),
        format!("ssl_key_file={}", file("server.key")),
        format!("ssl_ca_file={}", file("ca.pem")),
    ];
    settings
        .iter()
        .for_each(|setting| _ = command.args(["-c", setting]));
    if let Some(account) = layout.account {
        command.uid(account.uid.as_raw()).gid(account.gid.as_raw());
    }
    command.spawn().unwrap()
}

impl Drop for Host {
    fn drop(&mut self) {
        kill(
            Pid::from_raw(self.process.id().cast_signed()),
            Signal::SIGQUIT,
        )
        .unwrap();
        self.process.wait().unwrap();
    }
}

#[tokio::test]
async fn every_sslmode_does_what_it_says() {
    let host = Host::start(true).await;
    let served = [
        ("localhost", "", true),
        ("127.0.0.1", "sslmode=prefer", true),
        ("127.0.0.1", "sslmode=disable", false),
        ("127.0.0.1", "sslmode=allow", false),
        ("127.0.0.1", "sslmode=allow&user=secure", true),
        ("127.0.0.1", "sslmode=require", true),
        ("127.0.0.1", "sslmode=verify-ca&sslrootcert=ca.pem", true),
        ("localhost", "sslmode=verify-full&sslrootcert=ca.pem", true),
        (
            "localhost",
            "sslmode=verify-full&sslrootcert=ca.pem&user=certified&sslcert=user.pem&sslkey=user.key",
            true,
        ),
        (
            "locked:%2F%3F%23%40%3A%25@localhost",
            "sslmode=require",
            true,
        ),
    ];
    for (name, query, encrypted) in served {
        assert_eq!(
            host.serves(name, query, &[]).await.0,
            encrypted,
            "{name} {query}"
        );
    }
    let trust = "TLS with the database fails: sslrootcert names whom to trust";
    let refused = [
        (
            "localhost",
            "sslmode=verify-full&sslrootcert=foreign.pem",
            trust,
            "UnknownIssuer",
        ),
        (
            "localhost",
            "sslmode=verify-ca&sslrootcert=foreign.pem",
            trust,
            "UnknownIssuer",
        ),
        (
            "localhost",
            "sslmode=require&sslrootcert=foreign.pem",
            trust,
            "UnknownIssuer",
        ),
        ("localhost", "sslmode=verify-full", trust, "UnknownIssuer"),
        (
            "127.0.0.1",
            "sslmode=verify-full&sslrootcert=ca.pem",
            trust,
            "not valid for name",
        ),
        (
            "127.0.0.1",
            "sslmode=disable&user=secure",
            "the database refused",
            "pg_hba.conf rejects connection",
        ),
        (
            "127.0.0.1",
            "sslmode=require&user=certified",
            "the database refused",
            "requires a valid client certificate",
        ),
        (
            "locked:wrong@localhost",
            "sslmode=require",
            "the database refused",
            "password authentication failed",
        ),
        (
            "localhost",
            "sslmode=require&dbname=nowhere",
            "the database refused",
            "does not exist",
        ),
    ];
    for (name, query, says, reason) in refused {
        let said = host.refuses(name, query).await;
        assert!(
            said.contains(says) && said.contains(reason) && !said.contains("busy"),
            "{name} {query}: {said}"
        );
    }
}

#[tokio::test]
async fn what_the_machine_trusts_is_enough_for_verify_full() {
    let host = Host::start(true).await;
    let ca = host.folder.path().join("ca.pem");
    let trusting = [("SSL_CERT_FILE", ca.to_str().unwrap())];
    assert!(
        host.serves("localhost", "sslmode=verify-full", &trusting)
            .await
            .0
    );
    assert!(
        host.serves("localhost", "sslrootcert=system", &trusting)
            .await
            .0
    );
    // It counts beside `sslrootcert` too, which is why verify-ca alone is weak.
    assert!(
        host.serves(
            "127.0.0.1",
            "sslmode=verify-ca&sslrootcert=foreign.pem",
            &trusting
        )
        .await
        .0
    );
}

#[tokio::test]
async fn a_server_without_tls_is_told_of_or_refused() {
    let host = Host::start(false).await;
    for query in [
        "sslmode=require",
        "sslmode=verify-full",
        "sslmode=verify-ca&sslrootcert=ca.pem",
    ] {
        let said = host.refuses("localhost", query).await;
        assert!(
            said.contains("no TLS with the database, and sslmode asks for it"),
            "{query}: {said}"
        );
        assert!(
            said.contains("server does not support TLS"),
            "{query}: {said}"
        );
    }
    let warning = "passwords and results cross the network in plain text";
    let (encrypted, said) = host.serves("localhost", "", &[]).await;
    assert!(!encrypted && !said.contains(warning), "{said}");
    // Linux takes this address for itself, and to us it is no loopback.
    let (encrypted, said) = host.serves("0.0.0.0", "", &[]).await;
    assert!(!encrypted && said.contains(warning), "{said}");
}

/// Lets one after the other in, says `greeting` and holds the line.
async fn stranger(greeting: &'static [u8]) -> (u16, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let held = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut guest, _)) = listener.accept().await {
            guest.write_all(greeting).await.unwrap();
            held.push(guest);
        }
    });
    (port, held)
}

#[tokio::test]
async fn what_is_no_postgres_is_told_as_such() {
    let (port, held) = stranger(b"SSH-2.0-OpenSSH_9.2\r\n").await;
    // It begins with an S, as a server does that offers TLS.
    let said = refusal(&format!("postgres://me:S3cret@127.0.0.1:{port}/lab"), &[]).await;
    assert!(
        said.contains("TLS with the database fails") && !said.contains("S3cret"),
        "{said}"
    );
    held.abort();
    let (port, held) = stranger(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let said = refusal(&format!("postgres://me:S3cret@127.0.0.1:{port}/lab"), &[]).await;
    assert!(
        said.contains("does not speak Postgres' protocol") && !said.contains("S3cret"),
        "{said}"
    );
    held.abort();
    let (port, held) = stranger(b"").await;
    let said = refusal(&format!("postgres://me:S3cret@127.0.0.1:{port}/lab"), &[]).await;
    assert!(
        said.contains("takes connections there and says nothing") && !said.contains("S3cret"),
        "{said}"
    );
    held.abort();
}
