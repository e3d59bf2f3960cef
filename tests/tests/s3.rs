//! Artifacts in S3 instead of a folder: the same results, also when the server is away in the middle; and what is wrong with it pauses and loses
//! nothing.
#![expect(
    clippy::unwrap_used,
    reason = "a test: a failure is a panic with its place"
)]

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

use groklab_tests::files::{Results, experiment};
use groklab_tests::s3::{Identity, Server};
use groklab_tests::{Process, Stack, wait::until};

const BUCKET: &str = "artifacts-of-tests";
const PLACE: &str = "s3://artifacts-of-tests/some/prefix";

fn with_env<T>(server: &Server, run: impl FnOnce(&[(&str, &str)]) -> T) -> T {
    let variables = server.variables(Identity::Writer);
    let mut env: Vec<(&str, &str)> = variables
        .iter()
        .map(|(name, value)| (*name, &**value))
        .collect();
    env.push(("GROKLAB_ARTIFACTS", PLACE));
    run(&env)
}

/// A coordinator with artifacts in S3, its admin address, and one worker of each kind.
fn stack(server: &Server) -> (Stack, String) {
    server.make_bucket(BUCKET);
    // Free again at the end of the statement.
    let admin = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .unwrap()
        .to_string();
    let flags = ["--admin-listen", &admin];
    let mut stack = with_env(server, |env| Stack::coordinator_with_env(&flags, env));
    for name in ["worker-verify", "worker-gen", "worker-train"] {
        stack.add_worker(name, &[], &[]);
    }
    (stack, admin)
}

fn ask(admin: &str, path: &str) -> String {
    until("the admin address", Duration::from_secs(30), || {
        let mut stream = TcpStream::connect(admin).ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    })
}

fn alone_on_a_folder() -> Results {
    let stack = Stack::full();
    stack.submit(&experiment("alone", 2, "rft"));
    stack.grokctl_ok(&["watch", "alone"]);
    Results::of(&stack.export("alone"))
}

fn begun(stack: &Stack, name: &str, kind: &str) {
    let query = format!(
        "select count(*) from attempt join job using (job_id) where EXPERIMENT and kind = '{kind}'"
    );
    until(
        &format!("{kind} to have begun"),
        Duration::from_secs(120),
        || (stack.one(name, &query) != "0").then_some(()),
    );
}

#[test]
fn s3_that_is_away_for_longer_than_its_patience_changes_nothing() {
    let alone = alone_on_a_folder();
    let mut server = Server::start();
    let (stack, admin) = stack(&server);
    assert!(
        !stack.dir.path().join("data/artifacts").exists(),
        "nothing is kept in a folder"
    );
    stack.submit(&experiment("away", 2, "rft"));
    begun(&stack, "away", "train");
    server.stop();
    until("it to be not ready", Duration::from_secs(30), || {
        let answer = ask(&admin, "/readyz");
        (answer.contains(" 503 ") && answer.contains("does not answer")).then_some(())
    });
    assert!(ask(&admin, "/metrics").contains("\ngroklab_artifact_store_up 0\n"));
    // The outage itself is what takes the time: longer than one call tries.
    thread::sleep(Duration::from_secs(40));
    assert_ne!(
        stack.state("away"),
        "completed",
        "it went away in the middle"
    );
    server.start_again();
    stack.grokctl_ok(&["watch", "away"]);
    stack.assert_accounts("away", 28 * 5 * 3 + 16 * 4 * 2);
    assert_eq!(Results::of(&stack.export("away")), alone);
    until("it to be ready", Duration::from_secs(30), || {
        ask(&admin, "/readyz").contains(" 200 ").then_some(())
    });
    let metrics = ask(&admin, "/metrics");
    assert!(
        metrics.contains("\ngroklab_artifact_store_up 1\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("groklab_artifact_operations_total{op=\"put\",result=\"ok\"}"),
        "{metrics}"
    );
    let log = stack.coordinator.log();
    assert!(!log.contains("hunter2"), "{log}");
}

#[test]
fn a_bucket_that_is_gone_pauses_and_loses_nothing() {
    let alone = alone_on_a_folder();
    let server = Server::start();
    let (stack, _) = stack(&server);
    stack.submit(&experiment("gone", 2, "rft"));
    begun(&stack, "gone", "verify");
    server.remove_bucket(BUCKET);
    until(
        &format!("the experiment to be paused: {}", stack.logs()),
        Duration::from_secs(120),
        || (stack.state("gone") == "paused").then_some(()),
    );
    let reason = stack.one("gone", "select reason from experiment where EXPERIMENT");
    assert!(
        reason.contains(&format!("make the bucket `{BUCKET}`")),
        "{reason}"
    );
    server.make_bucket(BUCKET);
    stack.grokctl_ok(&["resume", "gone"]);
    stack.grokctl_ok(&["watch", "gone"]);
    assert_eq!(Results::of(&stack.export("gone")), alone);
}

/// A second coordinator, on the same database and the same bucket, serves what the first one stored.
#[test]
fn two_coordinators_share_a_bucket() {
    let server = Server::start();
    let (stack, _) = stack(&server);
    stack.submit(&experiment("shared", 1, "rft"));
    stack.grokctl_ok(&["watch", "shared"]);
    let first = Results::of(&stack.export("shared"));
    assert!(first.adapters.contains_key("iter_1"));

    let folder = stack.dir.path().join("second");
    fs::create_dir(&folder).unwrap();
    let address = folder.join("address");
    let socket = stack.dir.path().join("data/postgres/socket");
    let url = format!(
        "postgres://groklab@localhost/groklab?host={}",
        socket.display()
    );
    let data = folder.join("data");
    let flags = [
        "--listen",
        "127.0.0.1:0",
        "--data",
        data.to_str().unwrap(),
        "--address-file",
        address.to_str().unwrap(),
    ];
    let second = with_env(&server, |env| {
        let env = [env, &[("GROKLAB_DATABASE_URL", &*url)]].concat();
        Process::start(&folder, "coordinator", &flags, &env)
    });
    let mut other = stack;
    other.address = until(
        &format!("the second coordinator: {}", second.log()),
        Duration::from_secs(60),
        || {
            let text = fs::read_to_string(&address).ok()?;
            (!text.trim().is_empty()).then(|| text.trim().to_owned())
        },
    );
    assert_eq!(Results::of(&other.export("shared")), first);
    assert!(!data.exists(), "it keeps nothing on this machine");
    drop(second);
}
