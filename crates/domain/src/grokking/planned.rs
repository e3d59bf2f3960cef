//! What an experiment of given sizes could show: how often its numbers would find grokking that is
//! there, and grokking that is not, by simulation.

use serde::{Deserialize, Serialize};

use super::synthetic::{Noise, Null, Truth, measured};
use super::{LEAST_UNITS, Parameters, Series, UnitCounts, detect};
use crate::seed;
use crate::stats::Draws;

/// The numbers that decide what can be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    pub units: UnitCounts,
    pub evaluations: usize,
}

/// Shares of simulated series in which a late rise was found (`delayed` or `grokked`).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Of those with one: val jumps from 0.1 to 0.97 half-way, by rules as they would be drawn.
    pub detected: f64,
    /// Of those without.
    pub false_alarms: f64,
    pub series_each: usize,
}

/// Simulated series with a rise, and as many without.
const SERIES: usize = 140;
/// Resamples in each: it is a rate over many series that is wanted, not one interval.
const RESAMPLES: usize = 60;
/// More units or evaluations than this show no less, and would take longer to simulate.
const MOST_UNITS: usize = 128;
const MOST_EVALUATIONS: usize = 60;

impl Planned {
    /// Why these numbers cannot show a late rise, whatever the model does.
    pub fn cannot_show(&self) -> Option<String> {
        let (val, test) = (self.units.val, self.units.test);
        (val.min(test) < LEAST_UNITS).then(|| {
            format!(
                "this experiment cannot show grokking: val has {val} units and test {test} (rules, \
                 which pass or fail together), and {LEAST_UNITS} are needed in each"
            )
        })
    }

    /// Simulates, in less than a second; the same numbers give the same rates.
    pub fn simulate(&self) -> Rates {
        if self.cannot_show().is_some() {
            return Rates {
                detected: 0.0,
                false_alarms: 0.0,
                series_each: 0,
            };
        }
        let evaluations = self.evaluations.min(MOST_EVALUATIONS);
        let mut draws = Draws::new(seed::derive(0, &[b"planned"]));
        let rising = Truth::step(evaluations, 1.0, evaluations as f64 / 2.0, 0.1, 0.97);
        let (mut detected, mut false_alarms) = (0, 0);
        for number in 0..SERIES {
            let noise = [Noise::Independent, Noise::Fixed][number % 2];
            let nothing = Null::ALL[number % Null::ALL.len()].truth(evaluations, &mut draws);
            for (truth, count) in [(&rising, &mut detected), (&nothing, &mut false_alarms)] {
                let series = measured(truth, self.simulated_units(), noise, &mut draws);
                *count += usize::from(late(&series));
            }
        }
        let share = |count| count as f64 / SERIES as f64;
        Rates {
            detected: share(detected),
            false_alarms: share(false_alarms),
            series_each: SERIES,
        }
    }

    fn simulated_units(&self) -> UnitCounts {
        UnitCounts {
            train: self.units.train.min(MOST_UNITS),
            val: self.units.val.min(MOST_UNITS),
            test: self.units.test.min(MOST_UNITS),
        }
    }
}

fn late(series: &Series) -> bool {
    let parameters = Parameters {
        resamples: RESAMPLES,
        ..Parameters::default()
    };
    detect(series, &parameters).phase.late()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(units: usize, evaluations: usize) -> Rates {
        let units = UnitCounts::equal(units);
        Planned { units, evaluations }.simulate()
    }

    #[test]
    fn more_units_and_evaluations_show_more() {
        let (few, many) = (rates(16, 21), rates(64, 21));
        assert!(
            few.detected < many.detected && many.detected > 0.9,
            "{few:?} {many:?}"
        );
        assert!(many.false_alarms < 0.05, "{many:?}");
        assert_eq!(rates(64, 4).detected, 0.0);
        assert_eq!(rates(64, 21), many);
        // What is cut off at a limit is not another answer.
        assert_eq!(rates(128, 60), rates(100_000, 60_000));
    }

    #[test]
    fn fewer_than_twelve_units_cannot_show_it() {
        let planned = Planned {
            units: UnitCounts {
                test: 4,
                ..UnitCounts::equal(40)
            },
            evaluations: 100,
        };
        let told = planned.cannot_show().unwrap();
        assert!(told.contains("val has 40 units and test 4"), "{told}");
        assert_eq!(planned.simulate().detected, 0.0);
        assert_eq!(
            Planned {
                units: UnitCounts::equal(12),
                ..planned
            }
            .cannot_show(),
            None
        );
    }
}
