//! How figures read, in a report as on a terminal: percentages, intervals, phases, comparisons.

use groklab_domain::{
    metrics::{Comparison, MetricsLine, SplitMetrics},
    stats::Interval,
};

/// What stands where there is no figure.
pub const NO_FIGURE: &str = "–";

/// "64.1 %".
pub fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// The same of a share that may not be known.
pub fn percent_or_none(share: Option<f64>) -> String {
    share.map_or(NO_FIGURE.to_owned(), percent)
}

/// "[51.8, 74.7]", in percent.
pub fn interval(interval: Interval) -> String {
    let (lower, upper) = (100.0 * interval.lower, 100.0 * interval.upper);
    format!("[{lower:.1}, {upper:.1}]")
}

/// "0.9000".
pub fn loss(loss: Option<f64>) -> String {
    match loss {
        Some(loss) => format!("{loss:.4}"),
        None => NO_FIGURE.to_owned(),
    }
}

/// Every k for which some evaluation has a pass@k, ascending.
pub fn pass_at_ks(evaluations: &[MetricsLine]) -> Vec<u32> {
    let mut ks = Vec::new();
    for evaluation in evaluations {
        for score in evaluation.splits.values() {
            if let Some(sampled) = &score.sampled {
                ks.extend(sampled.pass_at.keys());
            }
        }
    }
    // Iterations of one experiment have the same ones, but one may have ended early.
    ks.sort_unstable();
    ks.dedup();
    ks
}

/// "pass@4".
pub fn pass_at_heading(k: &u32) -> String {
    format!("pass@{k}")
}

/// A split's pass@k, if it was sampled.
pub fn pass_at(score: &SplitMetrics, k: u32) -> Option<f64> {
    score.sampled.as_ref()?.pass_at.get(&k).copied()
}

/// "grokked (onset 40)".
pub fn phase(evaluation: &MetricsLine) -> String {
    let grokking = &evaluation.grokking;
    match grokking.onset {
        Some(onset) => format!("{} (onset {onset})", grokking.phase),
        None => grokking.phase.to_string(),
    }
}

/// A sentence per measure that was compared; `sides` says what was compared with what.
pub fn comparison_sentences(comparison: &Comparison, sides: &str) -> Vec<String> {
    let paired = format!("{sides}, paired over {} problems", comparison.problems);
    // Only problems whose outcome changed say something about the difference.
    let (greedy, mcnemar) = (&comparison.greedy, &comparison.greedy.mcnemar);
    let (gained, lost) = (mcnemar.gained, mcnemar.lost);
    let mut sentences = vec![format!(
        "{paired}: greedy {greedy} (McNemar: {gained} gained, {lost} lost)"
    )];
    for (k, sampled) in &comparison.pass_at {
        sentences.push(format!("{paired}: pass@{k} {sampled} (paired bootstrap)"));
    }
    sentences
}

#[cfg(test)]
mod tests {
    use groklab_domain::{
        Split,
        records::{EvaluatedSample, Outcomes},
    };

    use super::*;

    #[test]
    fn shares_are_percentages() {
        assert_eq!(percent(0.6406), "64.1 %");
        assert_eq!(percent_or_none(None), "–");
        assert_eq!(interval([0.518, 0.747].into()), "[51.8, 74.7]");
        assert_eq!((loss(Some(0.9)), loss(None)), ("0.9000".into(), "–".into()));
    }

    #[test]
    fn a_comparison_is_a_sentence_each() {
        let outcomes = |correct: fn(u32) -> bool| {
            let mut outcomes = Outcomes::default();
            for problem in 0..40 {
                for sample in [0, 1] {
                    outcomes.count(EvaluatedSample {
                        problem,
                        split: Split::Test,
                        family: "rpn",
                        rule: "plain",
                        sample,
                        correct: correct(problem),
                    });
                }
            }
            outcomes
        };
        let before = outcomes(|p| p < 10);
        let after = outcomes(|p| (5..30).contains(&p));
        let comparison = before.against(&after).unwrap();
        let sentences = comparison_sentences(&comparison, "test, iteration 0 → 3");
        let paired = "test, iteration 0 → 3, paired over 40 problems";
        let greedy = &sentences[0];
        assert!(
            greedy.starts_with(&format!("{paired}: greedy +37.5 points [")),
            "{greedy}"
        );
        assert!(
            greedy.ends_with("p = 0.0041 (McNemar: 20 gained, 5 lost)"),
            "{greedy}"
        );
        let sampled = &sentences[1];
        assert!(
            sampled.starts_with(&format!("{paired}: pass@1 +37.5 points [")),
            "{sampled}"
        );
    }
}
