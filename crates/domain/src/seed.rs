//! Seeds: every random draw comes from a seed derived by hash from what it is for, never from
//! timing.

use crate::{Digest, states::Purpose};

/// By what a problem's draws are told from those of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemSeed {
    /// What it asks: the same wherever it stands, however many others there are.
    Identity(Digest),
    /// Its place, in experiments that older versions began.
    Ordinal(u32),
}

impl ProblemSeed {
    /// The stored identity, or the place where an older version stored none.
    pub fn of(identity: Option<Digest>, ordinal: u32) -> Self {
        identity.map_or(Self::Ordinal(ordinal), Self::Identity)
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Identity(identity) => identity.0.to_vec(),
            Self::Ordinal(place) => place.to_le_bytes().to_vec(),
        }
    }
}

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
    problem: ProblemSeed,
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
            &problem.bytes(),
            &sample.to_le_bytes(),
        ],
    )
}

/// The seed of one training job: its shuffling, initialisation and dropout.
pub fn training(experiment_seed: u64, iteration: u32) -> u64 {
    // No purpose is called so, and the parts are fewer: it never meets a rollout's seed.
    derive(experiment_seed, &[b"training", &iteration.to_le_bytes()])
}

/// The seed of a train problem's draw, by which an iteration samples it or does not.
pub fn curriculum(experiment_seed: u64, iteration: u32, problem: ProblemSeed) -> u64 {
    // No purpose is called so.
    let iteration = iteration.to_le_bytes();
    let path: [&[u8]; 3] = [b"curriculum", &iteration, &problem.bytes()];
    derive(experiment_seed, &path)
}

/// The seed by which a rollout is taken into a training set that has not room for all, or is not.
pub fn selection(experiment_seed: u64, iteration: u32, problem: ProblemSeed, sample: u32) -> u64 {
    let (iteration, sample) = (iteration.to_le_bytes(), sample.to_le_bytes());
    let path: [&[u8]; 4] = [b"selection", &iteration, &problem.bytes(), &sample];
    derive(experiment_seed, &path)
}

/// The seed of a unit's place among those whose completions change prompts.
pub fn shuffle(experiment_seed: u64, iteration: u32, unit: &str) -> u64 {
    let iteration = iteration.to_le_bytes();
    derive(experiment_seed, &[b"shuffle", &iteration, unit.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_training_rollouts_depend_on_the_iteration() {
        let one = ProblemSeed::Identity(Digest::of(b"one"));
        let seed = |purpose, iteration, sample| rollout(7, purpose, iteration, one, sample);
        assert_eq!(seed(Purpose::Eval, 0, 1), seed(Purpose::Eval, 9, 1));
        assert_ne!(seed(Purpose::Train, 0, 1), seed(Purpose::Train, 9, 1));
        assert_ne!(seed(Purpose::Eval, 0, 1), seed(Purpose::Eval, 0, 3));
        let other = ProblemSeed::Identity(Digest::of(b"other"));
        assert_ne!(
            seed(Purpose::Eval, 0, 1),
            rollout(7, Purpose::Eval, 0, other, 1)
        );
        let place = ProblemSeed::Ordinal;
        assert_ne!(
            rollout(7, Purpose::Eval, 0, place(3), 1),
            rollout(7, Purpose::Eval, 0, place(1), 3)
        );
    }
}
