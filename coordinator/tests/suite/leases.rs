//! Leases, fences, attempts: what happens when workers fail, vanish, lie or come late.

use std::time::Duration;

use groklab_proto::v1::{self, complete_request::Result as Outcome, job::Work};
use tonic::Code;

use crate::{
    harness::{Coordinator, eventually, named},
    worker::{Worker, crew, verify},
};

/// One greedy rollout job of two problems, nothing else.
const FILE: &str = r#"
name = "one-job"
iterations = 0
[model]
source = "m.gguf"
[problems]
families = ["digits/digits=all"]
holdout = "case"
difficulty = [2, 2]
train = 1
val = 0
test = 1
[evaluate]
samples = 0
"#;

#[tokio::test]
async fn a_job_is_completed_once() {
    let coordinator = Coordinator::start().await;
    let id = coordinator.submit(FILE).await;
    let mut worker = Worker::register(&coordinator, "generate").await;
    let job = worker.lease().await;
    // A worker that does not know of its job is given it again.
    assert_eq!(worker.lease().await, job);
    let result = worker.work(&job).await;
    let stale = v1::Job {
        fence: job.fence - 1,
        ..job.clone()
    };
    assert!(!worker.complete(&stale, result.clone()).await.unwrap());
    assert!(worker.complete(&job, result.clone()).await.unwrap());
    assert!(
        worker.complete(&job, result.clone()).await.unwrap(),
        "the answer may have been lost"
    );
    assert_eq!(coordinator.count("select count(*) from rollout").await, 2);
    assert_eq!(
        coordinator
            .count("select count(*) from job where kind = 'verify'")
            .await,
        1
    );
    let unknown = v1::Job {
        job_id: uuid::Uuid::new_v4().to_string(),
        ..job
    };
    assert_eq!(
        worker.complete(&unknown, result).await.unwrap_err().code(),
        Code::NotFound
    );
    let _crew = crew(&coordinator).await;
    coordinator.until(&id, "completed").await;
    coordinator.stop().await;
}

#[tokio::test]
async fn an_expired_lease_goes_to_another_worker() {
    let coordinator = Coordinator::with(1, 3).await;
    let id = coordinator.submit(FILE).await;
    let (mut slow, mut quick) = (
        Worker::register(&coordinator, "generate").await,
        Worker::register(&coordinator, "generate").await,
    );
    let lost = slow.lease().await;
    let job = quick.lease().await;
    assert_eq!(
        (job.job_id.as_str(), job.fence),
        (lost.job_id.as_str(), lost.fence + 1)
    );
    let result = slow.work(&lost).await;
    assert!(
        !slow.complete(&lost, result.clone()).await.unwrap(),
        "somebody else has it"
    );
    assert_eq!(
        slow.heartbeat(&lost).await,
        std::slice::from_ref(&lost.job_id)
    );
    assert!(quick.complete(&job, result).await.unwrap());
    assert_eq!(
        coordinator
            .count("select count(*) from attempt where outcome = 'lost'")
            .await,
        1
    );
    let _crew = crew(&coordinator).await;
    coordinator.until(&id, "completed").await;
    coordinator.stop().await;
}

#[tokio::test]
async fn a_late_holder_whom_nobody_replaced_may_finish() {
    let coordinator = Coordinator::with(1, 3).await;
    coordinator.submit(FILE).await;
    let mut slow = Worker::register(&coordinator, "generate").await;
    let job = slow.lease().await;
    let lost = "select count(*) from attempt where outcome = 'lost'";
    eventually("lost attempt", async || {
        (coordinator.count(lost).await == 1).then_some(())
    })
    .await;
    let again = slow.again();
    eventually("lease again", async || {
        assert!(again.again().heartbeat(&job).await.is_empty());
        (coordinator.count(lost).await == 0).then_some(())
    })
    .await;
    let result = slow.work(&job).await;
    assert!(slow.complete(&job, result).await.unwrap());
    coordinator.stop().await;
}

#[tokio::test]
async fn heartbeats_keep_a_lease() {
    let coordinator = Coordinator::with(1, 3).await;
    coordinator.submit(FILE).await;
    let mut worker = Worker::register(&coordinator, "generate").await;
    let job = worker.lease().await;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(worker.heartbeat(&job).await.is_empty());
    }
    let result = worker.work(&job).await;
    assert!(worker.complete(&job, result).await.unwrap());
    assert_eq!(
        coordinator
            .count("select count(*) from attempt where outcome <> 'done'")
            .await,
        0
    );
    coordinator.stop().await;
}

