//! Iterations that sample some of the train problems.

use crate::{harness::Coordinator, life::FILE, worker::crew};

#[tokio::test]
async fn an_iteration_samples_as_many_as_the_file_says_and_always_the_same() {
    let coordinator = Coordinator::start().await;
    let _crew = crew(&coordinator).await;
    let drawn = "samples = 4\nproblems = 2\ncurriculum = \"success\"\nrollouts_per_job";
    let file = FILE.replace("samples = 4\nrollouts_per_job", drawn);
    let first = coordinator.submit(&file).await;
    let second = coordinator.try_submit("again", &file).await.unwrap();
    let second = second.experiment.unwrap().experiment_id;
    for id in [&first, &second] {
        coordinator.until(id, "completed").await;
    }
    let (metrics, iterations) = coordinator.lines(&first).await;
    assert_eq!(
        coordinator.lines(&second).await,
        (metrics.clone(), iterations.clone())
    );
    for line in &iterations {
        assert_eq!(line["rollouts"]["total"], 2 * 4);
    }
    // All of them are evaluated.
    for line in &metrics {
        assert_eq!(line["splits"]["train"]["total"], 6);
    }
    let same =
        "select count(*) from (select iteration, problem from rollout where purpose = 'train'
        group by iteration, problem having count(distinct experiment_id) = 2) drawn";
    assert_eq!(coordinator.count(same).await, 2 * 2);
    // Six problems, and each iteration draws anew.
    let asked = "select count(distinct problem) from rollout where purpose = 'train'";
    assert!((2..=4).contains(&coordinator.count(asked).await));
    coordinator.stop().await;
}
