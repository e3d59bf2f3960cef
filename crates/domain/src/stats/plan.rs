//! Effect sizes to plan for: what so many units can show of a gain.

use super::mcnemar;

/// The p below which a difference counts as shown.
const LEVEL: f64 = 0.05;
/// How often it should be shown where it is there.
const POWER: f64 = 0.8;

/// The smallest share of units that have to be gained, if `lost` of them are lost, for the exact
/// test over `units` to show it in 80 % of experiments; in steps of 1 %. `None`: not even if all
/// others are gained.
pub fn least_gain(units: u32, lost: f64) -> Option<f64> {
    let shares = (1..=100).map(|percent| f64::from(percent) / 100.0);
    shares
        .take_while(|gained| gained + lost <= 1.0 + 1e-9)
        .find(|&gained| power(units, gained, lost) >= POWER)
}

/// How often exact McNemar over `units` gives p < 0.05.
fn power(units: u32, gained: f64, lost: f64) -> f64 {
    let differing = (gained + lost).min(1.0);
    let mut power = 0.0;
    for (changed, chance) in (0..).zip(binomial(units, differing)) {
        // Most of the numbers of changes hardly ever come about.
        if chance > 1e-9 {
            power += chance * shown(changed, gained / differing);
        }
    }
    power
}

/// How often so many changes, each a gain with this chance, are significant.
fn shown(changed: u32, gained: f64) -> f64 {
    let mut shown = 0.0;
    for (gains, chance) in (0..).zip(binomial(changed, gained)) {
        if mcnemar(changed - gains, gains).p < LEVEL {
            shown += chance;
        }
    }
    shown
}

/// The chances of 0, 1, … of `n`.
fn binomial(n: u32, share: f64) -> Vec<f64> {
    let mut chances = Vec::with_capacity(n as usize + 1);
    let mut log_ways = 0.0;
    for k in 0..=n {
        if k > 0 {
            log_ways += f64::from(n - k + 1).ln() - f64::from(k).ln();
        }
        // 0 · ln 0 is 0: none of none.
        let log = |times: u32, share: f64| {
            if times == 0 {
                0.0
            } else {
                f64::from(times) * share.ln()
            }
        };
        chances.push((log_ways + log(k, share) + log(n - k, 1.0 - share)).exp());
    }
    chances
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_units_are_the_least() {
        assert_eq!(least_gain(5, 0.0), None);
        assert_eq!(power(5, 1.0, 0.0), 0.0);
        assert!((power(6, 1.0, 0.0) - 1.0).abs() < 1e-12);
        assert!(least_gain(6, 0.0).unwrap() > 0.9);
    }

    #[test]
    fn more_units_show_smaller_gains() {
        let mut before = 1.0;
        for units in [24, 45, 60, 120, 400] {
            let gain = least_gain(units, 0.05).unwrap();
            assert!(gain < before, "{units}: {gain}");
            before = gain;
        }
        assert!(
            (power(60, 0.25, 0.05) - 0.8).abs() < 0.05,
            "{}",
            power(60, 0.25, 0.05)
        );
        assert!((binomial(40, 0.3).iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
}
