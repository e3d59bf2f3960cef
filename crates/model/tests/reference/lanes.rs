//! Lanes: how the work is dealt out must not show in what comes out.

use std::ops::ControlFlow;

use groklab_model::{Completion, Error, Progress, Request, Row, Sampling, Stop, Tuning, generate_tuned};

use crate::common::{Fixture, fixture};

/// Enough rows for three lanes, some of them samples of one prompt.
fn rows(fixture: &Fixture) -> Vec<Row> {
    let prompts = fixture.rows();
    (0..18).map(|row| Row { prompt_ids: prompts[row / 2 % prompts.len()].clone(), seed: row as u64 }).collect()
}

fn run(
    fixture: &Fixture,
    rows: &[Row],
    temperature: f64,
    tuning: Tuning,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Vec<Completion>, Error> {
    let sampling = Sampling { temperature, top_p: 1.0, max_new_tokens: 12 };
    generate_tuned(&fixture.model, None, &Request { rows, sampling, stop: Stop::default() }, tuning, progress)
}

fn lanes(lanes: usize, share_prefixes: bool) -> Tuning {
    Tuning { lanes: Some(lanes), share_prefixes }
}

#[test]
fn greedy_text_is_the_same_in_any_number_of_lanes() {
    let fixture = fixture("llama");
    let rows = rows(&fixture);
    let ids = |tuning: Tuning| -> Vec<Vec<i64>> {
        let completions = run(&fixture, &rows, 0.0, tuning, &mut |_| ControlFlow::Continue(())).unwrap();
        completions.into_iter().map(|completion| completion.ids).collect()
    };
    let one = ids(lanes(1, false));
    for tuning in [lanes(1, true), lanes(2, true), lanes(2, false), lanes(3, true)] {
        assert_eq!(ids(tuning), one, "{tuning:?}");
    }
}

#[test]
fn the_same_request_gives_the_same_bits() {
    for architecture in crate::common::ARCHITECTURES {
        let fixture = fixture(architecture);
        let rows = rows(&fixture);
        let again = || run(&fixture, &rows, 1.0, lanes(3, true), &mut |_| ControlFlow::Continue(())).unwrap();
        let first = again();
        for _ in 0..5 {
            assert_eq!(again(), first);
        }
    }
}

#[test]
fn progress_adds_the_lanes_up_and_may_end_them() {
    let fixture = fixture("llama");
    let rows = rows(&fixture);
    let mut last = None;
    run(&fixture, &rows, 0.0, lanes(3, true), &mut |progress| {
        last = Some(progress);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(last, Some(Progress { finished_rows: 18, total_rows: 18, new_tokens: 18 * 12 }));
    let mut calls = 0;
    let cancelled = run(&fixture, &rows, 0.0, lanes(3, true), &mut |_| {
        calls += 1;
        if calls == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(cancelled, Err(Error::Cancelled)));
    assert_eq!(calls, 4);
}

#[test]
fn a_panic_of_the_callers_hook_ends_the_lanes() {
    let fixture = fixture("llama");
    let rows = rows(&fixture);
    let call = || run(&fixture, &rows, 0.0, lanes(3, true), &mut |_| panic!("the hook's own"));
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call));
    assert!(caught.is_err());
    assert_eq!(run(&fixture, &rows, 0.0, lanes(3, true), &mut |_| ControlFlow::Continue(())).unwrap().len(), 18);
}
