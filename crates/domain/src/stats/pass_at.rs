//! pass@k: the chance that at least one of k samples is correct.

/// The unbiased estimator of Chen et al. 2021, `1 - C(n-c, k) / C(n, k)`, from `correct` of
/// `samples`, as a product that can't overflow. `None` where it is not defined: `k` = 0, `k` >
/// `samples` or `correct` > `samples`.
pub fn pass_at(samples: u32, correct: u32, k: u32) -> Option<f64> {
    if k == 0 || k > samples || correct > samples {
        return None;
    }
    // There are not k wrong ones to draw.
    if samples - correct < k {
        return Some(1.0);
    }
    // The binomials' quotient, factor by factor, as the paper's own code computes it.
    let all_wrong: f64 = (samples - correct + 1..=samples)
        .map(|i| 1.0 - f64::from(k) / f64::from(i))
        .product();
    Some(1.0 - all_wrong)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The share of all k-subsets of the samples that hold a correct one; the first `correct` bits
    /// stand for those.
    fn by_enumeration(samples: u32, correct: u32, k: u32) -> f64 {
        let subsets = (0u32..1 << samples).filter(|s| s.count_ones() == k);
        let (all, hit) = subsets.fold((0u32, 0u32), |(all, hit), s| {
            (all + 1, hit + u32::from(s & ((1 << correct) - 1) != 0))
        });
        f64::from(hit) / f64::from(all)
    }

    #[test]
    fn equals_enumeration() {
        for samples in 1..=10 {
            for correct in 0..=samples {
                for k in 1..=samples {
                    let estimate = pass_at(samples, correct, k).unwrap();
                    assert!(
                        (estimate - by_enumeration(samples, correct, k)).abs() < 1e-12,
                        "{samples} {correct} {k}"
                    );
                }
            }
        }
        assert_eq!(
            (pass_at(4, 1, 5), pass_at(4, 1, 0), pass_at(4, 5, 1)),
            (None, None, None)
        );
    }

    proptest! {
        #[test]
        fn stays_a_probability_and_grows_with_k(samples in 2u32..2_000, share in 0.0f64..=1.0, k in 1u32..1_000) {
            let correct = (f64::from(samples) * share) as u32;
            let k = k.min(samples - 1);
            let (less, more) = (pass_at(samples, correct, k).unwrap(), pass_at(samples, correct, k + 1).unwrap());
            prop_assert!((0.0..=1.0).contains(&less) && less <= more + 1e-12);
            let one = pass_at(samples, correct, 1).unwrap();
            prop_assert!((one - f64::from(correct) / f64::from(samples)).abs() < 1e-9);
        }
    }
}
