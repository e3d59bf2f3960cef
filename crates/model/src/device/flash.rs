//! Attention over sequences of different lengths in one call, by libtorch's flash attention. What
//! it gives for a sequence depends on nothing beside that sequence, and it reads no padding.

use std::{
    ffi::c_void,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::OnceLock,
};

use tch::{Device, Kind, Tensor};

use super::torch_cuda::{Functions, Reason, functions};
use crate::error::{first_line, panic_text};

/// Set to 0, attention is computed by plain products; for measurements.
const SWITCH: &str = "GROKLAB_FLASH_ATTENTION";

/// Its kernels are for heads up to this width, in steps of eight.
const WIDEST_HEAD: i64 = 256;
const HEAD_STEP: i64 = 8;

/// Whether heads of `width` can be attended to here; else why not.
pub(crate) fn available(device: Device, kind: Kind, width: i64) -> Result<(), String> {
    if width % HEAD_STEP != 0 || width > WIDEST_HEAD {
        return Err(format!("heads are {width} wide"));
    }
    works(device, kind)
}

/// Whether it is there for numbers of `kind`, as far as that does not depend on the model.
pub(super) fn works(device: Device, kind: Kind) -> Result<(), String> {
    if device == Device::Cpu {
        return Err("not on a GPU".into());
    }
    if kind != Kind::BFloat16 {
        return Err("not in bfloat16".into());
    }
    static TRIED: OnceLock<Result<(), String>> = OnceLock::new();
    TRIED.get_or_init(|| tried(device)).clone()
}

/// Compares it once with plain products: another libtorch may have it in another way.
fn tried(device: Device) -> Result<(), String> {
    if std::env::var(SWITCH).is_ok_and(|value| value == "0") {
        return Err(format!("{SWITCH} is 0"));
    }
    functions().as_ref().map_err(Clone::clone)?;
    let apart = tch::no_grad(|| catch_unwind(AssertUnwindSafe(|| trial::apart(device))))
        .map_err(|panic| first_line(&panic_text(panic.as_ref())))?;
    // NaN is below nothing.
    if apart < trial::ROUNDING {
        Ok(())
    } else {
        Err(format!("it is {apart} apart from plain products"))
    }
}

/// Where sequences lie among queries and keys; the tensors are int32 and on the GPU.
pub(crate) struct Sequences {
    /// `[sequences + 1]`: each one's first query, and the end of the last.
    pub query_starts: Tensor,
    /// `[sequences + 1]`: each one's first key, and the end of the last.
    pub key_starts: Tensor,
    /// `[sequences]`: how many keys each has, where they do not reach up to the next one's.
    pub key_counts: Option<Tensor>,
    pub most_queries: i64,
    pub most_keys: i64,
    /// Whether a query sees the keys up to its own place alone.
    pub causal: bool,
}

impl Sequences {
    /// Attention of `q [tokens, heads, width]` over `k` and `v` `[places, kv_heads, width]`,
    /// `[tokens, heads × width]`. Without gradients.
    pub(crate) fn attend(&self, q: &Tensor, k: &Tensor, v: &Tensor) -> Tensor {
        let (_, heads, width) = q.size3().expect("queries have three dimensions");
        let functions: &Functions = functions().as_ref().expect("it was tried");
        let at = |tensor: &Tensor| tensor.as_ptr().cast::<c_void>();
        let counts = self.key_counts.as_ref().map_or(std::ptr::null(), at);
        let mut reason = Reason::new();
        let (text, bytes) = reason.room();
        // SAFETY: all tensors live through the call, and the text is at most as long as it is told.
        let attended = unsafe {
            (functions.attend)(
                at(q),
                at(k),
                at(v),
                at(&self.query_starts),
                at(&self.key_starts),
                counts,
                self.most_queries,
                self.most_keys,
                (width as f64).powf(-0.5),
                self.causal,
                text,
                bytes,
            )
        };
        if attended.is_null() {
            // As tch does for every other operation; whoever called for the work catches it.
            panic!("{}", reason.text());
        }
        // SAFETY: it points to a tensor that was made for the caller.
        let attended = unsafe { Tensor::from_ptr(attended.cast()) };
        attended.reshape([-1, heads * width])
    }
}

/// A small case of both uses, computed in both ways.
mod trial {
    use super::{Device, Kind, Sequences, Tensor};

    /// Values of about 1 in bfloat16 that were computed in another order are no farther apart.
    pub(super) const ROUNDING: f64 = 0.05;

    const HEADS: i64 = 4;
    const KEY_HEADS: i64 = 2;
    const WIDTH: i64 = 64;

    /// The largest differences, added; NaN where one of them is.
    pub(super) fn apart(device: Device) -> f64 {
        // Sums: of a number and NaN, `max` gives the number.
        rows(device) + prompts(device)
    }

