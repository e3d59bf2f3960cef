//! How the learning rate goes: a linear warm-up, then constant, linear to zero, or a half cosine to
//! zero. Pure.

use std::f64::consts::PI;

/// What the learning rate does after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Schedule {
    #[default]
    Constant,
    Linear,
    Cosine,
}

impl Schedule {
    /// The share of the learning rate at `step` (from 1) of `total`.
    pub(super) fn factor(self, step: u64, warmup: u64, total: u64) -> f64 {
        if step <= warmup {
            // The first step moves too, where transformers' schedules begin at zero.
            return step as f64 / warmup as f64;
        }
        // The last step still moves: the share reaches zero one step behind it.
        let left = total.saturating_sub(warmup).max(1) as f64;
        let gone = ((step - warmup - 1) as f64 / left).min(1.0);
        match self {
            Self::Constant => 1.0,
            Self::Linear => 1.0 - gone,
            Self::Cosine => 0.5 * (1.0 + (PI * gone).cos()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_warms_up_and_falls() {
        let of = |schedule: Schedule| {
            (1..=6)
                .map(|step| schedule.factor(step, 2, 6))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(Schedule::Constant), [0.5, 1.0, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(of(Schedule::Linear), [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]);
        let cosine = of(Schedule::Cosine);
        assert!(cosine.windows(2).skip(2).all(|pair| pair[1] < pair[0]) && cosine[5] > 0.0);
        assert_eq!(Schedule::Linear.factor(1, 0, 1), 1.0);
    }
}
