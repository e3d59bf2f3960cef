//! Whether a model fits into this machine's memory, asked before any of it is read: the kernel
//! would otherwise end the process in the middle of it without a word.

use std::fs;

use tch::{Device, Kind, Tensor};

use crate::{
    config::Config,
    device::Placement,
    error::{Error, Result, guard},
};

/// The least that work beside the weights takes: libtorch itself, a small cache, activations.
const BESIDE: u64 = 400 << 20;

/// Refuses a model whose weights, and what works beside them, do not fit where `placement` says.
pub fn check(config: &Config, placement: Placement) -> Result<()> {
    let available = match placement.device {
        Device::Cpu => available(),
        device => guard(
            "opening the device",
            "end what else uses the GPU, or use --device cpu",
            || {
                // The context that libtorch makes takes memory itself, so it is made before the
                // driver is asked.
                let _context = Tensor::zeros([1], (Kind::Float, device));
                Ok(placement.gpu_memory())
            },
        )?,
    };
    refuse_above(weights(config, placement), available)
}

/// What is left on the GPU beside the weights; none on the CPU, or where the driver does not say.
pub fn beside_weights(config: &Config, placement: Placement) -> Option<u64> {
    placement
        .gpu_memory()
        .map(|memory| memory.saturating_sub(weights(config, placement)))
}

/// Bytes of the weights.
fn weights(config: &Config, placement: Placement) -> u64 {
    parameters(config).saturating_mul(placement.kind.elt_size_in_bytes() as u64)
}

fn refuse_above(weights: u64, available: Option<u64>) -> Result<()> {
    let needed = weights.saturating_add(BESIDE);
    match available {
        Some(available) if needed > available => Err(Error::TooBig {
            weights,
            needed,
            available,
        }),
        _ => Ok(()),
    }
}

/// Runs `attempt` with a limit of `most`, and again with half of it whenever a GPU's memory did not
/// suffice, as long as that leaves `least`. Never on the CPU, where results must not depend on what
/// is free.
pub fn halving<T>(
    placement: Placement,
    mut most: usize,
    least: usize,
    attempt: &mut dyn FnMut(usize) -> Result<T>,
) -> Result<T> {
    loop {
        match attempt(most) {
            Err(Error::OutOfMemory { .. }) if !placement.is_cpu() && most / 2 >= least => most /= 2,
            outcome => return outcome,
        }
    }
}

/// Numbers in a model's weights; saturates where the configuration claims more than there can be.
fn parameters(config: &Config) -> u64 {
    let size = |n: i64| u64::try_from(n).unwrap_or(0);
    let product = |a: u64, b: u64| a.saturating_mul(b);
    let (hidden, kv) = (
        size(config.hidden_size),
        product(size(config.kv_heads), size(config.head_dim)),
    );
    let query = product(size(config.heads), size(config.head_dim));
    // Norms and biases are less than a thousandth and are left out.
    let attention = product(hidden, query)
        .saturating_mul(2)
        .saturating_add(product(hidden, kv).saturating_mul(2));
    let mlp = product(hidden, size(config.intermediate_size)).saturating_mul(3);
    let embedding =
        product(size(config.vocab_size), hidden).saturating_mul(if config.tied { 1 } else { 2 });
    attention
        .saturating_add(mlp)
        .saturating_mul(config.layers as u64)
        .saturating_add(embedding)
}

/// Bytes that this process may still take: the machine's, or its control group's where that is
/// less. None where nothing is known.
fn available() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let machine = line
        .trim()
        .trim_end_matches(" kB")
        .parse::<u64>()
        .ok()?
        .saturating_mul(1024);
    // A machine may have both trees; the tighter limit counts.
    let v2 = group(
        "/sys/fs/cgroup/",
        ["memory.max", "memory.current"],
        ["inactive_file", "active_file"],
    );
    let v1 = group(
        "/sys/fs/cgroup/memory/",
        ["memory.limit_in_bytes", "memory.usage_in_bytes"],
        ["total_inactive_file", "total_active_file"],
    );
    [v1, v2].into_iter().flatten().chain([machine]).min()
}

/// What a control group leaves: its limit less what is in use, of which the pages that only mirror
/// files can be had back.
fn group(folder: &str, [limit, used]: [&str; 2], mirrors: [&str; 2]) -> Option<u64> {
    let text = |name: &str| fs::read_to_string(format!("{folder}{name}")).ok();
    let number = |name: &str| text(name)?.trim().parse::<u64>().ok();
    let (limit, used) = (number(limit)?, number(used)?);
    let counts = text("memory.stat").unwrap_or_default();
    let lines = counts
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(key, _)| mirrors.contains(key));
    let mirrored = lines
        .filter_map(|(_, value)| value.parse::<u64>().ok())
        .sum::<u64>();
    Some(limit.saturating_sub(used.saturating_sub(mirrored)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GPU: Placement = Placement {
        device: Device::Cuda(0),
        kind: Kind::BFloat16,
    };

    fn config(layers: usize) -> Config {
        let json = serde_json::json!({
            "model_type": "llama", "vocab_size": 49152, "hidden_size": 576,
            "intermediate_size": 1536, "num_hidden_layers": layers, "num_attention_heads": 9,
            "num_key_value_heads": 3, "max_position_embeddings": 8192,
            "tie_word_embeddings": true,
        });
        Config::from_json(&json).unwrap()
    }

    #[test]
    fn out_of_memory_halves_the_limit_until_it_fits() {
        let full = || Error::OutOfMemory {
            doing: "testing",
            reason: "full".into(),
            fix: "use less",
            on_gpu: true,
        };
        let mut tried = Vec::new();
        let mut attempt = |most: usize| {
            tried.push(most);
            if most > 8 { Err(full()) } else { Ok(most) }
        };
        assert_eq!(halving(GPU, 64, 1, &mut attempt).unwrap(), 8);
        assert_eq!(tried, [64, 32, 16, 8]);
        let tries = |placement: Placement, most: usize, least: usize| {
            let mut tries = 0;
            let never = halving::<()>(placement, most, least, &mut |_| {
                tries += 1;
                Err(full())
            });
            assert!(matches!(never, Err(Error::OutOfMemory { .. })));
            tries
        };
        assert_eq!(
            (
                tries(GPU, 2, 1),
                tries(GPU, 100, 30),
                tries(GPU, 9, 9),
                tries(Placement::CPU, 64, 1)
            ),
            (2, 2, 1, 1)
        );
        let mut asked = 0;
        let other = halving::<()>(GPU, 64, 1, &mut |_| {
            asked += 1;
            Err(Error::Cancelled)
        });
        assert!(
            matches!(other, Err(Error::Cancelled)) && asked == 1,
            "nothing else is tried again"
        );
    }

    #[test]
    fn counts_what_smollm2_135m_has() {
        // 134,515,008 in its card, of which 35,136 are norms, left out here.
        assert_eq!(parameters(&config(30)), 134_515_008 - 35_136);
    }

    #[test]
    fn a_model_that_cannot_fit_is_refused_with_both_figures() {
        let (float32, bfloat16) = (
            weights(&config(30), Placement::CPU),
            weights(&config(30), GPU),
        );
        assert!(
            refuse_above(bfloat16, Some(800 << 20)).is_ok()
                && refuse_above(float32, Some(800 << 20)).is_err()
        );
        let message = refuse_above(float32, Some(900_000_000))
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("GB")
                && message.contains("available")
                && message.contains("smaller model"),
            "{message}"
        );
    }
}
