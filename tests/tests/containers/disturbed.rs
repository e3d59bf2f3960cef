//! Experiments with something in their way, and what they must have in common with undisturbed
//! ones.

use std::time::Duration;

use groklab_tests::{files::Results, wait::until};

use crate::{files::composes, installation::Installation};

pub const LEASE: Duration = Duration::from_secs(10);

/// An installation, yet to be brought up, of short leases whose jobs may lose their workers as
/// often as chance wants.
pub fn patient(name: &str) -> Installation {
    let lease = LEASE.as_secs().to_string();
    Installation::new(name, composes()[0])
        .with("GROKLAB_LEASE_SECONDS", &lease)
        .with("GROKLAB_ATTEMPTS", "100")
}

/// Runs the experiment that [`Disturbed`] ones are compared with.
pub fn run_undisturbed(box_one: &Installation) -> Results {
    box_one.wait_until_healthy();
    let file = box_one.busy_experiment("undisturbed");
    box_one.grokctl_ok(&["submit", &file]);
    box_one.results("undisturbed")
}

/// Experiments one after the other, so that one runs whenever something is put in its way.
pub struct Disturbed<'a> {
    box_one: &'a Installation,
    experiment: String,
    round: u32,
}

impl<'a> Disturbed<'a> {
    pub fn begin(box_one: &'a Installation) -> Self {
        let mut disturbed = Self {
            box_one,
            experiment: String::new(),
            round: 0,
        };
        disturbed.begin_another();
        disturbed
    }

    fn begin_another(&mut self) {
        self.round += 1;
        self.experiment = format!("disturbed-{}", self.round);
        self.box_one.wait_until_healthy();
        let file = self.box_one.busy_experiment(&self.experiment);
        self.box_one.grokctl_ok(&["submit", &file]);
    }

    /// Begins another experiment if the last one has ended.
    pub fn goes_on(&mut self) {
        if self.has_ended() {
            self.has_same_results();
            self.begin_another();
        }
    }

    /// Not known while the database is away, which counts as no.
    pub fn has_ended(&self) -> bool {
        let Ok(state) = self.box_one.state(&self.experiment) else {
            return false;
        };
        assert!(
            ["queued", "running", "completed"].contains(&&*state),
            "{} is {state}",
            self.experiment
        );
        state == "completed"
    }

    /// Waits until a job of this kind has begun, in the first iteration.
    pub fn wait_until_begun(&self, kind: &str) {
        wait_until_begun(self.box_one, &self.experiment, kind, 0);
    }

    /// The experiment ends, with the results of the undisturbed one.
    pub fn has_same_results(&self) {
        self.box_one.wait_until_healthy();
        let undisturbed = Results::of(&self.box_one.home().join("undisturbed"));
        assert_eq!(self.box_one.results(&self.experiment), undisturbed);
        each_rollout_has_one_verdict(self.box_one);
    }
}

/// Waits until a job of this kind and iteration has begun.
pub fn wait_until_begun(box_one: &Installation, experiment: &str, kind: &str, iteration: u32) {
    let begun = format!(
        "select count(*) from attempt join job using (job_id) \
         join experiment using (experiment_id) where name = '{experiment}' \
         and kind = '{kind}' and job.iteration = {iteration}"
    );
    let what = format!("a {kind} job of {experiment} in iteration {iteration}");
    until(&what, Duration::from_secs(240), || {
        (box_one.sql(&begun) != "0").then_some(())
    });
}

/// Of all experiments, which have ended.
pub fn each_rollout_has_one_verdict(box_one: &Installation) {
    let counts = "select (select count(*) from rollout) = (select count(*) from verdict)";
    assert_eq!(box_one.sql(counts), "t");
}
