use proptest::prelude::*;

use super::*;
use crate::grokking::Score;
use crate::stats::Draws;

/// A series of rates, every 5 iterations, on `problems` in each split.
fn series(rates: &[(f64, f64)], problems: u32) -> Vec<Evaluation> {
    let score = |rate: f64| Score {
        correct: (rate * f64::from(problems)).round() as u32,
        total: problems,
    };
    let at = |(i, &(train, val)): (usize, &(f64, f64))| Evaluation {
        iteration: 5 * i as u32,
        train: score(train),
        val: score(val),
        test: score(val),
    };
    rates.iter().enumerate().map(at).collect()
}

/// Untrained, memorised, a plateau of `flat` evaluations at `low`, then `high` for `after`.
fn grokking_rates(flat: usize, low: f64, high: f64, after: usize) -> Vec<(f64, f64)> {
    let mut rates = vec![(0.1, low.min(0.1))];
    rates.extend(std::iter::repeat_n((1.0, low), flat));
    rates.extend(std::iter::repeat_n((1.0, high), after));
    rates
}

fn judge(series: &[Evaluation]) -> Report {
    detect(series, &Parameters::default())
}

fn noisy(rates: &[(f64, f64)], problems: u32, seed: u64) -> Vec<Evaluation> {
    let mut draws = Draws::new(seed);
    let mut score = |rate: f64| Score {
        correct: (0..problems).filter(|_| draws.unit() < rate).count() as u32,
        total: problems,
    };
    let at = |(i, &(train, val)): (usize, &(f64, f64))| Evaluation {
        iteration: 5 * i as u32,
        train: score(train),
        val: score(val),
        test: score(val),
    };
    rates.iter().enumerate().map(at).collect()
}

#[test]
fn the_least_series_that_can_show_it_does() {
    let shortest = series(&grokking_rates(7, 0.0, 1.0, 3), 30);
    assert_eq!(shortest.len(), Parameters::default().least_evaluations());
    let report = judge(&shortest);
    assert_eq!(
        (report.phase, report.onset, report.memorised),
        (Phase::Grokked, Some(40), Some(5)),
        "{report:?}"
    );
    assert_eq!((report.delay, report.ratio), (Some(35), Some(8.0)));
    assert_eq!(judge(&shortest[..10]).phase, Phase::Plateau);
    assert_eq!(
        judge(&series(&grokking_rates(7, 0.0, 1.0, 3), 29)).phase,
        Phase::Plateau
    );
}

#[test]
fn phases_come_in_order() {
    let all = series(&grokking_rates(10, 0.1, 0.95, 5), 60);
    let phases: Vec<Phase> = (1..=all.len()).map(|n| judge(&all[..n]).phase).collect();
    assert!(phases.is_sorted(), "{phases:?}");
    assert_eq!((phases[2], phases[3], phases[7], phases[12], phases[13]), {
        use Phase::{Grokked, Memorised, None, Plateau};
        (None, Memorised, Plateau, Plateau, Grokked)
    });
}

#[test]
fn gradual_or_partial_or_private_rises_are_not_grokking() {
    let mut gradual = grokking_rates(7, 0.1, 0.1, 0);
    gradual.extend((1..=20).map(|i| (1.0, 0.1 + 0.0425 * f64::from(i))));
    gradual.extend([(1.0, 0.95); 3]);
    let report = judge(&series(&gradual, 200));
    assert_eq!(report.phase, Phase::Plateau);
    assert!(report.reason.contains("gradually"), "{}", report.reason);

    let partial = judge(&series(&grokking_rates(8, 0.1, 0.7, 5), 100));
    assert!(
        partial.phase == Phase::Plateau && partial.reason.contains("90.0 %"),
        "{partial:?}"
    );

    let mut private = series(&grokking_rates(8, 0.1, 0.95, 5), 100);
    private.iter_mut().for_each(|e| e.test.correct = 10);
    let report = judge(&private);
    assert!(
        report.phase == Phase::Plateau && report.reason.contains("test did not"),
        "{report:?}"
    );

    let along: Vec<_> = (0..15)
        .map(|i| (f64::from(i) / 4.0, f64::from(i) / 4.0))
        .map(|(a, b)| (a.min(1.0), b.min(0.98)))
        .collect();
    let report = judge(&series(&along, 60));
    assert!(
        report.phase == Phase::Memorised && report.reason.contains("no plateau"),
        "{report:?}"
    );
}

#[test]
fn a_short_transition_is_still_sudden() {
    let mut rates = grokking_rates(9, 0.1, 0.4, 1);
    rates.extend([(1.0, 0.7), (1.0, 0.95), (1.0, 0.95), (1.0, 0.97)]);
    let report = judge(&series(&rates, 60));
    assert_eq!(report.phase, Phase::Grokked, "{report:?}");
    assert!((50..=60).contains(&report.onset.unwrap()), "{report:?}");
    assert_eq!(report.plateau.map(|p| (p.from, p.to)), Some((15, 45)));
}

