//! Access from other machines: tokens for each side, TLS, client certificates. The coordinator
//! listens on every address.
#![expect(
    clippy::unwrap_used,
    reason = "a test: a failure is a panic with its place"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use groklab_tests::files::experiment;
use groklab_tests::{Process, Stack, binary};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

const CLIENT: &str = "c11ec11ec11ec11ec11ec11ec11ec11e";
const WORKER: &str = "30e730e730e730e730e730e730e730e7";

/// Tokens, and certificates that one authority has signed.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn make() -> Self {
        let files = Self {
            folder: groklab_tests::folder(),
        };
        files.write("client", CLIENT);
        files.write("worker", WORKER);
        files.certify("ca", &["server", "machine"]);
        files
    }

    /// Certificates for those named, of an authority of their own whose certificate is `ca`.
    fn certify(&self, ca: &str, names: &[&str]) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        self.write(&format!("{ca}.pem"), &authority.pem());
        for name in names {
            let key = KeyPair::generate().unwrap();
            let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])
                .unwrap()
                .signed_by(&key, &authority)
                .unwrap();
            self.write(&format!("{name}.pem"), &certificate.pem());
            self.write(&format!("{name}.key"), &key.serialize_pem());
        }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn name(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }
}

/// Runs a worker that is expected to end by itself; what it said.
fn refused(dir: &Path, args: &[&str]) -> String {
    let mut worker = Process::start(
        dir,
        "worker-verify",
        &[&["work", "--grace-seconds", "1"], args].concat(),
        &[],
    );
    let status = worker.wait(Duration::from_secs(60));
    assert!(!status.success(), "{}", worker.log());
    worker.log()
}

#[test]
fn over_tls_with_tokens_and_certificates() {
    let files = Files::make();
    let [client, worker, ca, cert, key] =
        ["client", "worker", "ca.pem", "server.pem", "server.key"].map(|name| files.name(name));
    let flags = [
        "--listen",
        "0.0.0.0:0",
        "--client-token-file",
        &client,
        "--worker-token-file",
        &worker,
    ];
    let tls = [
        "--tls-cert",
        &cert,
        "--tls-key",
        &key,
        "--tls-client-ca",
        &ca,
    ];
    let mut stack = Stack::coordinator(&[&flags[..], &tls].concat());
    assert!(
        stack.address.starts_with("https://127.0.0.1:"),
        "{}",
        stack.address
    );
    let (machine, machine_key) = (files.name("machine.pem"), files.name("machine.key"));
    let as_worker = [
        "--token-file",
        &worker,
        "--tls-ca",
        &ca,
        "--tls-cert",
        &machine,
        "--tls-key",
        &machine_key,
    ];
    for name in ["worker-verify", "worker-gen"] {
        stack.add_worker(name, &as_worker, &[]);
    }
    let as_client = ["--token-file", &client, "--tls-ca", &ca];
    let file = stack.file("experiment.toml", &experiment("guarded", 0, "none"));
    stack.grokctl_ok(
        &[
            &as_client[..],
            &["submit", "--watch", file.to_str().unwrap()],
        ]
        .concat(),
    );

    let dir = stack.dir.path();
    let address = stack.address.clone();
    let to = ["--coordinator", &address, "--tls-ca", &ca];
    let shown = ["--tls-cert", &machine, "--tls-key", &machine_key];
    let said = refused(dir, &[&to[..], &["--token-file", &worker]].concat());
    assert!(said.contains("no client certificate"), "{said}");
    let said = refused(dir, &[&to[..], &shown, &["--token-file", &client]].concat());
    assert!(
        said.contains("this is a client's token, the call needs a worker's"),
        "{said}"
    );
    let said = refused(dir, &[&to[..], &shown].concat());
    assert!(said.contains("no token"), "{said}");

    let grokctl = |args: &[&str]| {
        let output = stack.grokctl(&[args, &["list"]].concat());
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, said) = grokctl(&["--tls-ca", &ca, "--token-file", &worker]);
    assert!(
        code == Some(6) && said.contains("this is a worker's token"),
        "{code:?} {said}"
    );
    let (code, said) = grokctl(&["--tls-ca", &ca]);
    assert!(
        code == Some(6) && said.contains("no token") && said.contains("--token-file"),
        "{code:?} {said}"
    );
    let (code, said) = grokctl(&["--token-file", &client]);
    assert!(
        code == Some(4) && said.contains("certificate"),
        "an authority nobody knows: {code:?} {said}"
    );
    let plain = address.replace("https", "http");
    let output = Command::new(binary("grokctl"))
        .args(["--coordinator", &plain, "--token-file", &client, "list"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(4) && said.contains("https"),
        "{said}"
    );

    let logs = stack.logs();
    for secret in [CLIENT, WORKER] {
        assert!(
            !logs.contains(secret) && !everything_running().contains(secret),
            "a token can be seen"
        );
    }
    assert!(everything_running().contains("coordinator"));
}

/// A certificate that is renewed while the coordinator serves counts for whoever connects from then
/// on; who is connected goes on, and files that are wrong change nothing.
#[test]
fn a_renewed_certificate_is_served_without_a_restart() {
    let files = Files::make();
    let [client, worker, old_ca, cert, key] =
        ["client", "worker", "ca.pem", "server.pem", "server.key"].map(|name| files.name(name));
    let mut stack = Stack::coordinator(&[
        "--client-token-file",
        &client,
        "--worker-token-file",
        &worker,
        "--tls-cert",
        &cert,
        "--tls-key",
        &key,
    ]);
    for name in ["worker-verify", "worker-gen"] {
        stack.add_worker(name, &["--token-file", &worker, "--tls-ca", &old_ca], &[]);
    }
    let listed = |ca: &str| {
        let output = stack.grokctl(&["--token-file", &client, "--tls-ca", ca, "workers"]);
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    groklab_tests::wait::until("both workers", Duration::from_secs(180), || {
        let workers = listed(&old_ca)?;
        (workers.contains("verify") && workers.contains("generate")).then_some(())
    });

    // A key that is another certificate's, as in the middle of a renewal.
    files.certify("new", &["next"]);
    let (new_ca, log) = (files.name("new.pem"), || stack.coordinator.log());
    fs::copy(files.path("next.key"), files.path("server.key")).unwrap();
    groklab_tests::wait::until(
        "the wrong files to be seen",
        Duration::from_secs(60),
        || log().contains("the last good ones stay").then_some(()),
    );
    assert!(listed(&old_ca).is_some() && listed(&new_ca).is_none());

    fs::copy(files.path("next.pem"), files.path("server.pem")).unwrap();
    groklab_tests::wait::until("the new certificate", Duration::from_secs(60), || {
        listed(&new_ca)
    });
    assert!(listed(&old_ca).is_none(), "the old one is served still");
    assert!(log().contains("renewed TLS"), "{}", log());
    // The workers know the old authority alone: they go on with the connections that they have.
    let file = stack.file("experiment.toml", &experiment("renewed", 0, "none"));
    let as_client = ["--token-file", &client, "--tls-ca", &new_ca];
    let submit = ["submit", "--watch", file.to_str().unwrap()];
    stack.grokctl_ok(&[&as_client[..], &submit].concat());
}

/// The command lines of all processes.
fn everything_running() -> String {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let line = |process: fs::DirEntry| fs::read(process.path().join("cmdline")).ok();
    processes
        .filter_map(line)
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " ") + "\n")
        .collect()
}

