//! Dequantisation of GGML blocks to float32. Block layouts follow the public GGUF specification and
//! ggml's reference formulas.

use half::{bf16, f16};

/// A GGML storage type: how many values a block holds, how many bytes it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    F32,
    F16,
    Bf16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q4K,
    Q5K,
    Q6K,
}

/// The names in the order of GGML's numbers, for messages about what is not supported.
const NAMES: [&str; 31] = [
    "F32", "F16", "Q4_0", "Q4_1", "Q4_2", "Q4_3", "Q5_0", "Q5_1", "Q8_0", "Q8_1", "Q2_K", "Q3_K",
    "Q4_K", "Q5_K", "Q6_K", "Q8_K", "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S",
    "IQ2_S", "IQ4_XS", "I8", "I16", "I32", "I64", "F64", "IQ1_M", "BF16",
];

impl Type {
    /// The type with GGML's number, or its name where it is not supported.
    pub(crate) fn parse(number: u32) -> Result<Self, String> {
        Ok(match number {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            6 => Self::Q5_0,
            7 => Self::Q5_1,
            8 => Self::Q8_0,
            12 => Self::Q4K,
            13 => Self::Q5K,
            14 => Self::Q6K,
            30 => Self::Bf16,
            other => {
                return Err(NAMES
                    .get(other as usize)
                    .map_or_else(|| format!("type {other}"), |name| (*name).to_owned()));
            }
        })
    }

    /// Values and bytes of one block.
    pub(crate) fn block(self) -> (usize, usize) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 | Self::Bf16 => (1, 2),
            Self::Q4_0 => (32, 18),
            Self::Q4_1 => (32, 20),
            Self::Q5_0 => (32, 22),
            Self::Q5_1 => (32, 24),
            Self::Q8_0 => (32, 34),
            Self::Q4K => (256, 144),
            Self::Q5K => (256, 176),
            Self::Q6K => (256, 210),
        }
    }
}

/// All values of `bytes`, which hold whole blocks.
pub(crate) fn dequantise(kind: Type, bytes: &[u8]) -> Vec<f32> {
    let (values, size) = kind.block();
    let mut out = vec![0.0; bytes.len() / size * values];
    for (block, y) in bytes.chunks_exact(size).zip(out.chunks_exact_mut(values)) {
        match kind {
            Type::F32 => y[0] = f32::from_le_bytes([block[0], block[1], block[2], block[3]]),
            Type::F16 => y[0] = half_at(block, 0),
            Type::Bf16 => y[0] = bf16::from_le_bytes([block[0], block[1]]).to_f32(),
            // The forms without a minimum of their own lie around zero: 8 or 16 is taken off what
            // is stored.
            Type::Q4_0 => nibbles(&block[2..], half_at(block, 0), -8.0 * half_at(block, 0), y),
            Type::Q4_1 => nibbles(&block[4..], half_at(block, 0), half_at(block, 2), y),
            Type::Q5_0 => fives(&block[2..], half_at(block, 0), -16.0 * half_at(block, 0), y),
            Type::Q5_1 => fives(&block[4..], half_at(block, 0), half_at(block, 2), y),
            Type::Q8_0 => bytes_8(&block[2..], half_at(block, 0), y),
            Type::Q4K => q4_k(block, y),
            Type::Q5K => q5_k(block, y),
            Type::Q6K => q6_k(block, y),
        }
    }
    out
}

fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

fn nibbles(q: &[u8], scale: f32, offset: f32, y: &mut [f32]) {
    for j in 0..16 {
        // The first half of a block is in the low nibbles, the second in the high ones.
        y[j] = scale * f32::from(q[j] & 15) + offset;
        y[j + 16] = scale * f32::from(q[j] >> 4) + offset;
    }
}

fn fives(q: &[u8], scale: f32, offset: f32, y: &mut [f32]) {
    let high = u32::from_le_bytes([q[0], q[1], q[2], q[3]]);
    for j in 0..16 {
        let (low, up) = (q[4 + j] & 15, q[4 + j] >> 4);
        y[j] = scale * f32::from(low | ((high >> j & 1) << 4) as u8) + offset;
        y[j + 16] = scale * f32::from(up | ((high >> (j + 16) & 1) << 4) as u8) + offset;
    }
}

