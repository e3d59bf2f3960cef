//! SeaweedFS as an S3 server on this machine: keys with all rights, some or none, and it can be ended and started again.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use serde_json::{Value, json};

use crate::{root, wait::until};

static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());

/// Starts the server and kills it when the standard input ends: with whoever started it, however that ends.
const KEEPER: &str = r#""$@" </dev/null & read -r _; kill -9 $!; wait $! 2>/dev/null"#;
const PORTS: usize = 8;
/// Where it keeps what belongs to unfinished uploads.
const UPLOADS: &str = ".uploads";

/// Whose keys a request is signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// May do everything in every bucket.
    Admin,
    /// May read, write and list in the buckets of the tests, which is what a coordinator needs.
    Writer,
    Reader,
    /// May read and write and not list.
    NoList,
    /// Its secret is another one than the server knows.
    WrongSecret,
    /// The server knows no such key.
    Stranger,
}

impl Identity {
    fn name(self) -> &'static str {
        match self {
            Self::Admin => "ADMIN",
            Self::Writer | Self::WrongSecret => "WRITER",
            Self::Reader => "READER",
            Self::NoList => "NOLIST",
            Self::Stranger => "STRANGER",
        }
    }

    pub fn key(self) -> String {
        format!("GROKLAB{}KEY", self.name())
    }

    /// Long enough that no other text holds it.
    pub fn secret(self) -> String {
        match self {
            Self::WrongSecret => "hunter2-of-nobody-0123456789".to_owned(),
            _ => format!("hunter2-of-{}-0123456789", self.name()),
        }
    }

    /// What the server is told of it.
    fn entry(self, actions: &[&str]) -> Value {
        json!({
            "name": self.name(),
            "credentials": [{"accessKey": self.key(), "secretKey": self.secret()}],
            "actions": actions,
        })
    }
}

/// A running server; ended when dropped.
pub struct Server {
    folder: tempfile::TempDir,
    ports: [u16; PORTS],
    running: Option<Running>,
}

struct Running {
    child: Child,
    /// Its end is the server's.
    _life: ChildStdin,
}

