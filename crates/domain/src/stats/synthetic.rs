//! Units whose truth is known: how often an interval holds it, for tests and benchmarks.

use super::{Cluster, Draws, over_units};

/// Problems of a unit in these draws.
const PROBLEMS: u32 = 16;

/// The share of `series` draws of `units` units in which the 95 % interval holds the `mean`. A
/// unit's accuracy is beta-distributed with that mean, such that two of its problems correlate by
/// `correlation`.
pub fn coverage(mean: f64, correlation: f64, units: usize, series: usize) -> f64 {
    let mut draws = Draws::new(units as u64);
    let strength = 1.0 / correlation - 1.0;
    let mut held = 0;
    for _ in 0..series {
        let mut drawn = Vec::with_capacity(units);
        for _ in 0..units {
            let accuracy = beta(mean * strength, (1.0 - mean) * strength, &mut draws);
            let mut sum = 0.0;
            for _ in 0..PROBLEMS {
                sum += f64::from(u8::from(draws.unit() < accuracy));
            }
            let count = f64::from(PROBLEMS);
            drawn.push(Cluster { sum, count });
        }
        held += usize::from(over_units(&drawn, 0.025).is_some_and(|i| i.contains(mean)));
    }
    held as f64 / series as f64
}

/// By Jöhnk's method, which is quick where both are below 1, else as a ratio of gammas.
fn beta(a: f64, b: f64, draws: &mut Draws) -> f64 {
    let (x, y) = (gamma(a, draws), gamma(b, draws));
    // Both may round to 0 for tiny parameters; either end is then as likely as its parameter.
    if x + y > 0.0 {
        x / (x + y)
    } else {
        f64::from(u8::from(draws.unit() < a / (a + b)))
    }
}

/// Marsaglia and Tsang's method (2000), with their boost below 1.
fn gamma(shape: f64, draws: &mut Draws) -> f64 {
    if shape < 1.0 {
        return gamma(shape + 1.0, draws) * (1.0 - draws.unit()).powf(1.0 / shape);
    }
    let d = shape - 1.0 / 3.0;
    loop {
        let x = draws.normal();
        let v = (1.0 + x / (9.0 * d).sqrt()).powi(3);
        if v > 0.0 && (1.0 - draws.unit()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}
