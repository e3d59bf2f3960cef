//! How figures read, in a report as on a terminal: percentages, intervals, phases, comparisons.

mod series;

use groklab_domain::{
    Split,
    grokking::{Certainty, Report},
    metrics::{Compared, Comparison, MetricsLine, Part, SplitMetrics, decompose},
    stats::{Interval, McNemar, PairedDifference},
};

pub use series::grokking_lines;

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

/// "grokked (onset 40)"; with a question mark while it is provisional.
pub fn phase(evaluation: &MetricsLine) -> String {
    let grokking = &evaluation.grokking;
    let open = |report: &Report| report.certainty == Certainty::Provisional;
    match grokking.onset {
        Some(onset) if grokking.report.as_ref().is_some_and(open) => {
            format!("{}? (onset {onset})", grokking.phase)
        }
        Some(onset) => format!("{} (onset {onset})", grokking.phase),
        None => grokking.phase.to_string(),
    }
}

/// Two sentences per measure that was compared, units first; `sides` says what was compared with
/// what.
pub fn comparison_sentences(comparison: &Comparison, sides: &str) -> Vec<String> {
    let McNemar { gained, lost, .. } = comparison.mcnemar;
    let mut sentences = vec![
        over_units(sides, "greedy", comparison.units, &comparison.greedy),
        // Only problems whose outcome changed say something about the difference.
        over_problems("greedy", &comparison.greedy)
            + &format!(" (McNemar: {gained} gained, {lost} lost)"),
    ];
    for (k, sampled) in &comparison.pass_at {
        let measure = pass_at_heading(k);
        sentences.push(over_units(sides, &measure, comparison.units, sampled));
        sentences.push(over_problems(&measure, sampled));
    }
    sentences
}

/// Where the change in sampled accuracy comes from, in two sentences; none where nothing was
/// sampled, or there is one evaluation alone.
pub fn decomposition_sentences(
    first: &MetricsLine,
    last: &MetricsLine,
    split: Split,
) -> Vec<String> {
    let found = decompose(first, last, split);
    let Some(found) = found.filter(|_| first.iteration < last.iteration) else {
        return Vec::new();
    };
    let points = |share: f64| format!("{:+.1}", 100.0 * share);
    let change = found.after - found.before;
    let (form, content) = (points(found.form), points(change - found.form));
    let part =
        |part: Part, words: &str| format!("{} {words} ({})", part.units, points(part.change));
    let parts = [
        part(found.sharpened, "right sometimes before and more often now"),
        part(found.new, "never right before and now"),
        part(found.lost, "right sometimes before and never now"),
        part(found.others, "others"),
    ];
    vec![
        format!(
            "{split}, iteration {} → {}: pass@1 {} points, {form} of them by answers that can be \
             run and {content} by what these compute",
            first.iteration,
            last.iteration,
            points(change)
        ),
        format!(
            "  by rule, from {} samples each or more: {}",
            found.least_samples,
            parts.join(" · ")
        ),
    ]
}

/// "4 rules": what intervals and p-values count.
pub fn units(number: u32) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} rule{plural}")
}

fn over_units(sides: &str, measure: &str, number: u32, compared: &Compared) -> String {
    let n = units(number);
    let Some(paired) = compared.over_units else {
        let points = 100.0 * (compared.after - compared.before);
        return format!(
            "{sides}, n = {n}: {measure} {points:+.1} points; one shows nothing of others"
        );
    };
    let mut sentence = format!("{sides}, n = {n}: {measure} {}", paired_figures(&paired));
    if paired.smallest_p >= LEVEL {
        sentence.push_str(&format!(
            "; {n} can give no p below {:.4}",
            paired.smallest_p
        ));
    }
    sentence
}

fn over_problems(measure: &str, compared: &Compared) -> String {
    let paired = compared.over_problems;
    let problems = paired.units;
    format!(
        "  for these {problems} problems alone: {measure} {}",
        paired_figures(&paired)
    )
}

/// Above it a p shows nothing, whatever the difference.
const LEVEL: f64 = 0.05;

