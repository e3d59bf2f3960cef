//! Logits and greedy tokens equal what transformers and peft compute, without and with an adapter.

use std::{ops::ControlFlow, path::Path};

use crate::common::{Fixture, distance, fixture, integers, models};
use groklab_model::{
    Applied, Completion, Model, Placement, Request, Row, Sampling, Settings, Start, Stop, Trainer,
    generate, last_logits, score,
};
use tch::{Device, Kind};

fn run(
    fixture: &Fixture,
    applied: Option<&Applied>,
    rows: &[Row],
    temperature: f64,
) -> Vec<Completion> {
    let sampling = Sampling {
        temperature,
        top_p: 0.9,
        max_new_tokens: 16,
    };
    generate(
        &fixture.model,
        applied,
        &Request {
            rows,
            sampling,
            stop: Stop::default(),
            share_prefixes: true,
        },
        &mut |_| ControlFlow::Continue(()),
    )
    .unwrap()
}

fn rows(fixture: &Fixture) -> Vec<Row> {
    fixture
        .rows()
        .into_iter()
        .zip(0..)
        .map(|(prompt_ids, seed)| Row {
            prompt_ids,
            seed,
            entry: None,
        })
        .collect()
}

#[test]
fn logits_and_greedy_tokens_equal_the_reference() {
    for name in models() {
        let fixture = fixture(&name);
        let adapter = Applied::new(&fixture.model, &fixture.adapter("adapter")).unwrap();
        for (applied, logits, greedy) in [
            (None, "logits", "greedy"),
            (Some(&adapter), "logits_adapter", "greedy_adapter"),
        ] {
            let computed = last_logits(&fixture.model, applied, &fixture.rows()).unwrap();
            let far = distance(&computed, &fixture.reference[logits]);
            assert!(far < 1e-4, "{name} {logits}: {far}");
            let written: Vec<Vec<i64>> = run(&fixture, applied, &rows(&fixture), 0.0)
                .into_iter()
                .map(|c| c.ids)
                .collect();
            let want: Vec<Vec<i64>> = fixture.reference[greedy]
                .as_array()
                .unwrap()
                .iter()
                .map(integers)
                .collect();
            assert_eq!(written, want, "{name} {greedy}");
        }
    }
}

#[test]
fn dropping_an_adapter_leaves_the_base_bit_identical() {
    for name in models() {
        let fixture = fixture(&name);
        let before = last_logits(&fixture.model, None, &fixture.rows()).unwrap();
        let adapter = fixture.adapter("adapter");
        let with = {
            let applied = Applied::new(&fixture.model, &adapter).unwrap();
            last_logits(&fixture.model, Some(&applied), &fixture.rows()).unwrap()
        };
        assert_ne!(before, with);
        assert_eq!(
            before,
            last_logits(&fixture.model, None, &fixture.rows()).unwrap()
        );
        let again = Applied::new(&fixture.model, &adapter).unwrap();
        assert_eq!(
            with,
            last_logits(&fixture.model, Some(&again), &fixture.rows()).unwrap()
        );
    }
}