    /// Two rows with 3 and 16 keys in slots of 16, as decoding has them.
    fn rows(device: Device) -> f64 {
        let capacity = 16;
        let q = values(&[2, HEADS, WIDTH], 0.7, device);
        let cache = values(&[2, 2, KEY_HEADS, capacity, WIDTH], 1.3, device);
        let places = 2 * KEY_HEADS * capacity - (KEY_HEADS - 1) * capacity;
        let by_place = |which| {
            let strides = [WIDTH, capacity * WIDTH, 1];
            // Without an offset of its own it begins where `cache.get` does.
            let all: Tensor = cache.get(which);
            all.as_strided([places, KEY_HEADS, WIDTH], strides, None)
        };
        let whole = |values: &[i32]| Tensor::from_slice(values).to_device(device);
        let slot = (KEY_HEADS * capacity) as i32;
        let sequences = Sequences {
            query_starts: whole(&[0, 1, 2]),
            key_starts: whole(&[0, slot, 2 * slot]),
            key_counts: Some(whole(&[3, capacity as i32])),
            most_queries: 1,
            most_keys: capacity,
            causal: false,
        };
        let ours = sequences.attend(&q, &by_place(0), &by_place(1));
        let mut apart = 0.0;
        for (row, count) in [(0, 3), (1, capacity)] {
            // `[kv_heads, keys, width]` to `[keys, kv_heads, width]`.
            let own = |which| {
                cache
                    .get(which)
                    .get(row)
                    .narrow(1, 0, count)
                    .transpose(0, 1)
            };
            let theirs = plainly(&q.narrow(0, row, 1), &own(0), &own(1), false);
            apart += largest(&(ours.get(row) - theirs.view([-1])));
        }
        apart
    }

    /// Two prompts of 3 and 5 tokens behind each other.
    fn prompts(device: Device) -> f64 {
        let qkv = values(&[8, HEADS + 2 * KEY_HEADS, WIDTH], 0.9, device);
        let part = |first, count| qkv.narrow(1, first, count);
        let (q, k) = (part(0, HEADS), part(HEADS, KEY_HEADS));
        let v = part(HEADS + KEY_HEADS, KEY_HEADS);
        let starts = Tensor::from_slice(&[0_i32, 3, 8]).to_device(device);
        let sequences = Sequences {
            query_starts: starts.shallow_clone(),
            key_starts: starts,
            key_counts: None,
            most_queries: 5,
            most_keys: 5,
            causal: true,
        };
        let ours = sequences.attend(&q, &k, &v);
        let mut apart = 0.0;
        for (start, count) in [(0, 3), (3, 5)] {
            let own = |x: &Tensor| x.narrow(0, start, count);
            let theirs = plainly(&own(&q), &own(&k), &own(&v), true);
            apart += largest(&(own(&ours) - theirs));
        }
        apart
    }

    /// `q [tokens, heads, width]` over `k` and `v` `[keys, kv_heads, width]`, in float32:
    /// `[tokens, heads × width]`.
    fn plainly(q: &Tensor, k: &Tensor, v: &Tensor, causal: bool) -> Tensor {
        let by_head = |x: &Tensor, repeats| {
            let wide = x.to_kind(Kind::Float).transpose(0, 1);
            wide.repeat_interleave_self_int(repeats, 0, None)
        };
        let group = HEADS / KEY_HEADS;
        let (q, k, v) = (by_head(q, 1), by_head(k, group), by_head(v, group));
        let mut scores = q.bmm(&k.transpose(1, 2)) / (WIDTH as f64).sqrt();
        if causal {
            let behind = scores.ones_like().triu(1).to_kind(Kind::Bool);
            scores = scores.masked_fill(&behind, f64::NEG_INFINITY);
        }
        let out = scores.softmax(-1, None).bmm(&v).transpose(0, 1);
        out.reshape([-1, HEADS * WIDTH])
    }

    /// Numbers between -1 and 1 without a pattern that attention could hide, bfloat16.
    fn values(shape: &[i64], step: f64, device: Device) -> Tensor {
        let count = shape.iter().product::<i64>();
        let places = Tensor::arange(count, (Kind::Double, device));
        (places * step).sin().view(shape).to_kind(Kind::BFloat16)
    }

    fn largest(difference: &Tensor) -> f64 {
        difference
            .to_kind(Kind::Double)
            .abs()
            .max()
            .double_value(&[])
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn nan_is_no_small_difference() {
            let nan = Tensor::from_slice(&[0.0, f64::NAN, 1.0]);
            assert!(largest(&nan).is_nan() && (0.0 + largest(&nan)).is_nan());
        }

        #[test]
        fn plain_products_are_attention() {
            let of = |shape: &[i64], step| values(shape, step, Device::Cpu).to_kind(Kind::Float);
            let q = of(&[5, HEADS, WIDTH], 0.7);
            let (k, v) = (
                of(&[5, KEY_HEADS, WIDTH], 1.3),
                of(&[5, KEY_HEADS, WIDTH], 0.9),
            );
            let batch = |x: &Tensor| x.transpose(0, 1).unsqueeze(0);
            for causal in [false, true] {
                let mask = None::<&Tensor>;
                let (q4, k4, v4) = (batch(&q), batch(&k), batch(&v));
                let theirs = Tensor::scaled_dot_product_attention(
                    &q4, &k4, &v4, mask, 0.0, causal, None, true,
                );
                let theirs = theirs.squeeze_dim(0).transpose(0, 1).reshape([5, -1]);
                assert!(largest(&(plainly(&q, &k, &v, causal) - theirs)) < 1e-5);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where it does not work, plain products are used, and the reason is told.
    #[test]
    fn on_a_cpu_it_is_off() {
        let reason = tried(Device::Cpu).unwrap_err();
        assert!(!reason.is_empty() && !reason.contains('\n'), "{reason}");
        let float = available(Device::Cuda(0), Kind::Float, 128).unwrap_err();
        assert!(float.contains("bfloat16"), "{float}");
        let odd = available(Device::Cuda(0), Kind::BFloat16, 20).unwrap_err();
        assert!(odd.contains("20"), "{odd}");
        assert!(available(Device::Cpu, Kind::BFloat16, 128).is_err());
    }
}
