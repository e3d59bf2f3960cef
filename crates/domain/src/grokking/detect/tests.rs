use proptest::prelude::*;

use super::*;
use crate::grokking::Unit;
use crate::grokking::synthetic::{Noise, Null, Truth, measured};
use crate::stats::Draws;

/// The least that the default parameters take for a level of train, val and test.
const HIGH: f64 = 0.97;

/// A series in which exactly these shares of the units are solved.
fn exactly(truth: &Truth, units: usize) -> Series {
    let split = |rates: &[f64]| -> Vec<Unit> {
        let solved =
            |place: usize, rate: f64| f64::from(u8::from((place as f64) < rate * units as f64));
        let unit = |place| Unit {
            problems: 1.0,
            rates: rates.iter().map(|&rate| solved(place, rate)).collect(),
        };
        (0..units).map(unit).collect()
    };
    Series {
        times: truth.times.clone(),
        train: split(&truth.train),
        val: split(&truth.val),
        test: split(&truth.test),
        val_sampled: None,
    }
}

fn judge(series: &Series) -> Report {
    detect(series, &Parameters::default())
}

fn step() -> Truth {
    Truth::step(30, 2.0, 15.0, 0.1, HIGH)
}

#[test]
fn a_step_is_grokking_with_its_times_and_ratios() {
    let report = judge(&exactly(&step(), 60));
    assert_eq!(report.phase, Phase::Grokked, "{}", report.reason);
    assert_eq!(report.certainty, Certainty::Confirmed);
    let (memorised, t50) = (report.memorised.unwrap(), report.t50.unwrap());
    assert!((1.0..=2.0).contains(&memorised) && (14.0..=15.0).contains(&t50));
    let delay = report.delay.unwrap();
    assert!((delay.estimate - t50 / memorised).abs() < 1e-9 && delay.ci95.lower >= 2.0);
    assert!(report.width.unwrap().estimate < 0.2);
    assert!(report.rise.unwrap().ci95.contains(0.87));
    assert_eq!(report.onset(), report.t50);
}

#[test]
fn a_ramp_is_delayed_and_not_sudden() {
    let ramp = Truth::along(
        40,
        |t| if t < 2.0 { 0.02 } else { HIGH },
        |t| (0.05 + (t - 2.0).max(0.0) / 28.0).min(HIGH),
    );
    let report = judge(&exactly(&ramp, 60));
    assert_eq!(report.phase, Phase::Delayed, "{}", report.reason);
    assert!(report.width.unwrap().estimate > 1.0 && report.reason.contains("gradual"));
}

#[test]
fn what_is_too_little_is_told() {
    let told = |truth: &Truth, units: usize, expected: &str| {
        let report = judge(&exactly(truth, units));
        assert_eq!(report.phase, Phase::Memorised, "{}", report.reason);
        assert!(report.reason.contains(expected), "{}", report.reason);
        assert_eq!(report.onset(), None);
    };
    told(
        &step(),
        11,
        "cannot show more: val has 11 units, 12 are needed",
    );
    told(
        &Truth::step(30, 2.0, 15.0, 0.1, 0.7),
        60,
        "val rose to 70.0 %",
    );
    told(
        &Truth::step(30, 2.0, 40.0, 0.1, HIGH),
        60,
        "val has not risen since",
    );
    told(&Truth::step(30, 8.0, 11.0, 0.1, HIGH), 60, "too soon");
    told(
        &Truth::step(30, 2.0, 15.0, 0.8, HIGH),
        60,
        "they rose together",
    );
    let hack = Truth {
        test: Truth::step(30, 2.0, 15.0, 0.1, HIGH - 0.12).val,
        ..step()
    };
    told(&hack, 60, "test is 13.3 points below it in the end");
    let private = Truth {
        test: vec![0.9; 30],
        ..step()
    };
    told(&private, 60, "test did not show it");
}

#[test]
fn train_has_to_be_memorised_and_by_training() {
    let known = Truth::along(20, |_| 1.0, |t| if t < 10.0 { 0.1 } else { HIGH });
    let report = judge(&exactly(&known, 60));
    assert_eq!(report.phase, Phase::None);
    assert!(
        report.reason.contains("before any training"),
        "{}",
        report.reason
    );
    let never = Truth::along(20, |_| 0.8, |t| if t < 10.0 { 0.1 } else { HIGH });
    let report = judge(&exactly(&never, 60));
    assert!(
        report.reason.contains("its best is 80.0 %"),
        "{}",
        report.reason
    );
}

#[test]
fn what_was_grokked_may_be_unlearned() {
    let mut truth = step();
    for split in [&mut truth.val, &mut truth.test] {
        split[22..].fill(0.2);
    }
    let all = exactly(&truth, 60);
    assert_eq!(judge(&all.first(22)).phase, Phase::Grokked);
    assert_eq!(judge(&all).phase, Phase::Memorised);
}

#[test]
fn a_rise_is_provisional_until_its_level_was_held() {
    let series = exactly(&step(), 60);
    let mut seen = Vec::new();
    for evaluations in 1..=30 {
        let report = judge(&series.first(evaluations));
        seen.push((report.phase, report.certainty));
    }
    assert_eq!(seen[14].0, Phase::Memorised);
    assert_eq!(seen[20], (Phase::Grokked, Certainty::Confirmed));
    let confirmed = seen
        .iter()
        .position(|s| s.1 == Certainty::Confirmed)
        .unwrap();
    assert!(
        seen[confirmed..]
            .iter()
            .all(|s| *s == (Phase::Grokked, Certainty::Confirmed))
    );
}