#[test]
fn a_sampled_row_depends_on_its_seed_alone() {
    let fixture = fixture("tiny-llama");
    let prompts = fixture.rows();
    // More rows than are decoded together, several per prompt, so that rows leave, move and enter.
    let rows: Vec<Row> = (0..150)
        .map(|n| Row {
            prompt_ids: prompts[n % 3].clone(),
            seed: n as u64 / 2,
            entry: None,
        })
        .collect();
    let together = run(&fixture, None, &rows, 0.8);
    assert_eq!(together, run(&fixture, None, &rows, 0.8));
    for at in [0, 63, 64, 149] {
        let alone = &run(&fixture, None, &rows[at..=at], 0.8)[0];
        assert_eq!(alone.ids, together[at].ids, "row {at}");
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            assert_eq!(alone, &together[at], "row {at}: to the bit");
        }
    }
    // Nor on what its prompt shares with others.
    let sampling = Sampling {
        temperature: 0.8,
        top_p: 0.9,
        max_new_tokens: 16,
    };
    let request = Request {
        rows: &rows,
        sampling,
        stop: Stop::default(),
        share_prefixes: false,
    };
    let apart = generate(&fixture.model, None, &request, &mut |_| {
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(apart.iter().zip(&together).all(|(a, b)| a.ids == b.ids));
    assert_ne!(together[0].ids, together[6].ids);
    assert_eq!(run(&fixture, None, &[], 0.8), []);
}

#[test]
fn rows_end_at_end_tokens_and_the_others_go_on() {
    let fixture = fixture("tiny-llama");
    let rows = rows(&fixture);
    let free = run(&fixture, None, &rows, 0.0);
    let end = free[1].ids[3];
    let stop = Stop {
        end_tokens: [end].into(),
        ..Stop::default()
    };
    let sampling = Sampling {
        temperature: 0.0,
        top_p: 1.0,
        max_new_tokens: 16,
    };
    let stopped = generate(
        &fixture.model,
        None,
        &Request {
            rows: &rows,
            sampling,
            stop,
            share_prefixes: true,
        },
        &mut |_| ControlFlow::Continue(()),
    )
    .unwrap();
    for (stopped, free) in stopped.iter().zip(&free) {
        let want = free
            .ids
            .iter()
            .position(|id| *id == end)
            .map_or(16, |at| at + 1);
        assert_eq!(stopped.ids, free.ids[..want]);
    }
    assert!(stopped[1].ids.len() < 16);
}

#[test]
fn a_call_can_be_cancelled_and_refuses_nonsense() {
    let fixture = fixture("tiny-llama");
    let rows = rows(&fixture);
    // Long enough that the hook is asked often before the lanes are done, however busy the machine is.
    let sampling = Sampling {
        temperature: 0.0,
        top_p: 1.0,
        max_new_tokens: 400,
    };
    let mut calls = 0;
    let request = Request {
        rows: &rows,
        sampling,
        stop: Stop::default(),
        share_prefixes: true,
    };
    let cancelled = generate(&fixture.model, None, &request, &mut |_| {
        calls += 1;
        if calls < 4 {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    assert_eq!(cancelled.unwrap_err().to_string(), "cancelled");
    let refused = |rows: &[Row], sampling| {
        generate(
            &fixture.model,
            None,
            &Request {
                rows,
                sampling,
                stop: Stop::default(),
                share_prefixes: true,
            },
            &mut |_| ControlFlow::Continue(()),
        )
        .unwrap_err()
        .to_string()
    };
    assert!(
        refused(
            &rows,
            Sampling {
                max_new_tokens: 600,
                ..sampling
            }
        )
        .contains("512")
    );
    assert!(
        refused(
            &[Row {
                prompt_ids: vec![9999],
                seed: 0,
                entry: None
            }],
            sampling
        )
        .contains("9999")
    );
    assert!(
        refused(
            &rows,
            Sampling {
                top_p: 0.0,
                ..sampling
            }
        )
        .contains("top_p")
    );
}

#[test]
fn scores_agree_with_the_reference_and_with_what_was_written() {
    let fixture = fixture("tiny-qwen2");
    let scored = score(&fixture.model, None, &fixture.rows(), &mut |_| ()).unwrap();
    let last: Vec<Vec<f32>> = scored
        .iter()
        .map(|scored| scored.last_logits.clone())
        .collect();
    assert!(distance(&last, &fixture.reference["logits"]) < 1e-4);
    let rows = rows(&fixture);
    for (row, written) in rows.iter().zip(run(&fixture, None, &rows, 0.8)) {
        let whole = [row.prompt_ids.clone(), written.ids.clone()].concat();
        let scored = score(&fixture.model, None, &[whole], &mut |_| ()).unwrap();
        let tail = &scored[0].logprobs[row.prompt_ids.len() - 1..];
        let mean = tail.iter().map(|&v| f64::from(v)).sum::<f64>() / tail.len() as f64;
        assert!(
            (mean - written.mean_logprob).abs() < 1e-4,
            "{mean} for {}",
            written.mean_logprob
        );
    }
    assert!(
        score(&fixture.model, None, &[vec![]], &mut |_| ())
            .unwrap_err()
            .to_string()
            .contains("row 0: it has no tokens")
    );
}

/// What a GPU computes with, on the CPU: bfloat16 weights, adapters beside them, libtorch's engine, training in float32 adapters.
#[test]
fn bfloat16_goes_the_way_of_a_gpu_and_agrees_roughly() {
    for name in models() {
        let exact = fixture(&name);
        let placement = Placement {
            device: Device::Cpu,
            kind: Kind::BFloat16,
        };
        let model = Model::open(
            exact.folder.to_str().unwrap(),
            Path::new("/nonexistent"),
            placement,
        )
        .unwrap();
        let adapter = exact.adapter("adapter");
        let applied = Applied::new(&model, &adapter).unwrap();
        for (applied, logits) in [(None, "logits"), (Some(&applied), "logits_adapter")] {
            let computed = last_logits(&model, applied, &exact.rows()).unwrap();
            let far = distance(&computed, &exact.reference[logits]);
            let size = computed
                .iter()
                .flatten()
                .fold(0.0_f32, |most, v| v.abs().max(most));
            assert!(
                far > 1e-4 && far < f64::from(size) * 0.1,
                "{name} {logits}: {far} of {size}"
            );
        }
        let sampling = Sampling {
            temperature: 0.8,
            top_p: 0.9,
            max_new_tokens: 8,
        };
        let prompts = rows(&exact);
        let request = |share_prefixes| Request {
            rows: &prompts,
            sampling,
            stop: Stop::default(),
            share_prefixes,
        };
        let written = generate(&model, Some(&applied), &request(true), &mut |_| {
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(
            written,
            generate(&model, Some(&applied), &request(true), &mut |_| {
                ControlFlow::Continue(())
            })
            .unwrap(),
            "{name}"
        );
        assert!(
            generate(&model, Some(&applied), &request(false), &mut |_| {
                ControlFlow::Continue(())
            })
            .is_ok()
        );
        let start = Start::From {
            adapter: &adapter,
            optimiser: None,
        };
        let settings = Settings {
            learning_rate: 1e-2,
            ..Settings::default()
        };
        let mut trainer = Trainer::new(&model, adapter.spec().clone(), settings, start).unwrap();
        let examples = exact.examples();
        let losses: Vec<f64> = (0..4)
            .map(|_| {
                trainer
                    .step(&examples, &mut || ControlFlow::Continue(()))
                    .unwrap()
                    .loss
            })
            .collect();
        assert!(
            losses[3] < losses[0] && losses.iter().all(|loss| loss.is_finite()),
            "{name}: {losses:?}"
        );
    }
}