#[tokio::test]
async fn used_up_attempts_pause_with_the_reason_and_hold_up_nobody() {
    let coordinator = Coordinator::with(30, 2).await;
    let id = coordinator.submit(FILE).await;
    let mut worker = Worker::register(&coordinator, "generate").await;
    for _ in 0..2 {
        let job = worker.lease().await;
        worker
            .fail(&job, "infrastructure", "the GPU fell off\0")
            .await;
    }
    let paused = coordinator.until(&id, "paused").await;
    assert!(
        paused.reason.contains("failed 2 times") && paused.reason.contains("the GPU fell off"),
        "{}",
        paused.reason
    );
    let other = coordinator
        .try_submit("other", FILE)
        .await
        .unwrap()
        .experiment
        .unwrap()
        .experiment_id;
    let _crew = crew(&coordinator).await;
    coordinator.until(&other, "completed").await;
    coordinator.experiments().resume(named(&id)).await.unwrap();
    coordinator.until(&id, "completed").await;
    coordinator.stop().await;
}

#[tokio::test]
async fn a_callers_fault_fails_the_experiment_and_a_release_counts_nothing() {
    let coordinator = Coordinator::with(30, 1).await;
    let id = coordinator.submit(FILE).await;
    let mut worker = Worker::register(&coordinator, "generate").await;
    for _ in 0..3 {
        let job = worker.lease().await;
        worker.fail(&job, "released", "draining").await;
    }
    assert_eq!(coordinator.get(&id).await.state, "running");
    let job = worker.lease().await;
    worker.fail(&job, "caller", "no file `m.gguf`").await;
    let failed = coordinator.until(&id, "failed").await;
    assert_eq!(failed.reason, "no file `m.gguf`");
    coordinator.stop().await;
}

/// Told to stop while it asks for work, a worker may be given a job and never hear of it.
#[tokio::test]
async fn what_a_worker_that_leaves_was_given_goes_to_another() {
    let coordinator = Coordinator::with(600, 1).await;
    coordinator.submit(FILE).await;
    let mut leaving = Worker::register(&coordinator, "generate").await;
    let unheard = leaving.lease().await;
    leaving.leave().await;
    let mut other = Worker::register(&coordinator, "generate").await;
    let job = tokio::time::timeout(Duration::from_secs(60), other.lease())
        .await
        .expect("it is given to another");
    assert_eq!(
        (job.job_id.as_str(), job.fence),
        (unheard.job_id.as_str(), unheard.fence + 1)
    );
    let ends = "select count(*) from attempt where outcome = 'cancelled' and reason = 'its worker has left'";
    assert_eq!(coordinator.count(ends).await, 1);
    assert_eq!(
        coordinator
            .count("select count(*) from job where losses + failures > 0")
            .await,
        0
    );
    assert_eq!(
        leaving.try_lease().await.unwrap_err().code(),
        Code::NotFound,
        "it has left"
    );
    let workers = coordinator
        .experiments()
        .list_workers(v1::ListWorkersRequest {})
        .await
        .unwrap()
        .into_inner()
        .workers;
    assert_eq!(
        workers
            .iter()
            .map(|worker| worker.worker_id.as_str())
            .collect::<Vec<_>>(),
        [other.id.as_str()]
    );
    leaving.introduce().await;
    assert_eq!(
        leaving.heartbeat(&unheard).await,
        std::slice::from_ref(&unheard.job_id),
        "it is known again, and the job is another's"
    );
    coordinator.stop().await;
}

#[tokio::test]
async fn results_that_are_not_the_jobs_are_refused() {
    let coordinator = Coordinator::with(30, 9).await;
    let id = coordinator.submit(FILE).await;
    let mut worker = Worker::register(&coordinator, "generate").await;
    let wrong: [fn(&mut v1::GenerateResult); 5] = [
        |result| result.adapter_id = groklab_domain::Digest::of(b"another adapter").to_string(),
        |result| drop(result.rollouts.pop()),
        |result| result.rollouts[0].sample = 9,
        |result| result.rollouts[0] = result.rollouts[1].clone(),
        |result| result.base_digest = "none".to_owned(),
    ];
    for spoil in wrong {
        let job = worker.lease().await;
        let Outcome::Generate(mut result) = worker.work(&job).await else {
            panic!("a generate job")
        };
        spoil(&mut result);
        assert_eq!(
            worker
                .complete(&job, Outcome::Generate(result))
                .await
                .unwrap_err()
                .code(),
            Code::FailedPrecondition
        );
        assert_eq!(coordinator.count("select count(*) from rollout").await, 0);
        coordinator.experiments().pause(named(&id)).await.unwrap();
        // Resuming forgives the failure and its waiting time.
        coordinator.experiments().resume(named(&id)).await.unwrap();
    }
    let _crew = crew(&coordinator).await;
    coordinator.until(&id, "completed").await;
    assert_eq!(
        coordinator
            .count("select count(*) from attempt where outcome = 'failed'")
            .await,
        5
    );
    coordinator.stop().await;
}

