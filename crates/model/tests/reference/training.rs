//! Training runs follow peft's, and repeat bit for bit.

use std::ops::ControlFlow;

use crate::common::{Fixture, distance, fixture, models, numbers};
use groklab_model::{
    Adapter, Applied, Example, LoraSpec, Schedule, Settings, Start, Target, Trainer, last_logits,
};

fn settings(fixture: &Fixture) -> Settings {
    let train = &fixture.reference["train"];
    let number = |name: &str| train[name].as_f64().unwrap();
    let betas = numbers(&train["betas"]);
    Settings {
        learning_rate: number("lr"),
        betas: (betas[0], betas[1]),
        eps: number("eps"),
        weight_decay: number("weight_decay"),
        max_grad_norm: number("max_grad_norm"),
        ..Settings::default()
    }
}

#[test]
fn losses_norms_and_logits_follow_the_reference() {
    for name in models() {
        let fixture = fixture(&name);
        let adapter = fixture.adapter("adapter_init");
        let train = &fixture.reference["train"];
        // Once in one piece and once accumulated over parts: the sums are the same.
        for micro_batch_tokens in [1000, 40] {
            let settings = Settings {
                micro_batch_tokens,
                ..settings(&fixture)
            };
            let start = Start::From {
                adapter: &adapter,
                optimiser: None,
            };
            let mut trainer =
                Trainer::new(&fixture.model, adapter.spec().clone(), settings, start).unwrap();
            for (loss, norm) in numbers(&train["losses"])
                .into_iter()
                .zip(numbers(&train["grad_norms"]))
            {
                let report = trainer
                    .step(&fixture.examples(), &mut || ControlFlow::Continue(()))
                    .unwrap();
                assert!(
                    (report.loss - loss).abs() < 1e-3,
                    "{name} step {}: loss {} for {loss}",
                    report.step,
                    report.loss
                );
                assert!(
                    (report.grad_norm - norm).abs() < 1e-2,
                    "{name} step {}: norm {} for {norm}",
                    report.step,
                    report.grad_norm
                );
            }
            let applied = Applied::new(&fixture.model, &trainer.adapter()).unwrap();
            let far = distance(
                &last_logits(&fixture.model, Some(&applied), &fixture.rows()).unwrap(),
                &train["logits_after"],
            );
            assert!(far < 2e-3, "{name}: {far}");
        }
    }
}

fn spec() -> LoraSpec {
    LoraSpec::plain(4, 8.0, 0.1, Target::ALL.to_vec())
}

#[test]
fn a_run_repeats_bit_for_bit_and_goes_on_from_its_state() {
    let fixture = fixture("tiny-llama");
    let examples = fixture.examples();
    let settings = Settings {
        schedule: Schedule::Cosine,
        warmup_steps: 2,
        total_steps: 6,
        learning_rate: 1e-2,
        ..Settings::default()
    };
    let run = |start: Start<'_>, steps: usize, settings: &Settings| {
        let mut trainer = Trainer::new(&fixture.model, spec(), settings.clone(), start).unwrap();
        (0..steps).for_each(|_| {
            _ = trainer
                .step(&examples, &mut || ControlFlow::Continue(()))
                .unwrap()
        });
        (trainer.adapter(), trainer.optimiser_state())
    };
    let (one, state) = run(Start::Fresh { seed: 3 }, 4, &settings);
    let (two, state_two) = run(Start::Fresh { seed: 3 }, 4, &settings);
    assert_eq!(
        (one.config_file(), one.weights_file(), one.id()),
        (two.config_file(), two.weights_file(), two.id())
    );
    assert_eq!(state, state_two);
    assert_ne!(run(Start::Fresh { seed: 4 }, 4, &settings).0.id(), one.id());

    // Without dropout and schedule, four steps are two and two more from the files.
    let plain = Settings {
        learning_rate: 1e-2,
        ..Settings::default()
    };
    let still = LoraSpec {
        dropout: 0.0,
        ..spec()
    };
    let run = |start: Start<'_>, steps: usize| {
        let mut trainer =
            Trainer::new(&fixture.model, still.clone(), plain.clone(), start).unwrap();
        (0..steps).for_each(|_| {
            _ = trainer
                .step(&examples, &mut || ControlFlow::Continue(()))
                .unwrap()
        });
        (trainer.adapter(), trainer.optimiser_state())
    };
    let whole = run(Start::Fresh { seed: 1 }, 4).0;
    let (half, state) = run(Start::Fresh { seed: 1 }, 2);
    let half =
        Adapter::from_files(half.config_file().to_vec(), half.weights_file().to_vec()).unwrap();
    let rest = run(
        Start::From {
            adapter: &half,
            optimiser: Some(&state),
        },
        2,
    )
    .0;
    assert_eq!(rest.id(), whole.id());
}

