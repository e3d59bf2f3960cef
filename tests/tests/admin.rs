//! The admin address of every service: health, metrics, the queue; and what gRPC clients ask of any
//! server: health and reflection.
#![expect(
    clippy::unwrap_used,
    reason = "a test: a failure is a panic with its place"
)]

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use groklab_tests::{
    Stack,
    admin::{Admin, lint},
    files::{experiment, wide},
    wait::until,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tonic::{Code, Request, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

const SOON: Duration = Duration::from_secs(30);
const WORKERS: [&str; 3] = ["worker-verify", "worker-gen", "worker-train"];

/// A coordinator and its admin address.
fn coordinator() -> (Stack, Admin) {
    let admin = Admin::free();
    let stack = Stack::coordinator(&["--admin-listen", &admin.0]);
    (stack, admin)
}

fn add_worker(stack: &mut Stack, name: &str, flags: &[&str]) -> Admin {
    let admin = Admin::free();
    let flags = [&["--admin-listen", &admin.0], flags].concat();
    stack.add_worker(name, &flags, &[]);
    admin
}

#[test]
fn every_service_answers_operators() {
    let (mut stack, coordinator) = coordinator();
    let mut services = vec![("coordinator", coordinator)];
    for name in WORKERS {
        services.push((name, add_worker(&mut stack, name, &[])));
    }
    for (name, admin) in &services {
        let deadline = Duration::from_secs(90);
        assert_eq!(
            admin.wait_for("/readyz", 200, deadline),
            "ready\n",
            "{name}"
        );
        assert_eq!(admin.get("/livez").unwrap(), (200, "alive\n".to_owned()));
        assert_eq!(admin.get("/nothing").unwrap().0, 404, "{name}");
        assert_eq!(admin.health(name, &[]), Some(0), "{name}");
        assert_eq!(admin.health(name, &["--live"]), Some(0), "{name}");
    }
    let file = stack.file("experiment.toml", &experiment("measured", 1, "rft"));
    stack.grokctl_ok(&["submit", "--watch", file.to_str().unwrap()]);

    for (name, admin) in &services {
        let (status, text) = admin.get("/metrics").unwrap();
        assert_eq!(status, 200);
        lint(name, &text);
        for metric in [
            "groklab_build_info{version=\"",
            "process_resident_memory_bytes ",
            "process_cpu_seconds_total ",
        ] {
            assert!(text.contains(metric), "{name}: {metric}\n{text}");
        }
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let ours = ["groklab_", "process_", "target_info"];
            assert!(ours.iter().any(|prefix| line.starts_with(prefix)), "{line}");
            assert!(!line.contains("_id=\""), "an id is a label: {line}");
        }
    }
    check_counts(&services);
}

/// What an experiment of one iteration leaves behind.
fn check_counts(services: &[(&str, Admin)]) {
    let of = |name: &str| &services.iter().find(|(other, _)| *other == name).unwrap().1;
    let coordinator = of("coordinator");
    for (sample, least) in [
        ("groklab_artifact_store_up", 1.0),
        ("groklab_database_up", 1.0),
        ("groklab_experiments{state=\"completed\"}", 1.0),
        ("groklab_workers{kind=\"verify\",state=\"idle\"}", 1.0),
    ] {
        until(sample, SOON, || {
            (coordinator.metric(sample)? >= least).then_some(())
        });
    }
    let calls = "groklab_grpc_requests_total{code=\"Ok\",method=\"Complete\",\
                 service=\"groklab.v1.Workers\"}";
    let completed = coordinator.metric(calls).unwrap();
    assert!(completed >= 5.0, "{completed} jobs were completed");
    for name in WORKERS {
        let worker = of(name);
        assert_eq!(worker.metric("groklab_coordinator_up"), Some(1.0), "{name}");
        let busy = worker.metric("groklab_worker_busy_seconds_total");
        assert!(busy.unwrap() > 0.0, "{name} was busy");
    }
}

#[test]
fn the_queue_shows_what_waits() {
    let (stack, admin) = coordinator();
    admin.wait_for("/v1/queue", 200, SOON);
    stack.submit(&experiment("queued", 0, "none"));
    let queue = until("jobs in the queue", SOON, || {
        let (_, body) = admin.get("/v1/queue")?;
        let queue: Value = serde_json::from_str(&body).unwrap();
        (queue["generate"]["ready"].as_u64()? > 0).then_some(queue)
    });
    let generate = &queue["generate"];
    assert_eq!(generate["wanted"], generate["ready"], "{queue}");
    assert_eq!(generate["leased"], 0, "{queue}");
    assert!(generate["oldest_ready_seconds"].as_f64().unwrap() >= 0.0);
    for kind in ["verify", "train"] {
        assert_eq!(queue[kind]["wanted"], 0, "{queue}");
    }
    let ready = generate["ready"].as_f64().unwrap();
    let sample = "groklab_jobs{kind=\"generate\",state=\"ready\"}";
    until(sample, SOON, || {
        (admin.metric(sample)? == ready).then_some(())
    });

    // A paused experiment's jobs wait: no worker could have them.
    stack.grokctl_ok(&["pause", "queued"]);
    let (_, body) = admin.get("/v1/queue").unwrap();
    let queue: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(queue["generate"]["wanted"], 0, "{queue}");
    assert_eq!(
        queue["generate"]["waiting"].as_f64(),
        Some(ready),
        "{queue}"
    );
}

#[test]
fn a_workers_readiness_falls_and_returns_with_the_coordinator() {
    let mut stack = Stack::coordinator(&[]);
    let admin = add_worker(&mut stack, "worker-verify", &[]);
    admin.wait_for("/readyz", 200, Duration::from_secs(60));
    stack.coordinator.kill();
    let started = Instant::now();
    until(
        "the worker to be not ready",
        Duration::from_secs(120),
        || {
            assert_eq!(admin.get("/livez").unwrap().0, 200, "it lives all the time");
            (admin.get("/readyz").unwrap().0 == 503).then_some(())
        },
    );
    assert!(
        started.elapsed() > Duration::from_secs(30),
        "a restart of the coordinator must not show"
    );
    let (_, reason) = admin.get("/readyz").unwrap();
    assert!(
        reason.starts_with("no coordinator has answered"),
        "{reason}"
    );
    assert_eq!(admin.metric("groklab_coordinator_up"), Some(0.0));
    assert_eq!(admin.health("worker-verify", &[]), Some(1));
    assert_eq!(admin.health("worker-verify", &["--live"]), Some(0));

    stack.coordinator.start_again();
    admin.wait_for("/readyz", 200, Duration::from_secs(90));
    assert!(stack.workers[0].running(), "it is the same process");
}

#[test]
fn a_worker_that_drains_is_not_ready() {
    let mut stack = Stack::coordinator(&[]);
    let admin = add_worker(&mut stack, "worker-gen", &["--grace-seconds", "20"]);
    stack.submit(&wide(&experiment("drained", 0, "none"), 500));
    // In the middle of its job the worker cannot end before it was asked.
    let (_, stuck) = stack.stick("drained", "generate", 0);
    assert_eq!(admin.get("/readyz").unwrap().0, 200);
    stack.workers[0].signal(Signal::SIGTERM);
    let reason = admin.wait_for("/readyz", 503, SOON);
    assert_eq!(reason, "stopping\n");
    assert_eq!(admin.get("/livez").unwrap().0, 200);
    drop(stuck);
    let status = stack.workers[0].wait(Duration::from_secs(90));
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_coordinator_is_ready_while_its_artifact_store_answers() {
    let (stack, admin) = coordinator();
    admin.wait_for("/readyz", 200, SOON);
    let artifacts = stack.dir.path().join("data/artifacts");
    let away = stack.dir.path().join("away");
    fs::rename(&artifacts, &away).unwrap();
    // What may stand in its place after a disk failed to mount.
    fs::write(&artifacts, "").unwrap();
    let reason = admin.wait_for("/readyz", 503, SOON);
    assert!(reason.contains("artifact store"), "{reason}");
    assert_eq!(admin.metric("groklab_artifact_store_up"), Some(0.0));
    assert_eq!(admin.get("/livez").unwrap().0, 200);
    fs::remove_file(&artifacts).unwrap();
    fs::rename(&away, &artifacts).unwrap();
    admin.wait_for("/readyz", 200, SOON);
}

#[test]
fn a_coordinator_is_ready_while_its_database_answers() {
    let (stack, admin) = coordinator();
    admin.wait_for("/readyz", 200, SOON);
    let server = stack.postgres().unwrap();
    let to_all = |signal: Signal| {
        let children = fs::read_to_string(format!("/proc/{server}/task/{server}/children"));
        kill(server, signal).unwrap();
        for child in children.unwrap().split_whitespace() {
            // One that has ended meanwhile needs no signal.
            let _ = kill(Pid::from_raw(child.parse().unwrap()), signal);
        }
    };
    to_all(Signal::SIGSTOP);
    let reason = admin.wait_for("/readyz", 503, SOON);
    assert!(reason.contains("the database has not answered"), "{reason}");
    until("the metric to say so", SOON, || {
        (admin.metric("groklab_database_up")? == 0.0).then_some(())
    });
    assert_eq!(admin.get("/livez").unwrap().0, 200);
    to_all(Signal::SIGCONT);
    admin.wait_for("/readyz", 200, SOON);
    until("the metric to say so", SOON, || {
        (admin.metric("groklab_database_up")? == 1.0).then_some(())
    });
}

#[test]
fn without_the_flag_nothing_listens() {
    let mut stack = Stack::coordinator(&[]);
    stack.add_worker("worker-verify", &[], &[]);
    // Its self-test runs first.
    until("the worker to register", Duration::from_secs(180), || {
        stack.workers[0].log().contains("registered").then_some(())
    });
    assert!(!stack.logs().contains("serving health"), "{}", stack.logs());
    assert_eq!(listening(stack.coordinator.id()), 1);
    assert_eq!(listening(stack.workers[0].id()), 0);
}

/// TCP sockets on which a process listens.
fn listening(process: u32) -> usize {
    let mut listening = Vec::new();
    for table in ["tcp", "tcp6"] {
        let text = fs::read_to_string(format!("/proc/{process}/net/{table}")).unwrap();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if fields[3] == "0A" {
                listening.push(format!("socket:[{}]", fields[9]));
            }
        }
    }
    let descriptors = fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    let links = descriptors
        .flatten()
        .map(|entry| fs::read_link(entry.path()));
    let is_listening = |link: &Path| listening.iter().any(|socket| Path::new(socket) == link);
    links.flatten().filter(|link| is_listening(link)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_clients_find_health_and_with_a_token_reflection() {
    let folder = groklab_tests::folder();
    let file = |name: &str, letter: &str| {
        let path = folder.path().join(name);
        fs::write(&path, letter.repeat(32)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let flags = [
        "--client-token-file",
        &file("client", "c"),
        "--worker-token-file",
        &file("worker", "w"),
    ];
    let stack = tokio::task::block_in_place(|| Stack::coordinator(&flags));
    let channel = Channel::from_shared(stack.address.clone()).unwrap();
    let channel = channel.connect().await.unwrap();

    let mut health = HealthClient::new(channel.clone());
    let started = Instant::now();
    for service in ["", "groklab.v1.Experiments", "groklab.v1.Workers"] {
        loop {
            let request = HealthCheckRequest {
                service: service.to_owned(),
            };
            let answer = health.check(request).await.unwrap().into_inner();
            if answer.status() == ServingStatus::Serving {
                break;
            }
            assert!(started.elapsed() < SOON, "{service}: {answer:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    let unknown = HealthCheckRequest {
        service: "groklab.v1.Nothing".to_owned(),
    };
    assert_eq!(
        health.check(unknown).await.unwrap_err().code(),
        Code::NotFound
    );

    let mut reflection = ServerReflectionClient::new(channel);
    let list = || ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let refused = reflection
        .server_reflection_info(tokio_stream::once(list()))
        .await;
    assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);
    let mut request = Request::new(tokio_stream::once(list()));
    let token = format!("Bearer {}", "c".repeat(32)).parse().unwrap();
    request.metadata_mut().insert("authorization", token);
    let mut answers = reflection
        .server_reflection_info(request)
        .await
        .unwrap()
        .into_inner();
    let answer = answers.message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(services)) = answer.message_response else {
        panic!("{answer:?}");
    };
    let names: Vec<String> = services.service.into_iter().map(|s| s.name).collect();
    for name in ["groklab.v1.Experiments", "grpc.health.v1.Health"] {
        assert!(names.iter().any(|found| found == name), "{names:?}");
    }
}
