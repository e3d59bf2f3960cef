//! One installation with a name of its own, from a copy of `deploy/`; gone with its volumes when
//! dropped.

use std::{
    fs,
    net::{TcpListener, UdpSocket},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use groklab_tests::{
    admin::Admin,
    files::{Results, experiment, trained_for, wide},
    root, tiny_coder,
    wait::until,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::engine::{SOCKET, docker, output};

/// Whoever calls grokctl in these tests: neither root nor the containers' user.
pub const CALLER: u32 = 14_321;

pub struct Installation {
    pub name: String,
    /// Holds `deploy`, `models` and `home`, where the caller works.
    dir: TempDir,
    port: u16,
    compose: String,
    extra: Vec<(String, String)>,
}

impl Installation {
    /// Made of files alone; nothing runs. `compose` is what Compose is called here.
    pub fn new(name: &str, compose: &str) -> Self {
        let dir = groklab_tests::folder();
        copy(&root().join("deploy"), &dir.path().join("deploy"));
        copy(&tiny_coder(), &dir.path().join("models/tiny-coder"));
        fs::create_dir(dir.path().join("home")).unwrap();
        chown(dir.path().join("home"), Some(CALLER), Some(CALLER)).unwrap();
        // Given back before it is published; nobody else takes ports here.
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        Self {
            name: format!("groklab-test-{name}"),
            dir,
            port,
            compose: compose.to_owned(),
            extra: Vec::new(),
        }
    }

    /// With another setting.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.extra.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same, on every address of this machine and with a certificate for the one that
    /// containers of others reach it by.
    pub fn published_to_others(self) -> Self {
        // The address that this machine has on its way out; no packet is sent.
        let address = UdpSocket::bind("0.0.0.0:0")
            .and_then(|socket| {
                socket.connect("192.0.2.1:9")?;
                socket.local_addr()
            })
            .unwrap()
            .ip()
            .to_string();
        let published = format!("0.0.0.0:{}", self.port);
        self.with("GROKLAB_PUBLISH", &published)
            .with("GROKLAB_HOSTNAMES", &address)
    }

    /// Puts a model's file where every container finds it; its path there and here.
    pub fn add_model(&self, file: &Path) -> PathBuf {
        let path = self
            .dir
            .path()
            .join("models")
            .join(file.file_name().unwrap());
        fs::copy(file, &path).unwrap();
        path
    }

    /// A script of `deploy/`.
    pub fn script(&self, name: &str, args: &[&str]) -> Result<String, String> {
        let mut command = Command::new(self.deploy().join(name));
        self.settings(&mut command);
        output(command.args(args))
    }

    /// The same with a file on its standard input.
    pub fn script_reading(&self, name: &str, file: &Path) -> Result<String, String> {
        // Commands get nothing to read by themselves.
        let mut command = Command::new("sh");
        command.args(["-euc", r#"exec "$1" < "$2""#, "sh"]);
        self.settings(&mut command);
        output(command.arg(self.deploy().join(name)).arg(file))
    }

    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    pub fn deploy(&self) -> PathBuf {
        self.dir.path().join("deploy")
    }

    fn settings(&self, command: &mut Command) {
        command
            .env("COMPOSE_PROJECT_NAME", &self.name)
            .env("GROKLAB_COMPOSE", &self.compose)
            .env("GROKLAB_TAG", "test")
            .env("POSTGRES_IMAGE", "groklab-testing/postgres:15")
            .env("GROKLAB_PUBLISH", format!("127.0.0.1:{}", self.port))
            .env("GROKLAB_MODEL_FOLDER", self.dir.path().join("models"))
            .env("VERIFY_CPUS", "1");
        for (name, value) in &self.extra {
            command.env(name, value);
        }
    }

    /// `./compose ARGS`.
    pub fn try_compose(&self, args: &[&str]) -> Result<String, String> {
        let mut command = Command::new(self.deploy().join("compose"));
        self.settings(&mut command);
        output(command.args(args))
    }

    /// Compose as people call it who do not know of the wrapper.
    pub fn try_plain_compose(&self, args: &[&str]) -> Result<String, String> {
        let mut words = self.compose.split(' ');
        let mut command = Command::new(words.next().unwrap());
        self.settings(&mut command);
        command.args(words).args(args).current_dir(self.deploy());
        output(&mut command)
    }

    pub fn compose(&self, args: &[&str]) -> String {
        let done = self.try_compose(args);
        done.unwrap_or_else(|error| panic!("{error}\n{}", self.logs()))
    }

    pub fn up(&self, args: &[&str]) {
        self.compose(&[&["up", "-d", "--no-build"], args].concat());
    }

    /// `./grokctl ARGS` in the caller's folder, as the caller.
    pub fn grokctl(&self, args: &[&str]) -> Output {
        let socket = fs::metadata(SOCKET).unwrap();
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", "300", "setpriv", "--reuid"]);
        command.arg(CALLER.to_string()).arg("--regid");
        command.arg(CALLER.to_string()).arg("--groups");
        // Who may call docker at all.
        command.arg(socket.gid().to_string());
        command.arg(self.deploy().join("grokctl")).args(args);
        self.settings(&mut command);
        command.env("HOME", self.home()).current_dir(self.home());
        command.stdin(Stdio::null()).output().unwrap()
    }

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

    /// Writes an experiment on the model that every container sees.
    pub fn experiment(&self, name: &str, iterations: u32, method: &str) -> String {
        let text = experiment(name, iterations, method).replace(
            tiny_coder().to_str().unwrap(),
            self.dir.path().join("models/tiny-coder").to_str().unwrap(),
        );
        let file = format!("{name}.toml");
        fs::write(self.home().join(&file), text).unwrap();
        file
    }

    /// The same with many small jobs and rollouts, so that there is work at every moment of about a
    /// minute.
    pub fn busy_experiment(&self, name: &str) -> String {
        let file = self.experiment(name, 2, "rft");
        let path = self.home().join(&file);
        let text = fs::read_to_string(&path).unwrap();
        let text = wide(&text, 32).replace("rollouts_per_job = 2048", "rollouts_per_job = 16");
        fs::write(&path, text).unwrap();
        file
    }

    /// The same with a seed, so that its artifacts are none that experiments with another one have
    /// stored, and with training that takes longer than it takes to notice it.
    pub fn seeded_experiment(&self, name: &str, seed: u64) -> String {
        let file = self.busy_experiment(name);
        let path = self.home().join(&file);
        let text = fs::read_to_string(&path).unwrap();
        let text = text.replace("iterations = ", &format!("seed = {seed}\niterations = "));
        let text = trained_for(&text, 24);
        fs::write(&path, text).unwrap();
        file
    }

    /// What two runs of a file must have in common, of an experiment that has ended.
    pub fn results(&self, name: &str) -> Results {
        self.grokctl_ok(&["watch", name]);
        self.grokctl_ok(&["export", name, "--out", name]);
        Results::of(&self.home().join(name))
    }

    /// The admin address of a service's first container.
    pub fn admin(&self, service: &str) -> Admin {
        admin_of(&self.containers(service)[0])
    }

    /// What the database answers.
    pub fn sql(&self, query: &str) -> String {
        let answer = self.try_sql(query);
        answer.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same where the database may be away.
    pub fn try_sql(&self, query: &str) -> Result<String, String> {
        let postgres = &self.containers("postgres")[0];
        let ask = [
            "exec", postgres, "psql", "-U", "groklab", "-At", "-c", query,
        ];
        let answer = output(Command::new("docker").args(ask))?;
        Ok(answer.trim().to_owned())
    }

    /// An experiment's state; an error while the database is away.
    pub fn state(&self, name: &str) -> Result<String, String> {
        self.try_sql(&format!(
            "select state from experiment where name = '{name}'"
        ))
    }

    /// Waits until so many workers of a kind are there.
    pub fn wait_for_workers(&self, kind: &str, wanted: usize) {
        let what = format!("{wanted} {kind} workers");
        until(&what, Duration::from_secs(120), || {
            let listed = self.grokctl_ok(&["--json", "workers"]);
            let mut found = 0;
            for line in listed.lines() {
                let worker: Value = serde_json::from_str(line).unwrap();
                found += usize::from(worker["kind"] == kind && worker["alive"] == true);
            }
            (found == wanted).then_some(())
        });
    }

    /// The containers of a service, oldest first.
    pub fn containers(&self, service: &str) -> Vec<String> {
        let project = format!("label=com.docker.compose.project={}", self.name);
        let service = format!("label=com.docker.compose.service={service}");
        let ids = docker(&[
            "ps",
            "-aq",
            "--no-trunc",
            "--filter",
            &project,
            "--filter",
            &service,
        ]);
        let mut ids: Vec<String> = ids.lines().map(str::to_owned).collect();
        ids.reverse();
        ids
    }

    pub fn wait_until_healthy(&self) {
        let services = [
            "postgres",
            "coordinator",
            "worker-gen",
            "worker-train",
            "worker-verify",
        ];
        for service in services {
            until(service, Duration::from_secs(180), || {
                let containers = self.containers(service);
                for id in &containers {
                    let health = docker(&["inspect", "-f", "{{.State.Health.Status}}", id]);
                    if health.trim() != "healthy" {
                        return None;
                    }
                }
                (!containers.is_empty()).then_some(())
            });
        }
    }

    /// The last lines of every service.
    pub fn logs(&self) -> String {
        let logs = self.try_compose(&["logs", "--no-color", "--tail", "20"]);
        logs.unwrap_or_else(|error| error)
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.logs());
        }
        if let Err(error) = self.try_compose(&["down", "--volumes", "--timeout", "20"]) {
            eprintln!("{error}");
        }
    }
}

/// A container's address on the first of its networks.
pub fn address(container: &str) -> String {
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}";
    let addresses = docker(&["inspect", "-f", format, container]);
    addresses.split_whitespace().next().unwrap().to_owned()
}

/// A container's admin address, which may be another one after a restart.
pub fn admin_of(container: &str) -> Admin {
    Admin(format!("{}:9090", address(container)))
}

/// Copies a folder so that everybody can read it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        // Settings of this machine are none of a test's.
        if entry.file_name() == ".env.local" || entry.file_name() == "worker.env" {
            continue;
        }
        if path.is_dir() {
            copy(&path, &target);
        } else {
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            fs::copy(&path, &target).unwrap();
            fs::set_permissions(&target, fs::Permissions::from_mode(mode | 0o444)).unwrap();
        }
    }
}
