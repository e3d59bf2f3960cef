//! The ascending curve nearest to a noisy one, and the time at which a curve reaches a level.

/// The isotonic (never falling) least-squares fit, by pooling adjacent violators (Barlow et al.
/// 1972): it needs no width of a window, so that it does not matter how often one looks.
pub(super) fn ascending(values: &[f64]) -> Vec<f64> {
    let mut blocks: Vec<(f64, usize)> = Vec::with_capacity(values.len());
    for &value in values {
        let (mut sum, mut count) = (value, 1);
        while let Some(&(before, length)) = blocks.last()
            && before * count as f64 >= sum * length as f64
        {
            blocks.pop();
            sum += before;
            count += length;
        }
        blocks.push((sum, count));
    }
    let mut fitted = Vec::with_capacity(values.len());
    for (sum, count) in blocks {
        fitted.extend(std::iter::repeat_n(sum / count as f64, count));
    }
    fitted
}

/// When an ascending curve first reaches `level`, on straight lines between its points. `None`: it
/// never does.
pub(super) fn crossing(times: &[f64], curve: &[f64], level: f64) -> Option<f64> {
    let after = curve.iter().position(|&value| value >= level)?;
    let Some(before) = after.checked_sub(1) else {
        return Some(times[0]);
    };
    let share = (level - curve[before]) / (curve[after] - curve[before]);
    Some(times[before] + share * (times[after] - times[before]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_fit_pools_what_falls() {
        assert_eq!(ascending(&[1.0, 3.0, 2.0, 4.0]), [1.0, 2.5, 2.5, 4.0]);
        assert_eq!(ascending(&[3.0, 2.0, 1.0]), [2.0; 3]);
        assert_eq!(ascending(&[]), Vec::<f64>::new());
        assert_eq!(
            crossing(&[0.0, 10.0, 20.0], &[0.0, 0.2, 0.6], 0.4),
            Some(15.0)
        );
        assert_eq!(crossing(&[5.0, 6.0], &[0.5, 0.6], 0.2), Some(5.0));
        assert_eq!(crossing(&[5.0, 6.0], &[0.5, 0.6], 0.7), None);
    }

    proptest! {
        #[test]
        fn the_fit_ascends_and_keeps_the_mean(
            values in prop::collection::vec(0.0f64..=1.0, 1..40),
        ) {
            let fitted = ascending(&values);
            prop_assert!(fitted.is_sorted_by(|a, b| *a <= b + 1e-12));
            prop_assert!((fitted.iter().sum::<f64>() - values.iter().sum::<f64>()).abs() < 1e-9);
            prop_assert_eq!(ascending(&fitted).len(), values.len());
        }
    }
}