#[test]
fn unsound_training_is_refused_with_its_reason() {
    let fixture = fixture("tiny-llama");
    let good = fixture.examples();
    let fresh = |settings| Trainer::new(&fixture.model, spec(), settings, Start::Fresh { seed: 0 });
    let mut wild = fresh(Settings {
        learning_rate: 1e30,
        ..Settings::default()
    })
    .unwrap();
    let error = (0..6)
        .find_map(|_| wild.step(&good, &mut || ControlFlow::Continue(())).err())
        .expect("the loss explodes")
        .to_string();
    assert!(
        error.contains("step") && error.contains("learning rate"),
        "{error}"
    );
    let mut trainer = fresh(Settings::default()).unwrap();
    assert!(
        trainer
            .step(&[], &mut || ControlFlow::Continue(()))
            .is_err()
    );
    let empty = Example {
        prompt_ids: vec![1],
        completion_ids: vec![],
    };
    assert!(
        trainer
            .step(&[empty], &mut || ControlFlow::Continue(()))
            .unwrap_err()
            .to_string()
            .contains("completion has no tokens")
    );
    let adapter = fixture.adapter("adapter");
    let other = LoraSpec { rank: 8, ..spec() };
    let start = Start::From {
        adapter: &adapter,
        optimiser: None,
    };
    assert!(Trainer::new(&fixture.model, other, Settings::default(), start).is_err());
    let start = Start::From {
        adapter: &adapter,
        optimiser: Some(b"junk"),
    };
    assert!(
        Trainer::new(
            &fixture.model,
            adapter.spec().clone(),
            Settings::default(),
            start
        )
        .is_err()
    );
}

#[test]
fn checkpointing_changes_the_memory_and_not_the_result() {
    for name in models() {
        let fixture = fixture(&name);
        let run = |checkpointing: bool| {
            let settings = Settings {
                checkpointing,
                learning_rate: 1e-2,
                ..Settings::default()
            };
            let mut trainer =
                Trainer::new(&fixture.model, spec(), settings, Start::Fresh { seed: 3 }).unwrap();
            let step = || {
                trainer
                    .step(&fixture.examples(), &mut || ControlFlow::Continue(()))
                    .unwrap()
            };
            std::iter::repeat_with(step)
                .take(4)
                .map(|report| (report.loss, report.grad_norm))
                .collect::<Vec<_>>()
        };
        for (plain, kept) in run(false).into_iter().zip(run(true)) {
            assert!(
                (plain.0 - kept.0).abs() < 1e-5 && (plain.1 - kept.1).abs() < 1e-4,
                "{name}: {plain:?} {kept:?}"
            );
        }
    }
}

#[test]
fn a_step_can_be_cancelled_between_its_parts_and_leaves_no_trace() {
    let fixture = fixture("tiny-llama");
    let settings = Settings {
        micro_batch_tokens: 10,
        ..Settings::default()
    };
    let mut trainer =
        Trainer::new(&fixture.model, spec(), settings, Start::Fresh { seed: 3 }).unwrap();
    let before = (trainer.adapter().id(), trainer.optimiser_state());
    let mut asked = 0;
    let cancelled = trainer.step(&fixture.examples(), &mut || {
        asked += 1;
        if asked == 1 {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    // With as many lanes as parts the calling thread is asked once and the step is done.
    if let Err(error) = cancelled {
        assert_eq!(error.to_string(), "cancelled");
        assert_eq!(before, (trainer.adapter().id(), trainer.optimiser_state()));
    }
    let at_once = trainer.step(&fixture.examples(), &mut || ControlFlow::Break(()));
    assert_eq!(at_once.unwrap_err().to_string(), "cancelled");
}

#[test]
fn a_held_out_loss_is_that_of_the_next_step_without_training() {
    let fixture = fixture("tiny-qwen3");
    let (spec, settings) = (
        LoraSpec {
            dropout: 0.0,
            ..spec()
        },
        Settings::default(),
    );
    let mut trainer =
        Trainer::new(&fixture.model, spec, settings, Start::Fresh { seed: 3 }).unwrap();
    let held_out = trainer
        .loss(&fixture.examples(), &mut || ControlFlow::Continue(()))
        .unwrap();
    let report = trainer
        .step(&fixture.examples(), &mut || ControlFlow::Continue(()))
        .unwrap();
    assert!((held_out - report.loss).abs() < 1e-5);
    assert!(
        trainer
            .loss(&fixture.examples(), &mut || ControlFlow::Continue(()))
            .unwrap()
            < held_out
    );
}