#[tokio::test]
async fn an_infrastructure_error_is_never_a_verdict() {
    let coordinator = Coordinator::start().await;
    let id = coordinator.submit(FILE).await;
    let _generate = Worker::register(&coordinator, "generate").await.run();
    let mut worker = Worker::register(&coordinator, "verify").await;
    let job = worker.lease().await;
    let Some(Work::Verify(work)) = &job.work else {
        panic!("a verify job")
    };
    let mut result = verify(work);
    result.verdicts[1].verdict = "infrastructure_error".to_owned();
    result.verdicts[1].error = "nsjail is gone".to_owned();
    let refused = worker
        .complete(&job, Outcome::Verify(result))
        .await
        .unwrap_err();
    assert!(
        refused.message().contains("nsjail is gone"),
        "{}",
        refused.message()
    );
    assert_eq!(coordinator.count("select count(*) from verdict").await, 0);
    let _verify = worker.run();
    coordinator.until(&id, "completed").await;
    coordinator.stop().await;
}

#[tokio::test]
async fn who_answers_every_case_and_is_ended_after_it_is_not_correct() {
    let coordinator = Coordinator::start().await;
    let id = coordinator.submit(FILE).await;
    let _generate = Worker::register(&coordinator, "generate").await.run();
    let mut worker = Worker::register(&coordinator, "verify").await;
    let job = worker.lease().await;
    let Some(Work::Verify(work)) = &job.work else {
        panic!("a verify job")
    };
    let mut result = verify(work);
    for verdict in &mut result.verdicts {
        verdict.verdict = "timeout".to_owned();
        verdict.hidden_passed = verdict.hidden_total;
        verdict.first_failure = None;
    }
    let mut contradiction = result.clone();
    contradiction.verdicts[0].verdict = "passed".to_owned();
    contradiction.verdicts[0].hidden_passed -= 1;
    let refused = worker
        .complete(&job, Outcome::Verify(contradiction))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let job = worker.lease().await;
    assert!(
        worker
            .complete(&job, Outcome::Verify(result))
            .await
            .unwrap()
    );
    assert_eq!(coordinator.count("select count(*) from verdict where verdict = 'timeout' and not correct and not shortcut").await, 2);
    coordinator.until(&id, "completed").await;
    coordinator.stop().await;
}

#[tokio::test]
async fn an_experiment_keeps_to_the_python_of_its_first_verdict() {
    let coordinator = Coordinator::start().await;
    let id = coordinator
        .submit(&format!("{FILE}[generate]\nrollouts_per_job = 1\n"))
        .await;
    let _generate = Worker::register(&coordinator, "generate").await.run();
    let mut old = Worker::register(&coordinator, "verify").await;
    let mut new = Worker::register(&coordinator, "verify").await;
    new.python = "3.12.1";
    new.introduce().await;
    let ready = "select count(*) from job where kind = 'verify' and state = 'ready'";
    eventually("two jobs", async || {
        (coordinator.count(ready).await >= 2).then_some(())
    })
    .await;
    // Nothing is fixed yet, so both are given jobs.
    let (first, second) = (old.lease().await, new.lease().await);
    let (right, late) = (old.work(&first).await, new.work(&second).await);
    assert!(old.complete(&first, right).await.unwrap());
    let refused = new.complete(&second, late).await.unwrap_err();
    assert!(
        refused
            .message()
            .contains("made with Python 3.12, the experiment's is 3.11"),
        "{}",
        refused.message()
    );
    // The job that came back is there, and others are.
    let waited = tokio::time::timeout(Duration::from_secs(3), new.lease()).await;
    assert!(waited.is_err(), "it was given a job");
    // Said where people look, and once.
    new.introduce().await;
    assert_eq!(
        coordinator
            .count("select count(*) from event where kind = 'worker_unfit'")
            .await,
        1
    );
    let _old = old.run();
    coordinator.until(&id, "completed").await;
    assert_eq!(
        coordinator
            .count("select count(*) from experiment where python = '3.11'")
            .await,
        1
    );
    coordinator.stop().await;
}

