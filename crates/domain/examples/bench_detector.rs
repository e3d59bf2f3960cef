//! `make bench-detector`: what the detector makes of real grokking runs, of series that show none,
//! and of steps. Prints the tables, and fails where they do not hold.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use groklab_domain::grokking::synthetic::{Noise, Null, Truth, measured};
use groklab_domain::grokking::{Parameters, Phase, Report, Series, UnitCounts, detect};
use groklab_domain::stats::Draws;

#[path = "../tests/grokking/curve.rs"]
mod curve;

use curve::Curve;

const SUBSETS: usize = 60;
const CADENCES: [usize; 8] = [20, 40, 60, 80, 100, 120, 140, 160];
/// With the letters of the runs that grok, and how far t50 may lie from its value at the densest
/// cadence.
const GROKKING: [(&str, f64); 4] = [("A", 0.2), ("B", 0.1), ("C", 0.1), ("D", 0.1)];
const NEVER: [&str; 2] = ["E", "F"];
const STEPS: usize = 200;

fn main() -> ExitCode {
    let mut failures = Vec::new();
    println!(
        "real runs, {SUBSETS} random subsets each: delayed or grokked (grokked), mean t50 ± \
         standard deviation, median width"
    );
    for (name, near) in GROKKING {
        real_run(name, Some(near), &mut failures);
    }
    for name in NEVER {
        real_run(name, None, &mut failures);
    }
    nulls(&mut failures);
    few_units(&mut failures);
    steps(&mut failures);
    for failure in &failures {
        println!("does not hold: {failure}");
    }
    ExitCode::from(u8::from(!failures.is_empty()))
}

fn judged(series: &Series) -> Report {
    detect(series, &Parameters::default())
}

/// What came of the subsets of one cell.
#[derive(Default)]
struct Cell {
    late: usize,
    grokked: usize,
    t50s: Vec<f64>,
    widths: Vec<f64>,
    reasons: BTreeMap<String, usize>,
}

impl Cell {
    fn add(&mut self, report: &Report) {
        self.late += usize::from(report.phase.late());
        self.grokked += usize::from(report.phase == Phase::Grokked);
        self.t50s.extend(report.onset());
        self.widths.extend(report.width.map(|width| width.estimate));
        if !report.phase.late() {
            let kind: String = report.reason.chars().take(30).collect();
            *self.reasons.entry(kind).or_default() += 1;
        }
    }

    fn mean(&self) -> f64 {
        self.t50s.iter().sum::<f64>() / self.t50s.len().max(1) as f64
    }

    fn line(&mut self) -> String {
        let mean = self.mean();
        let squares: f64 = self.t50s.iter().map(|t50| (t50 - mean).powi(2)).sum();
        let deviation = (squares / self.t50s.len().max(1) as f64).sqrt();
        self.widths.sort_by(f64::total_cmp);
        let width = self.widths.get(self.widths.len() / 2);
        format!(
            "{:3} ({:2}) {mean:6.0} ± {deviation:3.0} {:5.2}",
            self.late,
            self.grokked,
            width.copied().unwrap_or(0.0)
        )
    }
}

/// One run; `near` for one that groks, and none for one that does not.
fn real_run(name: &str, near: Option<f64>, failures: &mut Vec<String>) {
    let curve = Curve::read(Path::new(env!("CARGO_MANIFEST_DIR")), name);
    println!("{name}: {}", curve.what);
    for units in [30, 64, 128] {
        let mut reference = 0.0;
        for cadence in CADENCES {
            let mut cell = Cell::default();
            let mut draws = Draws::new((1_000 * cadence + units) as u64);
            for _ in 0..SUBSETS {
                cell.add(&judged(&curve.subset(units, cadence, &mut draws)));
            }
            println!("  n {units:3} every {cadence:3}: {}", cell.line());
            if cadence == CADENCES[0] {
                reference = cell.mean();
            }
            let place = format!("{name}, n {units}, every {cadence}");
            match near {
                Some(near) => {
                    let allowed = (near * reference).max(cadence as f64 / 2.0);
                    check_found(&place, &cell, reference, allowed, failures);
                }
                None if cell.late > 0 => failures.push(format!("{place}: {} found", cell.late)),
                None => {}
            }
        }
    }
}

