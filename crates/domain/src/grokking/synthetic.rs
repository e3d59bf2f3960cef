//! Series whose truth is known: what the detector must not take for grokking, and what it must
//! find. For tests, for benchmarks, and to say before an experiment what it can show.

use super::{Series, Unit, UnitCounts};
use crate::stats::Draws;

/// True accuracies at each evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    pub times: Vec<f64>,
    pub train: Vec<f64>,
    pub val: Vec<f64>,
    pub test: Vec<f64>,
}

/// How a unit's answers vary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noise {
    /// Each is drawn afresh at every evaluation: more than greedy decoding of fixed problems does.
    Independent,
    /// Each has a difficulty of its own; 2 % of the answers are flipped.
    Fixed,
}

/// A series as it would be measured.
pub fn measured(truth: &Truth, units: UnitCounts, noise: Noise, draws: &mut Draws) -> Series {
    Series {
        times: truth.times.clone(),
        train: split(&truth.train, units.train, noise, draws),
        val: split(&truth.val, units.val, noise, draws),
        test: split(&truth.test, units.test, noise, draws),
        val_sampled: None,
    }
}

fn split(rates: &[f64], units: usize, noise: Noise, draws: &mut Draws) -> Vec<Unit> {
    let mut split = Vec::with_capacity(units);
    for _ in 0..units {
        let difficulty = draws.unit();
        let mut answers = Vec::with_capacity(rates.len());
        for &rate in rates {
            let right = match noise {
                Noise::Independent => draws.unit() < rate,
                Noise::Fixed => (difficulty < unflipped(rate)) != (draws.unit() < FLIPPED),
            };
            answers.push(f64::from(u8::from(right)));
        }
        split.push(Unit {
            problems: 1.0,
            rates: answers,
        });
    }
    split
}

/// The share of answers that are flipped where units have a difficulty of their own.
const FLIPPED: f64 = 0.02;

/// The share solved before flipping that leaves `rate` after it.
fn unflipped(rate: f64) -> f64 {
    ((rate - FLIPPED) / (1.0 - 2.0 * FLIPPED)).clamp(0.0, 1.0)
}

/// What shows no grokking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Null {
    /// Train is memorised, val stays where it is.
    Constant,
    /// The same, with val up and down from one evaluation to the next.
    Jitter,
    /// The same, with val wandering.
    RandomWalk,
    /// Train and val rise together, ever more slowly.
    Exponential,
    /// Train and val rise together in an S.
    JointSigmoid,
    /// Val rises with train and falls back.
    Overfit,
    /// Val jumps after train was memorised, and test ends 12 points or more below it.
    RewardHack,
}

impl Null {
    pub const ALL: [Self; 7] = [
        Self::Constant,
        Self::Jitter,
        Self::RandomWalk,
        Self::Exponential,
        Self::JointSigmoid,
        Self::Overfit,
        Self::RewardHack,
    ];

    /// One such truth over so many evaluations; its levels and speeds are drawn.
    pub fn truth(self, evaluations: usize, draws: &mut Draws) -> Truth {
        let memorised_at = between(1.0, 3.0, draws);
        let fast = move |t: f64| 0.02 + 0.97 * (1.0 - (-3.0 * t / memorised_at).exp());
        match self {
            Self::Constant => {
                let level = between(0.05, 0.9, draws);
                Truth::along(evaluations, fast, |_| level)
            }
            Self::Jitter => {
                let (level, spread) = (between(0.1, 0.7, draws), between(0.1, 0.2, draws));
                let mut truth = Truth::along(evaluations, fast, |_| level);
                truth.shift_val(|| spread * draws.normal());
                truth
            }
            Self::RandomWalk => random_walk(evaluations, fast, draws),
            Self::Exponential => exponential(evaluations, draws),
            Self::JointSigmoid => joint_sigmoid(evaluations, draws),
            Self::Overfit => overfit(evaluations, fast, draws),
            Self::RewardHack => reward_hack(evaluations, fast, draws),
        }
    }
}

