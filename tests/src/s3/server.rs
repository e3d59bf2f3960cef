//! SeaweedFS as an S3 server on this machine: keys with all rights, some or none, and it can be
//! ended and started again.

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

use super::Filer;
use crate::root;

static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());

/// Starts the server and kills it when the standard input ends: with whoever started it, however
/// that ends.
const KEEPER: &str = r#""$@" </dev/null & read -r _; kill -9 $!; wait $! 2>/dev/null"#;
const PORTS: usize = 8;

/// What any server of tests is told after `weed server`: little is held in memory, and no test
/// waits for an election.
pub const FLAGS: [&str; 8] = [
    "-s3",
    "-master.electionTimeout=1s",
    "-master.volumeSizeLimitMB=64",
    "-volume.max=0",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-s3.autoCreateBucket=false",
    "-s3.iam=false",
];

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
        fs::write(
            folder.path().join("identities.json"),
            identities().to_string(),
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
        self.filer().make_bucket(name);
    }

    pub fn remove_bucket(&self, name: &str) {
        self.filer().remove_bucket(name);
    }

    /// How many uploads to a bucket are not finished.
    pub fn unfinished_uploads(&self, bucket: &str) -> usize {
        self.filer().unfinished_uploads(bucket)
    }

    /// How many objects a bucket holds.
    pub fn objects(&self, bucket: &str) -> usize {
        self.filer().objects(bucket)
    }

    fn filer(&self) -> Filer {
        Filer(format!("127.0.0.1:{}", self.ports[4]))
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
        command.args(["server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]);
        command.args(FLAGS);
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

    /// Whether it is up within half a minute.
    fn wait(&self) -> bool {
        let master = format!("127.0.0.1:{}", self.ports[0]);
        for _ in 0..300 {
            if is_up(&self.address(), &master) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What a server is told of the identities.
pub fn identities() -> Value {
    json!({"identities": [
        Identity::Admin.entry(&["Admin"]),
        Identity::Writer.entry(&["Read", "Write", "List"]),
        Identity::Reader.entry(&["Read", "List"]),
        Identity::NoList.entry(&["Read", "Write"]),
    ]})
}

/// Whether a server answers and can store: its parts find each other one after the other.
pub fn is_up(s3: &str, master: &str) -> bool {
    answers(s3, "/", " 403 ") && answers(master, "/dir/assign", "\"fid\"")
}

/// Whether what is answered holds `text`.
fn answers(address: &str, path: &str, text: &str) -> bool {
    let answer = asked(address, &format!("GET {path} HTTP/1.0\r\n\r\n"));
    answer.is_some_and(|answer| answer.contains(text))
}

fn asked(address: &str, request: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// The server's program.
///
/// # Panics
/// When it is not installed.
pub fn program() -> PathBuf {
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
