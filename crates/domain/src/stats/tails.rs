//! Upper quantiles of Student's distribution.

use std::f64::consts::FRAC_PI_2;

/// The t that Student's t with `freedom` ≥ 1 degrees exceeds with probability `tail` (0 < `tail` ≤
/// 0.5).
pub fn student_quantile(tail: f64, freedom: u32) -> f64 {
    bisect(tail, |t| student_tail(t, freedom))
}

/// Solves `tail_of(x) = tail` for a decreasing `tail_of` on x ≥ 0.
fn bisect(tail: f64, tail_of: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    // Student's t of one degree reaches very far out for a small tail; the bound ends the search.
    while tail_of(high) > tail && high < 1e12 {
        high *= 2.0;
    }
    // Each turn halves the interval, so this is beyond what an f64 can tell apart.
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if tail_of(middle) > tail {
            low = middle
        } else {
            high = middle
        }
    }
    0.5 * (low + high)
}

/// P(T > t) for t ≥ 0 and whole degrees of freedom: the finite trigonometric sums (Abramowitz and
/// Stegun 26.7.3 and 26.7.4).
fn student_tail(t: f64, freedom: u32) -> f64 {
    let angle = (t / f64::from(freedom).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    let odd = freedom % 2 == 1;
    let (mut term, mut sum) = (if odd { cosine } else { 1.0 }, 0.0);
    let mut power = if odd { 1 } else { 0 };
    while power + 2 <= freedom {
        sum += term;
        power += 2;
        term *= f64::from(power - 1) / f64::from(power) * cosine * cosine;
    }
    let within = if odd {
        (angle + sine * sum) / FRAC_PI_2
    } else {
        sine * sum
    };
    0.5 * (1.0 - within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_quantiles() {
        let student = [
            (1, 6.313_751_515),
            (2, 2.919_985_580),
            (3, 2.353_363_435),
            (4, 2.131_846_786),
            (9, 1.833_112_933),
            (30, 1.697_260_887),
        ];
        for (freedom, t) in student {
            assert!(
                (student_quantile(0.05, freedom) - t).abs() < 1e-8,
                "{freedom}: {}",
                student_quantile(0.05, freedom)
            );
        }
    }
}
