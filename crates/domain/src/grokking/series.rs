//! What goes into the search for grokking: evaluations, and what the search asks of them.

use serde::{Deserialize, Serialize};

/// Problems solved greedily, of all that a split has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Score {
    pub correct: u32,
    pub total: u32,
}

impl Score {
    /// The share correct; 0 of a split without problems.
    pub fn rate(self) -> f64 {
        if self.total == 0 {
            0.0
        } else {
            f64::from(self.correct) / f64::from(self.total)
        }
    }
}

/// One evaluated iteration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evaluation {
    pub iteration: u32,
    pub train: Score,
    pub val: Score,
    pub test: Score,
}

/// What the words mean. Rates and differences are shares, lengths are numbers of evaluations.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Parameters {
    /// Train accuracy that counts as memorised …
    pub memorised: f64,
    /// … in so many evaluations running.
    pub memorised_for: usize,
    /// The least length of a plateau.
    pub plateau: usize,
    /// The most by which val may be rising over a plateau (upper bound of slope × length).
    pub flat: f64,
    /// The least mean gap between train and val over a plateau of a memorised train split.
    pub gap: f64,
    /// The most evaluations between the plateau and the change-point: more of them is a gradual
    /// rise.
    pub transition: usize,
    /// The least lower bound of a rise.
    pub rise: f64,
    /// Val accuracy that counts as generalised …
    pub generalised: f64,
    /// … in so many evaluations running after the change-point; also the least number of
    /// evaluations after it.
    pub generalised_for: usize,
    /// The least mean accuracy of the test split after the change-point.
    pub test_after: f64,
    /// Train and val accuracy below which a plateau counts for emergence.
    pub low: f64,
    /// Error of the intervals, two-sided, before the correction for the search.
    pub error: f64,
    /// Fewer val problems than this show nothing.
    pub least_problems: u32,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            memorised: 0.95,
            memorised_for: 3,
            plateau: 5,
            // A flat series of 5 evaluations at 3 of 30 must pass; a plain binomial variance would
            // put its bound at 0.114 (`docs/log.md`).
            flat: 0.10,
            gap: 0.30,
            transition: 3,
            rise: 0.20,
            generalised: 0.90,
            generalised_for: 3,
            test_after: 0.80,
            low: 0.20,
            error: 0.05,
            // With 30 problems and 11 evaluations a real step is found in 34 to 68 % of runs, with
            // 60 problems in 94 to 96 %, and noise alone was never taken for one (`docs/log.md`).
            least_problems: 30,
        }
    }
}

impl Parameters {
    /// The fewest evaluations that can show grokking: the untrained model, memorising, a plateau
    /// that may begin with the last of those, and the level after it.
    pub fn least_evaluations(&self) -> usize {
        1 + self.memorised_for + self.plateau - 1 + self.generalised_for
    }
}

/// What is missing for a series to show grokking at all, for a warning at submit; `None` where
/// nothing is.
pub fn can_show(parameters: &Parameters, val_problems: u32, evaluations: usize) -> Option<String> {
    let (problems, least) = (parameters.least_problems, parameters.least_evaluations());
    (val_problems < problems || evaluations < least).then(|| {
        format!(
            "this experiment cannot show grokking: that needs at least {problems} val problems and \
                {least} evaluations, and it has \
             {val_problems} and {evaluations}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warns_of_files_that_cannot_show_it() {
        let parameters = Parameters::default();
        assert_eq!(can_show(&parameters, 30, 11), None);
        let warning = can_show(&parameters, 9, 5).unwrap();
        assert!(
            warning.contains("needs at least 30 val problems and 11 evaluations"),
            "{warning}"
        );
        assert!(can_show(&parameters, 30, 10).is_some() && can_show(&parameters, 29, 11).is_some());
    }
}