#[test]
fn sampled_accuracy_has_to_be_sudden_too() {
    let mut series = exactly(&step(), 60);
    let smooth = Truth::along(30, |_| 0.0, |t| (0.1 + (t - 2.0).max(0.0) / 27.0).min(HIGH));
    series.val_sampled = Some(exactly(&smooth, 60).val);
    let report = judge(&series);
    assert_eq!(report.phase, Phase::Delayed);
    assert!(
        report.reason.contains("gradual in sampled accuracy"),
        "{}",
        report.reason
    );
    series.val_sampled = Some(series.val.clone());
    assert_eq!(judge(&series).phase, Phase::Grokked);
    series.val_sampled = Some(exactly(&Truth::step(30, 2.0, 8.0, 0.1, HIGH), 60).val);
    assert!(judge(&series).reason.contains("at another time"));
}

/// Train and val jump from a level together.
fn joint_jump(from: f64) -> Truth {
    let jump = move |t: f64| if t < 10.0 { from } else { HIGH };
    Truth::along(20, jump, jump)
}

#[test]
fn emergence_is_a_joint_jump_out_of_chance() {
    let report = judge(&exactly(&joint_jump(0.05), 60));
    assert_eq!(
        (report.phase, report.certainty),
        (Phase::Emerged, Certainty::Confirmed)
    );
    assert!(
        (9.0..=10.0).contains(&report.onset().unwrap()),
        "{report:?}"
    );
    assert_ne!(judge(&exactly(&joint_jump(0.05), 11)).phase, Phase::Emerged);
    let coin = exactly(&joint_jump(0.5), 60);
    assert_ne!(judge(&coin).phase, Phase::Emerged);
    let parameters = Parameters {
        chance: 0.5,
        ..Parameters::default()
    };
    assert_eq!(detect(&coin, &parameters).phase, Phase::Emerged);
}

/// It was announced on some line of 196 of 200 such runs, and on the last line of none.
#[test]
fn a_ramp_is_never_called_emergence() {
    let ramp = Truth::along(16, |t| t / 15.0, |t| t / 15.0);
    let mut draws = Draws::new(3);
    for _ in 0..40 {
        let series = measured(&ramp, UnitCounts::equal(256), Noise::Fixed, &mut draws);
        for evaluations in 1..=16 {
            let report = judge(&series.first(evaluations));
            let confirmed = report.certainty == Certainty::Confirmed;
            assert!(report.phase != Phase::Emerged || !confirmed, "{report:?}");
        }
    }
}

#[test]
fn a_common_trend_over_three_rules_shows_nothing() {
    let mut draws = Draws::new(4);
    for _ in 0..100 {
        let truth = Null::Exponential.truth(41, &mut draws);
        let phase = judge(&measured(
            &truth,
            UnitCounts::equal(3),
            Noise::Fixed,
            &mut draws,
        ))
        .phase;
        assert!(!phase.generalised());
    }
}

#[test]
fn nothing_and_little_are_no_trouble() {
    assert_eq!(judge(&Series::default()).phase, Phase::None);
    for evaluations in 0..6 {
        judge(&exactly(&step(), 60).first(evaluations));
    }
    let mut without_test = exactly(&step(), 60);
    without_test.test.clear();
    assert!(judge(&without_test).reason.contains("test has 0 units"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_constant_series_shows_nothing(
        train in 0.0f64..=1.0, val in 0.0f64..=1.0, units in 1usize..100, length in 0usize..40,
    ) {
        let report = judge(&exactly(&Truth::along(length, |_| train, |_| val), units));
        prop_assert_eq!((report.phase, report.onset()), (Phase::None, None));
        prop_assert!(!report.reason.is_empty());
    }

    #[test]
    fn any_series_is_judged_without_contradiction(
        rates in prop::collection::vec((0.0f64..=1.0, 0.0f64..=1.0), 0..25), units in 0usize..40,
    ) {
        let (train, val): (Vec<f64>, Vec<f64>) = rates.into_iter().unzip();
        let times = (0..val.len()).map(|i| i as f64).collect();
        let truth = Truth { times, test: val.clone(), val, train };
        let report = judge(&exactly(&truth, units));
        prop_assert_eq!(report.onset().is_some(), report.phase.generalised());
        prop_assert!(report.phase != Phase::Memorised || report.memorised.is_some());
        for (earlier, later) in [(report.t10, report.t50), (report.t50, report.t90)] {
            prop_assert!(earlier <= later);
        }
    }

    #[test]
    fn times_scale_with_their_unit(scale in 0.1f64..1_000.0, jump in 8.0f64..20.0) {
        let truth = Truth::step(30, 2.0, jump, 0.1, HIGH);
        let mut longer = exactly(&truth, 40);
        let report = judge(&longer);
        longer.times.iter_mut().for_each(|time| *time *= scale);
        let scaled = judge(&longer);
        prop_assert_eq!(report.phase, scaled.phase);
        prop_assert!((scaled.t50.unwrap() - scale * report.t50.unwrap()).abs() < 1e-6 * scale);
    }
}