fn check_found(place: &str, cell: &Cell, reference: f64, allowed: f64, failures: &mut Vec<String>) {
    if 100 * cell.late < 85 * SUBSETS {
        let told = &cell.reasons;
        failures.push(format!(
            "{place}: {} of {SUBSETS} found; {told:?}",
            cell.late
        ));
    }
    let mean = cell.mean();
    if (mean - reference).abs() > allowed {
        failures.push(format!("{place}: t50 {mean:.0}, {reference:.0} when dense"));
    }
}

/// At most one of 200 in all.
fn nulls(failures: &mut Vec<String>) {
    println!("\nseries without grokking: grokked, delayed, emerged, of how many");
    const EACH: usize = 1_143;
    let mut grokked = 0;
    for null in Null::ALL {
        let mut found = [0; 3];
        let mut draws = Draws::new(null as u64);
        for number in 0..EACH {
            let units = UnitCounts::equal([12, 16, 30, 64, 128][number % 5]);
            let noise = [Noise::Independent, Noise::Fixed][number / 5 % 2];
            let truth = null.truth([11, 21, 41, 61][number / 10 % 4], &mut draws);
            let phase = judged(&measured(&truth, units, noise, &mut draws)).phase;
            for (place, wanted) in [Phase::Grokked, Phase::Delayed, Phase::Emerged]
                .into_iter()
                .enumerate()
            {
                found[place] += usize::from(phase == wanted);
            }
        }
        let [sharp, gradual, emerged] = found;
        println!("  {null:?}: {sharp}, {gradual}, {emerged} of {EACH}");
        grokked += sharp;
    }
    let all = EACH * Null::ALL.len();
    println!("  all: {grokked} grokked of {all}");
    if 200 * grokked > all {
        failures.push(format!("{grokked} of {all} series without it grokked"));
    }
}

/// A perfect step, and too few units to say so.
fn few_units(failures: &mut Vec<String>) {
    let mut draws = Draws::new(99);
    for number in 0..800 {
        let units = 2 + number % 10;
        let few = UnitCounts {
            train: 64,
            val: units,
            test: 64,
        };
        let truth = Truth::step(21, 1.0, 10.0, 0.1, 0.97);
        let phase = judged(&measured(&truth, few, Noise::Fixed, &mut draws)).phase;
        if phase.generalised() {
            failures.push(format!("{phase} with {units} units in val"));
        }
    }
}

fn steps(failures: &mut Vec<String>) {
    println!("\nsteps from 0.1 to 0.97, train 0.97, 8 evaluations after: found of {STEPS}");
    for (ratio, memorised) in [(3, 1), (3, 2), (3, 4), (5, 2), (8, 2)] {
        for noise in [Noise::Independent, Noise::Fixed] {
            let mut row =
                format!("  t50 / memorising {ratio}, memorised at {memorised}, {noise:?}:");
            for units in [16, 24, 30, 64, 128] {
                let found = steps_found(ratio * memorised + 1, memorised, units, noise);
                row.push_str(&format!(" n {units} {found}"));
                if units == 64 && 100 * found < 95 * STEPS {
                    failures.push(format!("step {ratio}, {memorised}, {noise:?}: {found}"));
                }
            }
            println!("{row}");
        }
    }
}

fn steps_found(jump: usize, memorised: usize, units: usize, noise: Noise) -> usize {
    let mut draws = Draws::new(units as u64);
    let truth = Truth::step(jump + 8, memorised as f64, jump as f64, 0.1, 0.97);
    let mut found = 0;
    for _ in 0..STEPS {
        let series = measured(&truth, UnitCounts::equal(units), noise, &mut draws);
        found += usize::from(judged(&series).phase.late());
    }
    found
}
