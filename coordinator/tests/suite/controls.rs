//! What `train.select` trains on.

use std::collections::BTreeMap;

use groklab_domain::experiment::Select;
use groklab_proto::v1::job::Work;
use serde::Deserialize;

use crate::{harness::Coordinator, life::FILE, worker::Worker};

#[derive(Deserialize)]
struct Example {
    problem: u32,
    sample: u32,
    prompt: String,
    /// The pretending worker writes the problem, the sample and a 7.
    completion: [u32; 3],
    weight: f32,
}

impl Example {
    fn is_of_even_digits(&self) -> bool {
        self.prompt.contains("even decimal digits")
    }
}

/// Runs one iteration and returns what it was trained on.
async fn trained_on(
    coordinator: &Coordinator,
    trainer: &mut Worker,
    select: Select,
) -> Vec<Example> {
    let file = FILE
        .replace("iterations = 2", "iterations = 1")
        .replace(
            "\"digits/digits=all\"",
            "\"digits/digits=all\", \"digits/digits=even\"",
        )
        .replace("[train]", &format!("[train]\nselect = \"{select}\""));
    let submitted = coordinator
        .try_submit(select.as_str(), &file)
        .await
        .unwrap();
    let id = submitted.experiment.unwrap().experiment_id;
    let job = trainer.lease().await;
    let Some(Work::Train(work)) = &job.work else {
        panic!("{job:?}");
    };
    let set = trainer.get(&work.training_set_digest).await.unwrap();
    let result = trainer.work(&job).await;
    assert!(trainer.complete(&job, result).await.unwrap());
    coordinator.until(&id, "completed").await;
    let (_, iterations) = coordinator.lines(&id).await;
    let text = String::from_utf8(set).unwrap();
    let examples: Vec<Example> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(iterations[0]["rollouts"]["selected"], examples.len());
    examples
}

#[tokio::test]
async fn a_control_trains_on_as_many_examples_of_what_it_says() {
    let coordinator = Coordinator::start().await;
    let _generates = Worker::register(&coordinator, "generate").await.run();
    let _verifies = Worker::register(&coordinator, "verify").await.run();
    let mut trainer = Worker::register(&coordinator, "train").await;
    let mut sets = BTreeMap::new();
    for select in Select::ALL {
        let examples = trained_on(&coordinator, &mut trainer, *select).await;
        assert_eq!(examples.len(), 6, "{select}: as many as are verified");
        for example in &examples {
            assert_eq!(example.weight, 1.0);
            assert_eq!(example.sample, example.completion[1]);
            let own = example.problem == example.completion[0];
            assert_eq!(own, *select != Select::Shuffled, "{select}");
        }
        sets.insert(*select, examples);
    }
    let samples = |select| -> Vec<u32> {
        let mut samples: Vec<u32> = sets[&select].iter().map(|e| e.sample).collect();
        samples.dedup();
        samples
    };
    // Samples with an even number are right, the others pass what their prompts show.
    assert_eq!(samples(Select::Verified), [2]);
    assert_eq!(samples(Select::Shuffled), [2]);
    assert_eq!(samples(Select::Greedy), [0]);
    for unverified in [Select::Visible, Select::Parses, Select::Any] {
        let samples = samples(unverified);
        assert!(samples.contains(&1) && samples.contains(&2), "{samples:?}");
    }
    let verified = &sets[&Select::Verified];
    for example in &sets[&Select::Shuffled] {
        let own = verified
            .iter()
            .find(|own| own.problem == example.completion[0])
            .unwrap();
        assert_ne!(own.is_of_even_digits(), example.is_of_even_digits());
    }
    coordinator.stop().await;
}