fn between(low: f64, high: f64, draws: &mut Draws) -> f64 {
    low + (high - low) * draws.unit()
}

fn random_walk(evaluations: usize, train: impl Fn(f64) -> f64, draws: &mut Draws) -> Truth {
    let (level, spread) = (between(0.1, 0.6, draws), between(0.05, 0.1, draws));
    let mut truth = Truth::along(evaluations, train, |_| level);
    let mut place = 0.0;
    truth.shift_val(|| {
        let next: f64 = place + spread * draws.normal();
        // Held at the ends: it may come back at once.
        place = next.clamp(-level, 1.0 - level);
        place
    });
    truth
}

fn exponential(evaluations: usize, draws: &mut Draws) -> Truth {
    let slow = between(0.05, 0.4, draws) * evaluations as f64;
    let (lag, top) = (between(1.0, 1.5, draws), between(0.85, 0.98, draws));
    let train = move |t: f64| 0.99 * (1.0 - (-t / slow).exp());
    Truth::along(evaluations, train, |t| {
        top * (1.0 - (-t / (lag * slow)).exp())
    })
}

fn joint_sigmoid(evaluations: usize, draws: &mut Draws) -> Truth {
    let middle = between(0.2, 0.8, draws) * evaluations as f64;
    let (wide, top) = (between(0.5, 3.0, draws), between(0.85, 0.98, draws));
    let rise = move |t: f64| 1.0 / (1.0 + (-(t - middle) / wide).exp());
    Truth::along(evaluations, move |t| 0.99 * rise(t), |t| top * rise(t))
}

fn overfit(evaluations: usize, train: impl Fn(f64) -> f64, draws: &mut Draws) -> Truth {
    let length = evaluations as f64;
    let peak = between(2.0, 0.4 * length, draws);
    let (top, end) = (between(0.5, 0.9, draws), between(0.2, 0.4, draws));
    let val = move |t: f64| {
        if t < peak {
            top * t / peak
        } else {
            end + (top - end) * (-(t - peak) / (0.2 * length)).exp()
        }
    };
    Truth::along(evaluations, train, val)
}

fn reward_hack(evaluations: usize, train: impl Fn(f64) -> f64, draws: &mut Draws) -> Truth {
    let jump = between(0.3, 0.7, draws) * evaluations as f64;
    let below = [0.12, 0.15, 0.2, 0.3, 0.5][draws.below(5)];
    let step = move |t: f64, top: f64| if t < jump { 0.1 } else { top };
    let mut truth = Truth::along(evaluations, train, |t| step(t, 0.97));
    truth.test = truth.times.iter().map(|&t| step(t, 0.97 - below)).collect();
    truth
}

impl Truth {
    /// Train and val by the number of the evaluation, which is the time; test is as val.
    pub fn along(evaluations: usize, train: impl Fn(f64) -> f64, val: impl Fn(f64) -> f64) -> Self {
        let times: Vec<f64> = (0..evaluations).map(|place| place as f64).collect();
        let val: Vec<f64> = times.iter().map(|&time| val(time)).collect();
        Self {
            train: times.iter().map(|&time| train(time)).collect(),
            test: val.clone(),
            val,
            times,
        }
    }

    /// Untrained, memorised from `memorised` on, and val from `low` to `high` at `jump`.
    pub fn step(evaluations: usize, memorised: f64, jump: f64, low: f64, high: f64) -> Self {
        let train = move |t: f64| if t < memorised { 0.02 } else { 0.97 };
        Self::along(evaluations, train, |t| if t < jump { low } else { high })
    }

    fn shift_val(&mut self, mut by: impl FnMut() -> f64) {
        for (val, test) in self.val.iter_mut().zip(&mut self.test) {
            *val = (*val + by()).clamp(0.0, 1.0);
            // The model moves, so val and test move together.
            *test = *val;
        }
    }
}