/// "+23.4 points [15.2, 31.0], p = 0.0004", of shares between 0 and 1.
pub fn difference_figures(difference: f64, ci95: Interval, p: f64) -> String {
    let (points, ci95, p) = (100.0 * difference, interval(ci95), p_figure(p));
    let is = if p.starts_with('<') { "" } else { "= " };
    format!("{points:+.1} points {ci95}, p {is}{p}")
}

/// "0.0004", or "< 0.0001": below that, four decimals would read as 0.
pub fn p_figure(p: f64) -> String {
    if p < 0.0001 {
        "< 0.0001".to_owned()
    } else {
        format!("{p:.4}")
    }
}

fn paired_figures(paired: &PairedDifference) -> String {
    difference_figures(paired.difference, paired.ci95, paired.p)
}

#[cfg(test)]
mod tests {
    use groklab_domain::records::{EvaluatedSample, Outcomes};
    use serde_json::json;

    use super::*;

    #[test]
    fn shares_are_percentages() {
        assert_eq!(percent(0.6406), "64.1 %");
        assert_eq!(percent_or_none(None), "–");
        assert_eq!(interval([0.518, 0.747].into()), "[51.8, 74.7]");
        assert_eq!((loss(Some(0.9)), loss(None)), ("0.9000".into(), "–".into()));
    }

    #[test]
    fn a_comparison_is_two_sentences_a_measure() {
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
        assert_eq!(
            sentences[0],
            "test, iteration 0 → 3, n = 1 rule: greedy +37.5 points; one shows nothing of others"
        );
        let problems = "  for these 40 problems alone: greedy +37.5 points [";
        assert!(sentences[1].starts_with(problems), "{}", sentences[1]);
        assert!(
            sentences[1].ends_with("p = 0.0041 (McNemar: 20 gained, 5 lost)"),
            "{}",
            sentences[1]
        );
        assert!(
            sentences[3].contains("alone: pass@1 +37.5"),
            "{}",
            sentences[3]
        );
    }

    #[test]
    fn a_gain_is_taken_apart_by_form_and_by_rule() {
        let line = |iteration: u32, right: [u32; 2], unrun: u32| -> MetricsLine {
            let all: u32 = right.iter().sum();
            let rule = |right: u32| {
                let sampled = json!({"total": 8, "correct": right});
                json!({"test": {"total": 1, "correct": 0, "sampled": sampled}})
            };
            let verdicts = json!({"passed": all, "no_code": unrun, "timeout": 16 - all - unrun});
            let line = json!({
                "iteration": iteration, "adapter": null, "holdout": "rule", "families": {},
                "rules": {"folds/a": rule(right[0]), "folds/b": rule(right[1])},
                "splits": {"test": {
                    "total": 2, "correct": 0, "accuracy": 0, "ci95": [0, 1], "units": 2,
                    "ci95_clustered": null, "shortcuts": 0, "verdicts": {},
                    "sampled": {
                        "n": 8, "temperature": 0.8, "top_p": 1, "pass_at": {}, "ci95_clustered": {},
                        "total": 16, "correct": all, "shortcuts": 0, "verdicts": verdicts,
                    },
                }},
                "grokking": {"phase": "none", "onset": null},
                "seconds": {"generate": 0, "verify": 0},
            });
            serde_json::from_value(line).unwrap()
        };
        let (first, last) = (line(0, [4, 0], 8), line(3, [8, 8], 0));
        assert_eq!(
            decomposition_sentences(&first, &last, Split::Test),
            [
                "test, iteration 0 → 3: pass@1 +75.0 points, +37.5 of them by answers that can be \
                 run and +37.5 by what these compute",
                "  by rule, from 8 samples each or more: 1 right sometimes before and more often \
                 now (+25.0) · 1 never right before and now (+50.0) · 0 right sometimes before \
                 and never now (+0.0) · 0 others (+0.0)"
            ]
        );
        let none: [String; 0] = [];
        assert_eq!(decomposition_sentences(&last, &last, Split::Test), none);
        assert_eq!(decomposition_sentences(&first, &last, Split::Val), none);
    }
}
