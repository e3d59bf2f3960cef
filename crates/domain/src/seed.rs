//! Seeds: every random draw comes from a seed derived by hash from what it is for, never from
//! timing.

use crate::states::Purpose;

/// Derives a 64-bit seed from `root` and the labelled parts of a path; parts are length-prefixed,
/// so no two paths collide by joining.
pub fn derive(root: u64, parts: &[&[u8]]) -> u64 {
    // A context of its own, so that no other hash gives these numbers. Changing it changes the
    // draws of every experiment.
    let mut hasher = blake3::Hasher::new_derive_key("groklab 2026 seed");
    hasher.update(&root.to_le_bytes());
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let bytes: [u8; 8] = hasher.finalize().as_bytes()[..8]
        .try_into()
        .expect("a blake3 hash has 32 bytes");
    u64::from_le_bytes(bytes)
}

/// The seed of one rollout. Evaluations draw the same numbers at every iteration, so they differ
/// only by the model.
pub fn rollout(
    experiment_seed: u64,
    purpose: Purpose,
    iteration: u32,
    problem_ordinal: u32,
    sample: u32,
) -> u64 {
    // With the same draws in every iteration, training would explore along the same lines again and
    // again.
    let iteration = if purpose == Purpose::Train {
        iteration
    } else {
        0
    };
    derive(
        experiment_seed,
        &[
            purpose.as_str().as_bytes(),
            &iteration.to_le_bytes(),
            &problem_ordinal.to_le_bytes(),
            &sample.to_le_bytes(),
        ],
    )
}

/// The seed of one training job: its shuffling, initialisation and dropout.
pub fn training(experiment_seed: u64, iteration: u32) -> u64 {
    // No purpose is called so, and the parts are fewer: it never meets a rollout's seed.
    derive(experiment_seed, &[b"training", &iteration.to_le_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_training_rollouts_depend_on_the_iteration() {
        assert_eq!(
            rollout(7, Purpose::Eval, 0, 3, 1),
            rollout(7, Purpose::Eval, 9, 3, 1)
        );
        assert_ne!(
            rollout(7, Purpose::Train, 0, 3, 1),
            rollout(7, Purpose::Train, 9, 3, 1)
        );
        assert_ne!(
            rollout(7, Purpose::Eval, 0, 3, 1),
            rollout(7, Purpose::Eval, 0, 1, 3)
        );
    }
}
