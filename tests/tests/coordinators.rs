//! Two coordinators on one database and one store of artifacts: one is killed, the other goes on with the same result.

use std::{fs, time::Duration};

use groklab_tests::files::{Results, experiment};
use groklab_tests::{Process, Stack, wait::until};

fn file(name: &str) -> String {
    experiment(name, 2, "rft").replace(
        "max_new_tokens = 48",
        "max_new_tokens = 48\nrollouts_per_job = 16",
    )
}

/// Steps of the loop that a coordinator has taken.
fn steps(log: &str) -> usize {
    log.matches("step done").count()
}

#[test]
fn one_of_two_coordinators_is_killed_and_the_other_goes_on() {
    let mut stack = Stack::full();
    stack.submit(&file("alone"));
    stack.grokctl_ok(&["watch", "alone"]);
    let alone = Results::of(&stack.export("alone"));
    stack.workers.clear();

    let (data, second_address) = (
        stack.dir.path().join("data"),
        stack.dir.path().join("second/address"),
    );
    fs::create_dir(stack.dir.path().join("second")).unwrap();
    let url = format!(
        "postgres://groklab@localhost/groklab?host={}",
        data.join("postgres/socket").display()
    );
    let flags = [
        "--listen",
        "127.0.0.1:0",
        "--data",
        data.to_str().unwrap(),
        "--address-file",
        second_address.to_str().unwrap(),
    ];
    let second = Process::start(
        &stack.dir.path().join("second"),
        "coordinator",
        &flags,
        &[("GROKLAB_DATABASE_URL", &url)],
    );
    let second_url = until(
        &format!("the second coordinator: {}", second.log()),
        Duration::from_secs(60),
        || {
            fs::read_to_string(&second_address)
                .ok()
                .map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty())
        },
    );
    let first_url = stack.address.clone();
    for name in ["worker-verify", "worker-gen", "worker-train"] {
        stack.add_worker_at(&format!("{first_url},{second_url}"), name, &[], &[]);
    }
    let before = steps(&second.log());
    stack.submit(&file("shared"));
    until(
        "work to go on in the second iteration",
        Duration::from_secs(120),
        || {
            let tried = stack.of(
                "shared",
                "select 1 from attempt join job using (job_id) where EXPERIMENT and iteration = 1",
            )?;
            (!tried.is_empty()).then_some(())
        },
    );
    stack.coordinator.kill();
    assert_ne!(
        stack.state("shared"),
        "completed",
        "it was killed in the middle"
    );

    stack.address.clone_from(&second_url);
    stack.grokctl_ok(&["watch", "shared"]);
    assert!(steps(&second.log()) > before, "the other one went on");
    stack.assert_accounts("shared", 28 * 5 * 3 + 16 * 4 * 2);
    assert_eq!(Results::of(&stack.export("shared")), alone);
    assert!(
        stack.workers.iter_mut().all(Process::running),
        "{}",
        stack.logs()
    );
    // It looks after the database it brought up, and stops it at the end.
    stack.workers.clear();
    drop(second);
    stack.address = first_url;
    stack.coordinator.kill_and_restart();
    stack.wait_until_served();
}
