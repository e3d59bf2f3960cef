//! Two coordinators behind one name, restarted in turn as in an update without a gap.

use std::time::Duration;

use crate::{
    disturbed::{Disturbed, patient, run_undisturbed},
    engine::{docker, engine_if_asked_for, log},
    installation::admin_of,
};

const ROUNDS: usize = 4;

#[test]
fn two_coordinators_that_are_restarted_in_turn_change_no_result() {
    let Some(_alone) = engine_if_asked_for() else {
        return;
    };
    // On a port that Docker chooses for each, for one port is not published twice.
    let box_one = patient("rolling").with("GROKLAB_PUBLISH", "127.0.0.1:");
    box_one.up(&["--scale", "coordinator=2"]);
    run_undisturbed(&box_one);
    let coordinators = box_one.containers("coordinator");
    assert_eq!(coordinators.len(), 2);

    let mut disturbed = Disturbed::begin(&box_one);
    for _ in 0..ROUNDS {
        for coordinator in &coordinators {
            disturbed.goes_on();
            disturbed.wait_until_begun("generate");
            restart(coordinator);
        }
    }
    disturbed.has_same_results();
    for coordinator in &coordinators {
        let log = log(coordinator);
        let stopped = log.matches(r#""message":"stopped""#).count();
        assert_eq!(stopped, ROUNDS, "each time in order");
        assert!(log.contains("step done"), "the other one did all the work");
    }
}

/// As an operator does it: the next one's turn comes when this one is ready again.
fn restart(coordinator: &str) {
    docker(&["restart", "--time", "45", coordinator]);
    admin_of(coordinator).wait_for("/readyz", 200, Duration::from_secs(60));
}
