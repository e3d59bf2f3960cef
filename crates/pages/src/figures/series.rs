//! How the search for grokking reads: its phase, why, and its times and ratios with intervals.

use groklab_domain::{
    grokking::{Estimate, Phase, Report, UnitCounts},
    metrics::Grokking,
    stats::Interval,
};

/// What a series shows, in a few lines; `time` names what its times count.
pub fn grokking_lines(grokking: &Grokking, time: &str) -> Vec<String> {
    let Some(report) = &grokking.report else {
        return vec![format!("sudden generalisation: {}", grokking.phase)];
    };
    let mut lines = report_lines(report, time);
    // Families are many; those that show something are worth their lines.
    for (family, report) in &grokking.families {
        if report.phase.generalised() {
            for line in report_lines(report, time) {
                lines.push(format!("  {family}: {line}"));
            }
        }
    }
    lines
}

fn report_lines(report: &Report, time: &str) -> Vec<String> {
    let phase = phase_in_words(report.phase);
    let mut lines = vec![format!("{phase} ({}): {}", report.certainty, report.reason)];
    let UnitCounts { train, val, test } = report.units;
    let units = vec![format!("units: {train} train, {val} val, {test} test")];
    for parts in [times(report, time), ratios(report), units] {
        if !parts.is_empty() {
            lines.push(format!("  {}", parts.join(" · ")));
        }
    }
    if let Some(below) = report.test_below_val {
        let at_most = report.test_below_val_at_most.unwrap_or(1.0);
        lines.push(format!(
            "  test is {:.1} points below val in the end, at most {:.1}",
            100.0 * below,
            100.0 * at_most
        ));
    }
    lines
}

/// "memorised at iteration 2.0", "10 % of the rise at iteration 8.1", …
fn times(report: &Report, time: &str) -> Vec<String> {
    let times = [
        ("memorised", report.memorised),
        ("10 % of the rise", report.t10),
        ("50 %", report.t50),
        ("90 %", report.t90),
    ];
    let mut told = Vec::new();
    for (what, at) in times {
        told.extend(at.map(|at| format!("{what} at {time} {at:.1}")));
    }
    told
}

/// "delay 7.50 [6.80, 8.00]", …
fn ratios(report: &Report) -> Vec<String> {
    let estimates = [
        ("delay", report.delay),
        ("width", report.width),
        ("rise", report.rise),
    ];
    let mut told = Vec::new();
    for (what, estimate) in estimates {
        if let Some(Estimate { estimate, ci95 }) = estimate {
            let Interval { lower, upper } = ci95;
            told.push(format!("{what} {estimate:.2} [{lower:.2}, {upper:.2}]"));
        }
    }
    told
}

fn phase_in_words(phase: Phase) -> &'static str {
    match phase {
        Phase::None => "no sudden generalisation",
        Phase::Memorised => "memorised, and no late generalisation",
        Phase::Delayed => "delayed generalisation",
        Phase::Grokked => "grokked",
        Phase::Emerged => "emerged",
    }
}

#[cfg(test)]
mod tests {
    use groklab_domain::grokking::{Parameters, detect, synthetic};
    use groklab_domain::stats::Draws;

    use super::*;

    #[test]
    fn a_late_rise_is_told_with_times_ratios_and_test() {
        let truth = synthetic::Truth::step(20, 2.0, 9.0, 0.1, 0.97);
        let (units, noise) = (UnitCounts::equal(64), synthetic::Noise::Fixed);
        let series = synthetic::measured(&truth, units, noise, &mut Draws::new(1));
        let lines = grokking_lines(&detect(&series, &Parameters::default()).into(), "step");
        assert!(
            lines[0].starts_with("grokked (confirmed): memorised at "),
            "{lines:?}"
        );
        assert!(
            lines[1].contains("memorised at step 1.9 · 10 % of the rise at"),
            "{lines:?}"
        );
        assert!(
            lines[2].contains("delay 4.") && lines[2].contains("width 0."),
            "{lines:?}"
        );
        assert_eq!(lines[3], "  units: 64 train, 64 val, 64 test");
        assert!(
            lines[4].contains("points below val in the end, at most"),
            "{lines:?}"
        );
    }

    #[test]
    fn a_line_of_an_older_version_has_its_phase_alone() {
        let old = serde_json::from_str("{\"phase\": \"plateau\", \"onset\": null}").unwrap();
        assert_eq!(
            grokking_lines(&old, "iteration"),
            ["sudden generalisation: memorised"]
        );
    }
}