#[test]
fn emergence_is_a_joint_rise_out_of_a_low_plateau() {
    let mut rates = vec![(0.05, 0.05); 7];
    rates.extend([(0.9, 0.85); 4]);
    let report = judge(&series(&rates, 60));
    assert_eq!(
        (report.phase, report.onset, report.delay),
        (Phase::Emerged, Some(35), None),
        "{report:?}"
    );
    let train_only: Vec<_> = rates.iter().map(|&(train, _)| (train, 0.05)).collect();
    assert_eq!(judge(&series(&train_only, 60)).phase, Phase::None);
    let from_higher: Vec<_> = rates
        .iter()
        .map(|&(t, v)| (t.max(0.3), v.max(0.3)))
        .collect();
    assert_eq!(judge(&series(&from_higher, 60)).phase, Phase::None);
    assert_eq!(judge(&series(&rates, 29)).phase, Phase::None);
}

#[test]
fn nothing_and_little_are_no_trouble() {
    assert_eq!(judge(&[]).phase, Phase::None);
    let none = Evaluation {
        iteration: 0,
        train: Score::default(),
        val: Score::default(),
        test: Score::default(),
    };
    let report = judge(&[none; 20]);
    assert_eq!(report.phase, Phase::None);
    let mut without_val = series(&grokking_rates(9, 0.1, 0.95, 5), 60);
    without_val
        .iter_mut()
        .for_each(|e| (e.val, e.test) = (Score::default(), Score::default()));
    assert_ne!(judge(&without_val).phase, Phase::Grokked);
}

/// Fixed rates, every problem drawn afresh at every evaluation: more noise than greedy decoding of
/// fixed problems has.
#[test]
fn noise_alone_does_not_grok() {
    for (train, val, problems) in [
        (0.99, 0.1, 30),
        (0.99, 0.5, 30),
        (0.99, 0.65, 30),
        (0.1, 0.1, 30),
        (0.15, 0.18, 60),
    ] {
        let mut rates = vec![(0.1, 0.1); 2];
        rates.extend([(train, val); 28]);
        let found = (0..500)
            .filter(|&seed| judge(&noisy(&rates, problems, seed)).onset.is_some())
            .count();
        assert_eq!(found, 0, "train {train}, val {val}: {found} of 500");
    }
}

/// A real step under the same noise.
#[test]
fn a_step_under_noise_is_found_where_it_is() {
    let rates = grokking_rates(14, 0.08, 0.97, 8);
    let reports: Vec<Report> = (0..200)
        .map(|seed| judge(&noisy(&rates, 60, seed)))
        .collect();
    let found = reports.iter().filter(|r| r.phase == Phase::Grokked).count();
    assert!(found >= 180, "{found} of 200");
    assert!(
        reports
            .iter()
            .filter_map(|r| r.onset)
            .all(|onset| onset == 75)
    );
    assert!(
        reports
            .iter()
            .filter_map(|r| r.rise)
            .all(|rise| rise.lower < 0.89 && 0.89 < rise.upper)
    );
}

proptest! {
    #[test]
    fn a_constant_series_shows_nothing(train in 0.0f64..=1.0, val in 0.0f64..=1.0, problems in 1u32..300, length in 0usize..40) {
        let report = judge(&series(&vec![(train, val); length], problems));
        prop_assert_eq!((report.phase, report.onset), (Phase::None, None));
        prop_assert_eq!(report.reason.is_empty(), false);
    }

    #[test]
    fn a_clean_step_is_found_at_its_place(flat in 7usize..25, low in 0.0f64..0.3, high in 0.92f64..=1.0, after in 3usize..12, problems in 30u32..200) {
        let report = judge(&series(&grokking_rates(flat, low, high, after), problems));
        prop_assert_eq!((report.phase, report.onset), (Phase::Grokked, Some(5 * (flat as u32 + 1))), "{:?}", report);
    }

    #[test]
    fn more_of_the_same_evidence_never_takes_it_back(flat in 7usize..15, low in 0.0f64..0.3, after in 3usize..6, more in 1usize..20) {
        let fewer = judge(&series(&grokking_rates(flat, low, 0.95, after), 100));
        let further = judge(&series(&grokking_rates(flat, low, 0.95, after + more), 100));
        prop_assert_eq!((fewer.phase, fewer.onset), (further.phase, further.onset));
        let larger = judge(&series(&grokking_rates(flat, low, 0.95, after), 1_000));
        prop_assert!(larger.rise.unwrap().lower > fewer.rise.unwrap().lower);
    }

    #[test]
    fn any_series_is_judged_without_contradiction(rates in prop::collection::vec((0.0f64..=1.0, 0.0f64..=1.0), 0..25), problems in 0u32..80) {
        let report = judge(&series(&rates, problems));
        prop_assert_eq!(report.onset.is_some(), matches!(report.phase, Phase::Grokked | Phase::Emerged));
        prop_assert!(report.phase < Phase::Memorised || report.phase == Phase::Emerged || report.memorised.is_some());
        prop_assert!(report.rise.is_none_or(|r| r.lower <= r.estimate && r.estimate <= r.upper));
    }
}