fn bytes_8(q: &[u8], scale: f32, y: &mut [f32]) {
    for (value, &byte) in y.iter_mut().zip(q) {
        *value = scale * f32::from(byte as i8);
    }
}

/// The `j`-th of eight 6-bit scales and minima, packed into 12 bytes.
fn scale_and_min(packed: &[u8], j: usize) -> (f32, f32) {
    // The first four take the low 6 bits of their bytes; the bits above them hold parts of the
    // others.
    let (scale, min) = if j < 4 {
        (packed[j] & 63, packed[j + 4] & 63)
    } else {
        (
            packed[j + 4] & 15 | (packed[j - 4] >> 6) << 4,
            packed[j + 4] >> 4 | (packed[j] >> 6) << 4,
        )
    };
    (f32::from(scale), f32::from(min))
}

fn q4_k(block: &[u8], y: &mut [f32]) {
    let (d, min, scales, q) = (
        half_at(block, 0),
        half_at(block, 2),
        &block[4..16],
        &block[16..],
    );
    for (group, y) in y.chunks_exact_mut(32).enumerate() {
        let (scale, offset) = scale_and_min(scales, group);
        // Two groups of 32 share 32 bytes: one has the low nibbles, the next the high ones.
        let bytes = &q[group / 2 * 32..];
        for (j, value) in y.iter_mut().enumerate() {
            *value = d * scale * f32::from(bytes[j] >> (group % 2 * 4) & 15) - min * offset;
        }
    }
}

fn q5_k(block: &[u8], y: &mut [f32]) {
    let (d, min, scales, high, q) = (
        half_at(block, 0),
        half_at(block, 2),
        &block[4..16],
        &block[16..48],
        &block[48..],
    );
    for (group, y) in y.chunks_exact_mut(32).enumerate() {
        let (scale, offset) = scale_and_min(scales, group);
        let bytes = &q[group / 2 * 32..];
        for (j, value) in y.iter_mut().enumerate() {
            // Bit `group` of byte j is the fifth bit of value j.
            let quant = bytes[j] >> (group % 2 * 4) & 15 | (high[j] >> group & 1) << 4;
            *value = d * scale * f32::from(quant) - min * offset;
        }
    }
}

fn q6_k(block: &[u8], y: &mut [f32]) {
    let (low, high, scales, d) = (
        &block[..128],
        &block[128..192],
        &block[192..208],
        half_at(block, 208),
    );
    for (group, y) in y.chunks_exact_mut(32).enumerate() {
        // Two halves of 128 values; each has four parts of 32, two in low nibbles and two in high
        // ones, and a scale for every 16 values.
        let (half, part) = (group / 4, group % 4);
        for (j, value) in y.iter_mut().enumerate() {
            let nibble = low[half * 64 + part % 2 * 32 + j] >> (part / 2 * 4) & 15;
            let top = high[half * 32 + j] >> (part * 2) & 3;
            let scale = scales[half * 8 + part * 2 + j / 16] as i8;
            *value = d * f32::from(scale) * (f32::from(nibble | top << 4) - 32.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// Random blocks with what the `gguf` package makes of them.
    #[test]
    fn every_type_dequantises_like_the_reference() {
        let cases: Vec<Value> =
            serde_json::from_str(include_str!("../../tests/fixtures/quantised-blocks.json"))
                .unwrap();
        assert_eq!(cases.len(), 10);
        for case in cases {
            let kind = Type::parse(case["type"].as_u64().unwrap() as u32).unwrap();
            let values = dequantise(kind, &hex::decode(case["bytes"].as_str().unwrap()).unwrap());
            let want: Vec<f64> = case["values"]
                .as_array()
                .unwrap()
                .iter()
                .map(|v| v.as_f64().unwrap())
                .collect();
            assert_eq!(values.len(), want.len(), "{kind:?}");
            for (value, want) in values.into_iter().zip(want) {
                assert!(
                    (f64::from(value) - want).abs() <= 1e-5 * want.abs().max(1.0),
                    "{kind:?}: {value} for {want}"
                );
            }
        }
        assert_eq!(Type::parse(10).unwrap_err(), "Q2_K");
        assert_eq!(Type::parse(99).unwrap_err(), "type 99");
    }
}
