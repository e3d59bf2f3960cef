//! Containers that cannot reach each other for a while: what an experiment finds is the same as if
//! nothing had happened.

use std::{
    process::Command,
    thread,
    time::{Duration, Instant},
};

use crate::{
    engine::{docker, engine, engine_if_asked_for, output},
    files::composes,
    installation::Installation,
};

const LEASE: Duration = Duration::from_secs(10);
/// Shorter than a lease, and long enough for a lease to be lost and given to another.
const CUTS: [Duration; 2] = [Duration::from_secs(4), Duration::from_secs(25)];

/// Where an experiment runs twice: undisturbed, and then with something in its way.
fn installation(name: &str) -> Installation {
    let lease = LEASE.as_secs().to_string();
    let box_one = Installation::new(name, composes()[0]).with("GROKLAB_LEASE_SECONDS", &lease);
    box_one.up(&[]);
    box_one.wait_until_healthy();
    let file = box_one.busy_experiment("undisturbed");
    box_one.grokctl_ok(&["submit", &file, "--watch"]);
    box_one.grokctl_ok(&["submit", &box_one.busy_experiment("disturbed")]);
    box_one
}

/// The disturbed experiment ends, with the results of the undisturbed one.
fn same_results(box_one: &Installation) {
    assert_eq!(box_one.results("disturbed"), box_one.results("undisturbed"));
    // One verdict for each rollout.
    let counts = "select (select count(*) from rollout) = (select count(*) from verdict)";
    assert_eq!(box_one.sql(counts), "t");
}

fn still_running(box_one: &Installation) {
    assert_eq!(box_one.state("disturbed"), "running", "it ended too early");
}

/// Takes a service's container off networks for so long.
fn cut(box_one: &Installation, service: &str, networks: &[&str], lasts: Duration) {
    let container = &box_one.containers(service)[0];
    let named = |network: &&str| format!("{}_{network}", box_one.name);
    let networks: Vec<String> = networks.iter().map(named).collect();
    for network in &networks {
        docker(&["network", "disconnect", network, container]);
    }
    thread::sleep(lasts);
    for network in &networks {
        docker(&["network", "connect", "--alias", service, network, container]);
    }
}

#[test]
fn cut_off_workers_and_a_cut_off_database_change_no_result() {
    let Some(_alone) = engine() else {
        return;
    };
    let box_one = installation("cut");
    for (service, networks) in [
        ("worker-verify", &["control"][..]),
        // On both it reaches the coordinator.
        ("worker-gen", &["control", "outside"]),
        ("postgres", &["database"]),
    ] {
        for lasts in CUTS {
            still_running(&box_one);
            cut(&box_one, service, networks, lasts);
        }
    }
    still_running(&box_one);
    same_results(&box_one);
}

/// Runs a program in a container's network, with the rights of this machine.
fn in_network(container: &str, program: &[&str]) -> Result<String, String> {
    let pid = docker(&["inspect", "-f", "{{.State.Pid}}", container]);
    let mut command = Command::new("nsenter");
    output(
        command
            .args(["--target", pid.trim(), "--net"])
            .args(program),
    )
}

/// Drops packets of a container's connections to the coordinator, without a word to either side.
fn drop_packets(box_one: &Installation, service: &str, rule: &[&str], lasts: Duration) {
    let container = &box_one.containers(service)[0];
    for change in ["--append", "--delete"] {
        let mut args = vec!["iptables", change];
        args.extend(rule);
        args.extend(["--protocol", "tcp", "--jump", "DROP"]);
        in_network(container, &args).unwrap();
        if change == "--append" {
            thread::sleep(lasts);
        }
    }
}

#[test]
fn lost_packets_silent_peers_and_slow_links_change_no_result() {
    let Some(_alone) = engine_if_asked_for() else {
        return;
    };
    let box_one = installation("silence");
    let some = [
        "--match",
        "statistic",
        "--mode",
        "random",
        "--probability",
        "0.3",
    ];
    for chain in ["INPUT", "OUTPUT"] {
        still_running(&box_one);
        let rule = [&[chain][..], &some].concat();
        drop_packets(&box_one, "worker-verify", &rule, Duration::from_secs(8));
    }
    // The worker's words arrive, the answers do not: only its own keepalive can tell.
    for (service, lasts) in [("worker-verify", CUTS[1]), ("worker-gen", CUTS[1])] {
        still_running(&box_one);
        drop_packets(&box_one, service, &["INPUT"], lasts);
    }
    still_running(&box_one);
    let trainer = &box_one.containers("worker-train")[0];
    let links = in_network(
        trainer,
        &["ip", "-o", "-4", "address", "show", "scope", "global"],
    );
    for link in links.unwrap().lines() {
        let link = link.split_whitespace().nth(1).unwrap();
        // An adapter of a few hundred kB takes some seconds, and every call is late.
        let slow =
            format!("tc qdisc add dev {link} root tbf rate 400kbit burst 16kbit latency 400ms");
        in_network(trainer, &slow.split(' ').collect::<Vec<_>>()).unwrap();
    }
    same_results(&box_one);
}

/// From one kill to the next.
const PAUSE: Duration = Duration::from_secs(7);

#[test]
fn containers_that_are_killed_come_back_and_change_no_result() {
    let Some(_alone) = engine_if_asked_for() else {
        return;
    };
    let box_one = installation("killed");
    let services = [
        "worker-verify",
        "coordinator",
        "worker-gen",
        "postgres",
        "worker-train",
    ];
    let started = Instant::now();
    let mut killed = 0;
    for service in services.iter().cycle() {
        if started.elapsed() > Duration::from_secs(120) || box_one_ended(&box_one) {
            break;
        }
        // Not by `docker kill`, after which Docker would leave it be: as the kernel kills it.
        let container = &box_one.containers(service)[0];
        let pid = docker(&["inspect", "-f", "{{.State.Pid}}", container]);
        if pid.trim() != "0" {
            output(Command::new("kill").args(["-KILL", pid.trim()])).unwrap();
            killed += 1;
        }
        thread::sleep(PAUSE);
    }
    assert!(killed >= services.len(), "{killed}");
    same_results(&box_one);
}

/// Whether it has; not known while the database is away.
fn box_one_ended(box_one: &Installation) -> bool {
    let postgres = &box_one.containers("postgres")[0];
    let query = "select state = 'completed' from experiment where name = 'disturbed'";
    let ask = [
        "exec", postgres, "psql", "-U", "groklab", "-At", "-c", query,
    ];
    output(Command::new("docker").args(ask)).is_ok_and(|answer| answer.trim() == "t")
}