impl Server {
    /// One for all tests that run at the same time; each takes a bucket of its own.
    pub fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap();
        if let Some(server) = shared.upgrade() {
            return server;
        }
        let server = Arc::new(Self::start());
        *shared = Arc::downgrade(&server);
        server
    }

    /// # Panics
    /// When the server is not installed.
    pub fn start() -> Self {
        let folder = crate::folder();
        let identities = json!({"identities": [
            Identity::Admin.entry(&["Admin"]),
            Identity::Writer.entry(&["Read", "Write", "List"]),
            Identity::Reader.entry(&["Read", "List"]),
            Identity::NoList.entry(&["Read", "Write"]),
        ]});
        fs::write(
            folder.path().join("identities.json"),
            identities.to_string(),
        )
        .unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        let mut server = Self {
            folder,
            ports: [0; PORTS],
            running: None,
        };
        // A port that was free may be taken by the time it is used.
        for _ in 0..5 {
            server.ports = free_ports();
            server.spawn();
            if server.wait() {
                return server;
            }
            server.stop();
        }
        panic!("the S3 server does not start: {}", server.log());
    }

    /// The same data on the same ports once more.
    pub fn start_again(&mut self) {
        self.spawn();
        assert!(self.wait(), "the S3 server does not start: {}", self.log());
    }

    /// Kills it.
    pub fn stop(&mut self) {
        let Some(Running { mut child, _life }) = self.running.take() else {
            return;
        };
        // Fails only when the group has gone.
        let _ = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
        child.wait().unwrap();
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.ports[6])
    }

    /// The variables with which a program reaches it.
    pub fn variables(&self, identity: Identity) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", format!("http://{}", self.address())),
            ("AWS_ACCESS_KEY_ID", identity.key()),
            ("AWS_SECRET_ACCESS_KEY", identity.secret()),
            ("AWS_REGION", "us-east-1".to_owned()),
        ]
    }

    /// Makes a bucket.
    pub fn make_bucket(&self, name: &str) {
        let answer = self.ask_filer("POST", &format!("/buckets/{name}/"));
        assert!(answer.contains(" 201 "), "{answer}");
    }

    pub fn remove_bucket(&self, name: &str) {
        let answer = self.ask_filer("DELETE", &format!("/buckets/{name}/?recursive=true"));
        assert!(answer.contains(" 204 "), "{answer}");
    }

    /// How many uploads to a bucket are not finished.
    pub fn unfinished_uploads(&self, bucket: &str) -> usize {
        let answer = self.ask_filer("GET", &format!("/buckets/{bucket}/{UPLOADS}/?limit=1000"));
        if answer.contains(" 404 ") {
            return 0;
        }
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let listing: Value = serde_json::from_str(body).unwrap();
        listing["Entries"].as_array().map_or(0, Vec::len)
    }

    /// How many objects a bucket holds.
    pub fn objects(&self, bucket: &str) -> usize {
        let (mut count, mut folders) = (0, vec![format!("/buckets/{bucket}")]);
        while let Some(folder) = folders.pop() {
            let answer = self.ask_filer("GET", &format!("{folder}/?limit=10000"));
            if answer.contains(" 404 ") {
                continue;
            }
            let (_, body) = answer.split_once("\r\n\r\n").unwrap();
            let listing: Value = serde_json::from_str(body).unwrap();
            for entry in listing["Entries"].as_array().into_iter().flatten() {
                let path = entry["FullPath"].as_str().unwrap();
                // The mode of a folder has its highest bit set.
                let is_folder = entry["Mode"].as_u64().unwrap() & (1 << 31) != 0;
                if path.ends_with(UPLOADS) {
                    continue;
                }
                if is_folder {
                    folders.push(path.to_owned());
                } else {
                    count += 1;
                }
            }
        }
        count
    }

    /// A request to the file system below the buckets, which asks for no key; head and body of the answer.
    fn ask_filer(&self, method: &str, path: &str) -> String {
        let address = format!("127.0.0.1:{}", self.ports[4]);
        until("the filer to answer", Duration::from_secs(30), || {
            let mut stream = TcpStream::connect(&address).ok()?;
            let request = format!(
                "{method} {path} HTTP/1.0\r\nHost: {address}\r\nAccept: application/json\r\nContent-Length: 0\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).ok()?;
            (!answer.is_empty()).then_some(answer)
        })
    }

    fn spawn(&mut self) {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(path("log"))
            .unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "sh"]).arg(program());
        // Little is held in memory, and no tests wait for an election.
        command.args([
            "server",
            "-s3",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-master.electionTimeout=1s",
            "-master.volumeSizeLimitMB=64",
            "-volume.max=0",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.autoCreateBucket=false",
            "-s3.iam=false",
        ]);
        for (flag, value) in [
            ("dir", path("data")),
            ("s3.config", path("identities.json")),
            ("s3.localSocket", path("s3.socket")),
            ("filer.localSocket", path("filer.socket")),
        ] {
            command.arg(format!("-{flag}={value}"));
        }
        for (flag, port) in [
            "master.port",
            "master.port.grpc",
            "volume.port",
            "volume.port.grpc",
            "filer.port",
            "filer.port.grpc",
            "s3.port",
            "s3.port.grpc",
        ]
        .iter()
        .zip(self.ports)
        {
            command.arg(format!("-{flag}={port}"));
        }
        let mut child = command
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap();
        let life = child.stdin.take().unwrap();
        self.running = Some(Running { child, _life: life });
    }

    /// Whether it answers within half a minute, and can store: its parts find each other one after the other.
    fn wait(&self) -> bool {
        for _ in 0..300 {
            if answers(&self.address()) && self.stores() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        false
    }

    fn stores(&self) -> bool {
        let address = format!("127.0.0.1:{}", self.ports[0]);
        let request = "GET /dir/assign HTTP/1.0\r\n\r\n";
        asked(&address, request).is_some_and(|answer| answer.contains("\"fid\""))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn answers(address: &str) -> bool {
    asked(address, "GET / HTTP/1.0\r\n\r\n").is_some_and(|answer| answer.contains(" 403 "))
}

fn asked(address: &str, request: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn program() -> PathBuf {
    let path = root().join(Path::new(".groklab/bin/weed"));
    assert!(
        path.exists(),
        "{} is missing: run `make setup-tests` first",
        path.display()
    );
    path
}

/// Held all at once, so that they differ.
fn free_ports() -> [u16; PORTS] {
    let listeners: [TcpListener; PORTS] =
        std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    std::array::from_fn(|i| listeners[i].local_addr().unwrap().port())
}
