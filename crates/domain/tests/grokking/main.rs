//! The detector on real training runs, and on series that show nothing: a small part of what
//! `make bench-detector` holds it to.

use std::path::Path;

use groklab_domain::grokking::synthetic::{Noise, Null, Truth, measured};
use groklab_domain::grokking::{Parameters, Phase, UnitCounts, detect};
use groklab_domain::stats::Draws;

mod curve;

use curve::Curve;

/// How many of twelve random subsets generalise late, and their mean t50.
fn found(curve: &Curve, units: usize, cadence: usize) -> (usize, f64) {
    let mut draws = Draws::new(cadence as u64);
    let mut times = Vec::new();
    for _ in 0..12 {
        let series = curve.subset(units, cadence, &mut draws);
        let report = detect(&series, &Parameters::default());
        if matches!(report.phase, Phase::Delayed | Phase::Grokked) {
            times.extend(report.onset());
        }
    }
    let mean = times.iter().sum::<f64>() / times.len().max(1) as f64;
    (times.len(), mean)
}

fn run(name: &str) -> Curve {
    Curve::read(Path::new(env!("CARGO_MANIFEST_DIR")), name)
}

#[test]
fn runs_that_grok_are_found_however_often_one_looks() {
    for name in ["A", "B", "C", "D"] {
        let curve = run(name);
        let (_, reference) = found(&curve, 64, 20);
        for cadence in [40, 100, 160] {
            let (late, t50) = found(&curve, 64, cadence);
            let what = &curve.what;
            assert!(late >= 11, "{name} ({what}), every {cadence}: {late} of 12");
            assert!(
                (t50 / reference - 1.0).abs() < 0.2,
                "{name}: {t50}, {reference}"
            );
        }
    }
}

#[test]
fn runs_without_weight_decay_never_grok() {
    for name in ["E", "F"] {
        for (units, cadence) in [(30, 20), (64, 80), (128, 160)] {
            assert_eq!(found(&run(name), units, cadence).0, 0, "{name}");
        }
    }
}

#[test]
fn what_shows_no_grokking_is_not_taken_for_it() {
    let mut draws = Draws::new(1);
    let mut grokked = 0;
    for number in 0..560 {
        let null = Null::ALL[number % Null::ALL.len()];
        let truth = null.truth([11, 21, 41][number % 3], &mut draws);
        let sizes = UnitCounts::equal([12, 30, 64][number / 3 % 3]);
        let noise = [Noise::Independent, Noise::Fixed][number / 9 % 2];
        let report = detect(
            &measured(&truth, sizes, noise, &mut draws),
            &Parameters::default(),
        );
        grokked += usize::from(report.phase == Phase::Grokked);
    }
    assert!(grokked <= 4, "{grokked} of 560");
}

#[test]
fn a_step_under_noise_is_found() {
    let mut draws = Draws::new(2);
    let mut found = 0;
    for number in 0..60 {
        let truth = Truth::step(15, 2.0, 7.0, 0.1, 0.97);
        let noise = [Noise::Independent, Noise::Fixed][number % 2];
        let series = measured(&truth, UnitCounts::equal(64), noise, &mut draws);
        let report = detect(&series, &Parameters::default());
        found += usize::from(report.phase == Phase::Grokked);
    }
    assert!(found >= 56, "{found} of 60");
}
