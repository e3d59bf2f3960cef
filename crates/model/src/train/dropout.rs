//! Dropout of an adapter's inputs: what is dropped depends on seed, step, part, layer and target
//! alone, so it is the same whichever lane computes it, and when a layer is computed again.

use groklab_domain::Digest;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use tch::{Device, Tensor};

use crate::{digest, lora::Target};

/// The dropout of one part of one step.
pub(super) struct Dropout {
    pub share: f64,
    pub seed: u64,
    pub step: u64,
    pub part: u64,
}

impl Dropout {
    /// Zeroes the share of `x` (to 1/65536 on a CPU) and scales up the rest.
    pub(super) fn apply(&self, x: &Tensor, layer: usize, target: Target) -> Tensor {
        if self.share == 0.0 {
            return x.shallow_clone();
        }
        let parts =
            [self.seed, self.step, self.part, layer as u64, target as u64].map(u64::to_le_bytes);
        // Hashed, so that neighbouring steps or layers have streams that are nothing alike.
        let digest = digest::of_parts(b"groklab dropout 2", &[&parts.concat()]);
        if x.device() == Device::Cpu {
            self.apply_on_cpu(x, digest)
        } else {
            self.apply_on_device(x, digest)
        }
    }

    /// Several lanes share libtorch's generator, so each mask has a stream of its own.
    fn apply_on_cpu(&self, x: &Tensor, digest: Digest) -> Tensor {
        let mut stream = ChaCha8Rng::from_seed(digest.0);
        let dropped = (self.share * 65536.0).round() as u16;
        let kept = (1.0 / (1.0 - self.share)) as f32;
        let mut noise = vec![0; x.numel() * 2];
        stream.fill_bytes(&mut noise);
        let mut mask = Vec::with_capacity(x.numel());
        for pair in noise.chunks_exact(2) {
            let drops = u16::from_le_bytes([pair[0], pair[1]]) < dropped;
            mask.push(if drops { 0.0 } else { kept });
        }
        x * Tensor::from_slice(&mask).view_as(x).to_kind(x.kind())
    }

    /// libtorch's own dropout in one operation, its generator seeded anew for every mask. A GPU has
    /// one lane.
    fn apply_on_device(&self, x: &Tensor, digest: Digest) -> Tensor {
        let seed = digest.0.first_chunk().expect("a digest has 32 bytes");
        tch::manual_seed(i64::from_le_bytes(*seed));
        x.dropout(self.share, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_dropped_and_the_mean_stays() {
        let ones = Tensor::ones([100, 100], (tch::Kind::Float, tch::Device::Cpu));
        let of = |step: u64, layer: usize| {
            Dropout {
                share: 0.25,
                seed: 1,
                step,
                part: 0,
            }
            .apply(&ones, layer, Target::K)
        };
        let zeros = 10_000 - of(1, 0).count_nonzero(None::<i64>).int64_value(&[]);
        assert!((2300..2700).contains(&zeros), "{zeros}");
        assert!((of(1, 0).mean(tch::Kind::Float).double_value(&[]) - 1.0).abs() < 0.05);
        assert_eq!(of(1, 0), of(1, 0));
        assert_ne!(of(1, 0), of(2, 0));
        assert_ne!(of(1, 0), of(1, 1));
    }

    #[test]
    fn on_a_device_it_depends_on_its_seed_alone_as_well() {
        let ones = Tensor::ones([100, 100], (tch::Kind::Float, Device::Cpu));
        let dropout = Dropout {
            share: 0.25,
            seed: 1,
            step: 1,
            part: 0,
        };
        let of = |seed: u8| dropout.apply_on_device(&ones, Digest([seed; 32]));
        let zeros = 10_000 - of(1).count_nonzero(None::<i64>).int64_value(&[]);
        assert!((2300..2700).contains(&zeros), "{zeros}");
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
