//! Looking at jobs and attempts in the database of a stack, and holding a job in its middle.

use std::{thread, time::Duration};

use nix::sys::signal::Signal;

use crate::{Stack, processes::Stuck, wait::until};

/// How long a message that was sent may take to reach the database.
const SETTLE: Duration = Duration::from_secs(1);
/// Rows from which on a generate job takes long enough to be stopped in its middle.
const LONG: u32 = 500;

/// A leased job whose worker stands still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub job: String,
    pub fence: i64,
}

impl Stack {
    /// The oldest leased job of `kind` of the experiment `name`.
    pub fn leased(&self, name: &str, kind: &str) -> Option<Held> {
        let query = format!(
            "select job_id, fence from job where EXPERIMENT and kind = '{kind}' and state = 'leased' order by rank limit 1"
        );
        let row = self.of(name, &query)?.first()?.clone();
        let (job, fence) = row.split_once('|')?;
        Some(Held {
            job: job.to_owned(),
            fence: fence.parse().ok()?,
        })
    }

    /// Waits until a job of `kind` of the experiment `name` is leased, and freezes `worker`, which must be the only one of its kind.
    pub fn freeze(&self, name: &str, kind: &str, worker: usize) -> Held {
        until(
            &format!("a {kind} job of `{name}` to be leased"),
            Duration::from_secs(180),
            || {
                // First it stands still: a job of the tiny model ends sooner than anybody has looked.
                self.workers[worker].signal(Signal::SIGSTOP);
                self.settle();
                let held = self.leased(name, kind);
                if held.is_none() {
                    self.workers[worker].signal(Signal::SIGCONT);
                }
                held
            },
        )
    }

    /// The same, but of the worker only the thread that computes stands still, until the second value is dropped, and that in the middle of
    /// a long job.
    pub fn stick(&self, name: &str, kind: &str, worker: usize) -> (Held, Stuck) {
        until(
            &format!("worker {worker} to be in the middle of a {kind} job of `{name}`"),
            Duration::from_secs(180),
            || {
                let before = self.leased(name, kind).filter(|held| self.is_long(held))?;
                let stuck = Stuck::new(self.workers[worker].id(), "compute");
                self.settle();
                self.leased(name, kind)
                    .filter(|held| *held == before)
                    .map(|held| (held, stuck))
            },
        )
    }

    /// Waits until the worker that holds, or held, this job has called again.
    pub fn hear_from_its_worker(&self, held: &Held) {
        let seen = format!(
            "select seen_at from worker join attempt using (worker_id) where job_id = '{}' and fence = {}",
            held.job, held.fence
        );
        let before = self.sql(&seen).expect("the database answers");
        until("a call of the worker", Duration::from_secs(60), || {
            (self.sql(&seen)? != before).then_some(())
        });
    }

    /// Waits until a result that was on its way is stored.
    fn settle(&self) {
        thread::sleep(SETTLE);
        let open = "select 1 from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null";
        until("no transaction to be open", Duration::from_secs(60), || {
            self.sql(open)?.is_empty().then_some(())
        });
    }

    fn is_long(&self, held: &Held) -> bool {
        let query = format!(
            "select 1 from job where job_id = '{}' and (kind = 'train' or units_total >= {LONG})",
            held.job
        );
        self.sql(&query).is_some_and(|rows| !rows.is_empty())
    }

    /// Asks about one experiment: `EXPERIMENT` in the query stands for the condition that names it. None while the database is away.
    pub fn of(&self, name: &str, query: &str) -> Option<Vec<String>> {
        let condition = format!(
            "experiment_id = (select experiment_id from experiment where name = '{name}' order by created_at desc limit 1)"
        );
        self.sql(&query.replace("EXPERIMENT", &condition))
    }

    /// The one value that a query about an experiment gives.
    pub fn one(&self, name: &str, query: &str) -> String {
        let rows = self.of(name, query).expect("the database answers");
        rows.first().cloned().unwrap_or_default()
    }

    /// Outcomes of a job's attempts, in order.
    pub fn attempts(&self, job: &str) -> Vec<String> {
        self.sql(&format!(
            "select outcome from attempt where job_id = '{job}' order by fence"
        ))
        .expect("the database answers")
    }

    /// The job was lost, as often as a slow machine lets a lease expire, and done once.
    ///
    /// # Panics
    /// When its attempts say otherwise.
    pub fn assert_lost_and_done(&self, job: &str) {
        let attempts = self.attempts(job);
        let (last, before) = attempts.split_last().expect("it was tried");
        assert!(
            last == "done" && !before.is_empty() && before.iter().all(|outcome| outcome == "lost"),
            "{attempts:?}"
        );
    }

    /// Nothing of a completed experiment is stored twice, nothing is missing, and every attempt has a worker and an end.
    ///
    /// # Panics
    /// When the accounts do not add up.
    pub fn assert_accounts(&self, name: &str, rollouts: usize) {
        let counted =
            self.one(name, "select count(*), count(distinct (iteration, purpose, problem, sample)) from rollout where EXPERIMENT");
        assert_eq!(counted, format!("{rollouts}|{rollouts}"));
        assert_eq!(
            self.one(
                name,
                "select count(*) from verdict join rollout using (rollout_id) where EXPERIMENT"
            ),
            rollouts.to_string()
        );
        let unended = "select count(*) from attempt join job using (job_id) where EXPERIMENT and (outcome = 'running' or ended_at is null)";
        assert_eq!(self.one(name, unended), "0");
        let not_once = "select count(*) from (select job_id from job left join attempt on attempt.job_id = job.job_id and outcome = 'done'
            where EXPERIMENT and state = 'done' group by job.job_id having count(outcome) <> 1) wrong";
        assert_eq!(
            self.one(
                name,
                &not_once.replace("select job_id from", "select job.job_id from")
            ),
            "0"
        );
    }

    /// Submits a file and returns at once.
    pub fn submit(&self, text: &str) {
        let path = self.file("experiment.toml", text);
        self.grokctl_ok(&["submit", path.to_str().unwrap()]);
    }

    /// The state that an experiment is in.
    pub fn state(&self, name: &str) -> String {
        self.of(name, "select state from experiment where EXPERIMENT")
            .and_then(|rows| rows.first().cloned())
            .unwrap_or_default()
    }
}
