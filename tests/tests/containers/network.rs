//! Containers that cannot reach each other for a while: what an experiment finds is the same as if
//! nothing had happened.

use std::{
    process::Command,
    thread,
    time::{Duration, Instant},
};

use crate::{
    disturbed::{Disturbed, patient, run_undisturbed},
    engine::{docker, engine, engine_if_asked_for, output},
    installation::Installation,
};

/// Shorter than a lease, and long enough for a lease to be lost and given to another.
const CUTS: [Duration; 2] = [Duration::from_secs(4), Duration::from_secs(25)];

/// Where an experiment runs twice: undisturbed, and then with something in its way.
fn installation(name: &str) -> Installation {
    let box_one = patient(name);
    box_one.up(&[]);
    run_undisturbed(&box_one);
    box_one
}

/// Takes a service's container off networks for so long.
fn cut(box_one: &Installation, service: &str, networks: &[&str], lasts: Duration) {
    // The cut itself is what takes the time.
    let wait = || thread::sleep(lasts);
    cut_during(box_one, service, networks, wait);
}

/// Takes a service's container off networks until `meanwhile` has ended.
pub fn cut_during(
    box_one: &Installation,
    service: &str,
    networks: &[&str],
    meanwhile: impl FnOnce(),
) {
    let container = &box_one.containers(service)[0];
    let named = |network: &&str| format!("{}_{network}", box_one.name);
    let networks: Vec<String> = networks.iter().map(named).collect();
    for network in &networks {
        docker(&["network", "disconnect", network, container]);
    }
    meanwhile();
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
    let mut disturbed = Disturbed::begin(&box_one);
    for (service, networks) in [
        ("worker-verify", &["control"][..]),
        // On both it reaches the coordinator.
        ("worker-gen", &["control", "outside"]),
        ("postgres", &["database"]),
    ] {
        for lasts in CUTS {
            disturbed.goes_on();
            cut(&box_one, service, networks, lasts);
        }
    }
    disturbed.has_same_results();
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
    let mut disturbed = Disturbed::begin(&box_one);
    let some = [
        "--match",
        "statistic",
        "--mode",
        "random",
        "--probability",
        "0.3",
    ];
    for chain in ["INPUT", "OUTPUT"] {
        disturbed.goes_on();
        let rule = [&[chain][..], &some].concat();
        drop_packets(&box_one, "worker-verify", &rule, Duration::from_secs(8));
    }
    // The worker's words arrive, the answers do not: only its own keepalive can tell.
    for (service, lasts) in [("worker-verify", CUTS[1]), ("worker-gen", CUTS[1])] {
        disturbed.goes_on();
        drop_packets(&box_one, service, &["INPUT"], lasts);
    }
    disturbed.goes_on();
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
    disturbed.has_same_results();
}

/// How long containers are killed, whatever number of experiments that takes.
const KILLED_FOR: Duration = Duration::from_secs(600);
const SERVICES: [&str; 5] = [
    "worker-verify",
    "coordinator",
    "worker-gen",
    "postgres",
    "worker-train",
];

#[test]
fn containers_that_are_killed_come_back_and_change_no_result() {
    let Some(_alone) = engine_if_asked_for() else {
        return;
    };
    let box_one = installation("killed");
    let mut disturbed = Disturbed::begin(&box_one);
    let started = Instant::now();
    let (mut turn, mut killed) = (0_u32, 0);
    while started.elapsed() < KILLED_FOR {
        disturbed.goes_on();
        // As good as at random, and the same in every run.
        let mixed = turn.wrapping_mul(2_654_435_761) >> 24;
        killed += u32::from(kill(&box_one, SERVICES[mixed as usize % SERVICES.len()]));
        turn += 1;
        thread::sleep(Duration::from_secs(3 + u64::from(mixed % 8)));
    }
    disturbed.has_same_results();
    println!("{killed} processes were killed");
    assert!(killed > 20, "{killed}");
}

/// Kills a service's process as the kernel would; after `docker kill` Docker would leave it be.
/// False if there was none.
fn kill(box_one: &Installation, service: &str) -> bool {
    let container = &box_one.containers(service)[0];
    let pid = docker(&["inspect", "-f", "{{.State.Pid}}", container]);
    // 0: it has not come back yet.
    pid.trim() != "0" && output(Command::new("kill").args(["-KILL", pid.trim()])).is_ok()
}