#[tokio::test]
async fn a_verify_job_that_is_lost_twice_is_split() {
    let coordinator = Coordinator::with(1, 3).await;
    let id = coordinator.submit(FILE).await;
    let _generate = Worker::register(&coordinator, "generate").await.run();
    for _ in 0..2 {
        // Takes the job and is never heard of again.
        Worker::register(&coordinator, "verify").await.lease().await;
    }
    let mut worker = Worker::register(&coordinator, "verify").await;
    let job = worker.lease().await;
    let Some(Work::Verify(work)) = &job.work else {
        panic!("a verify job")
    };
    assert_eq!(work.candidates.len(), 1);
    let result = worker.work(&job).await;
    assert!(worker.complete(&job, result).await.unwrap());
    let _verify = worker.run();
    coordinator.until(&id, "completed").await;
    assert_eq!(coordinator.count("select count(*) from verdict").await, 2);
    coordinator.stop().await;
}

#[tokio::test]
async fn cancel_drops_running_work_and_pause_gives_none() {
    let coordinator = Coordinator::start().await;
    let id = coordinator.submit(FILE).await;
    let mut worker = Worker::register(&coordinator, "generate").await;
    let job = worker.lease().await;
    coordinator.experiments().pause(named(&id)).await.unwrap();
    assert!(
        worker.heartbeat(&job).await.is_empty(),
        "what runs may finish"
    );
    coordinator
        .experiments()
        .cancel(named("one-job"))
        .await
        .unwrap();
    assert_eq!(
        worker.heartbeat(&job).await,
        std::slice::from_ref(&job.job_id)
    );
    let result = worker.work(&job).await;
    assert!(!worker.complete(&job, result).await.unwrap());
    assert_eq!(coordinator.get(&id).await.state, "cancelled");
    coordinator
        .experiments()
        .cancel(named(&id))
        .await
        .expect("safe to repeat");
    let refused = coordinator
        .experiments()
        .resume(named(&id))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    coordinator.stop().await;
}

#[tokio::test]
async fn a_step_that_cannot_be_done_pauses_with_the_reason() {
    let coordinator = Coordinator::start().await;
    let id = coordinator.submit(FILE).await;
    let _generate = Worker::register(&coordinator, "generate").await.run();
    let mut worker = Worker::register(&coordinator, "verify").await;
    let job = worker.lease().await;
    coordinator
        .execute("alter table metric add constraint broken check (line = '')")
        .await;
    let result = worker.work(&job).await;
    assert!(worker.complete(&job, result).await.unwrap());
    let paused = coordinator.until(&id, "paused").await;
    assert!(
        paused.reason.contains("iteration 0 cannot go on") && paused.reason.contains("broken"),
        "{}",
        paused.reason
    );
    assert_eq!(
        coordinator
            .count("select count(*) from event where level = 'error'")
            .await,
        1
    );
    coordinator
        .execute("alter table metric drop constraint broken")
        .await;
    coordinator.experiments().resume(named(&id)).await.unwrap();
    coordinator.until(&id, "completed").await;
    coordinator.stop().await;
}

/// As after an update that dropped a key.
#[tokio::test]
async fn an_experiment_whose_configuration_cannot_be_read_any_more_holds_up_no_other() {
    let coordinator = Coordinator::start().await;
    let id = coordinator.submit(FILE).await;
    let _generate = Worker::register(&coordinator, "generate").await.run();
    let mut worker = Worker::register(&coordinator, "verify").await;
    let job = worker.lease().await;
    coordinator
        .execute("update experiment set config = '{\"dropped\": true}'")
        .await;
    let paused = coordinator.until(&id, "paused").await;
    assert!(
        paused.reason.contains("cannot be read by this version")
            && paused.reason.contains("dropped"),
        "{}",
        paused.reason
    );
    let other = coordinator
        .try_submit("second", &FILE.replace("one-job", "another"))
        .await
        .unwrap()
        .experiment
        .unwrap()
        .experiment_id;
    // As if it did not know of the job that it has: that one cannot be sent again.
    let next = worker.lease().await;
    assert_ne!(next.job_id, job.job_id);
    let result = worker.work(&next).await;
    assert!(worker.complete(&next, result).await.unwrap());
    let result = worker.work(&job).await;
    assert!(
        worker.complete(&job, result).await.is_err(),
        "what it must be checked against is not known"
    );
    coordinator.until(&other, "completed").await;
    assert_eq!(
        coordinator
            .experiments()
            .list(v1::ListRequest::default())
            .await
            .unwrap()
            .into_inner()
            .experiments
            .len(),
        2
    );
    coordinator.experiments().cancel(named(&id)).await.unwrap();
    assert_eq!(coordinator.get(&id).await.state, "cancelled");
    coordinator.stop().await;
}
