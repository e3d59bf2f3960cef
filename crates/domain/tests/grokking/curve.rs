//! Real training runs, for tests and benchmarks: `tests/fixtures/grokking/README.md`.
#![expect(
    clippy::unwrap_used,
    reason = "a test: a failure is a panic with its place"
)]

use std::path::Path;

use groklab_domain::grokking::{Series, Unit};
use groklab_domain::stats::Draws;
use serde::Deserialize;

/// A run: for each problem the evaluations at which its answer turns, from wrong at first.
#[derive(Debug, Deserialize)]
pub struct Curve {
    pub what: String,
    every: usize,
    evaluations: usize,
    train: Vec<Vec<usize>>,
    val: Vec<Vec<usize>>,
}

impl Curve {
    /// Reads a run by its letter; `package` is the folder of this package.
    pub fn read(package: &Path, name: &str) -> Self {
        let path = package.join(format!("tests/fixtures/grokking/{name}.json"));
        let text = std::fs::read_to_string(&path).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// What an experiment would have seen of it with so many problems in each split, evaluated
    /// every `cadence` steps.
    pub fn subset(&self, problems: usize, cadence: usize, draws: &mut Draws) -> Series {
        let stride = cadence / self.every;
        let places: Vec<usize> = (0..self.evaluations).step_by(stride).collect();
        let train = drawn(&self.train, problems, &places, draws);
        let mut val = drawn(&self.val, 2 * problems, &places, draws);
        let test = val.split_off(problems);
        Series {
            times: places
                .iter()
                .map(|&place| (place * self.every) as f64)
                .collect(),
            train,
            val,
            test,
            val_sampled: None,
        }
    }
}

/// So many different problems, at these evaluations.
fn drawn(all: &[Vec<usize>], count: usize, places: &[usize], draws: &mut Draws) -> Vec<Unit> {
    let mut order: Vec<usize> = (0..all.len()).collect();
    for place in 0..count {
        let other = place + draws.below(order.len() - place);
        order.swap(place, other);
    }
    let unit = |&problem: &usize| Unit {
        problems: 1.0,
        rates: places.iter().map(|&at| right(&all[problem], at)).collect(),
    };
    order[..count].iter().map(unit).collect()
}

/// 1 where the answer is right at an evaluation.
fn right(turns: &[usize], at: usize) -> f64 {
    let turned = turns.partition_point(|&turn| turn <= at);
    f64::from(u8::from(turned % 2 == 1))
}