#[test]
fn without_tokens_nobody_else_is_served() {
    let dir = groklab_tests::folder();
    let data = dir.path().join("data");
    let start = |flags: &[&str]| {
        let output = Command::new(binary("coordinator"))
            .args(["--listen", "0.0.0.0:0", "--data"])
            .arg(&data)
            .args(flags)
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = start(&[]);
    assert!(
        said.contains("without tokens") && said.contains("--client-token-file"),
        "{said}"
    );
    let truncated = dir.path().join("truncated");
    fs::write(&truncated, "30e730e7\n").unwrap();
    let said = start(&["--client-token-file", truncated.to_str().unwrap()]);
    assert!(
        said.contains("truncated") && said.contains("8 characters"),
        "{said}"
    );
    assert!(!data.exists(), "nothing was begun");
}

#[test]
fn up_makes_tokens_where_others_are_served() {
    let dir = groklab_tests::folder();
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    let mut up = Process::start(
        dir.path(),
        "grokctl",
        &["up", "--listen", "0.0.0.0:0", "--data", data],
        &[],
    );
    groklab_tests::wait::until(
        &format!("everything to be up: {}", up.log()),
        Duration::from_secs(120),
        || up.log().contains("ready;").then_some(()),
    );
    let grokctl = |args: &[&str]| {
        Command::new(binary("grokctl"))
            .args(["--data", data])
            .args(args)
            .output()
            .unwrap()
    };
    let listed = grokctl(&["workers"]);
    let listed = String::from_utf8_lossy(&listed.stdout);
    assert!(
        ["generate", "verify", "train"]
            .iter()
            .all(|kind| listed.contains(kind)),
        "{listed}"
    );
    let worker_token = dir.path().join("data/tokens/worker");
    assert_eq!(
        grokctl(&["--token-file", worker_token.to_str().unwrap(), "list"])
            .status
            .code(),
        Some(6)
    );
    let token = fs::read_to_string(worker_token).unwrap();
    assert!(!everything_running().contains(token.trim()) && !up.log().contains(token.trim()));
    assert!(up.stop(Duration::from_secs(60)).success(), "{}", up.log());
}
