//! A device, the kind of numbers on it, and what is done in another way on a GPU than on a CPU.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use tch::{Device, Kind};

use super::{DeviceSetting, GpuMemory, KindSetting, cuda, driver, flash, graph, repeat};
use crate::error::{Error, Result};

/// A device and the kind of numbers that weights and activations have on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    pub device: Device,
    pub kind: Kind,
}

/// libtorch's kernels are built for cards from this capability on, bfloat16's from the second on.
const OLDEST_CAPABILITY: (i32, i32) = (7, 5);
const BFLOAT16_CAPABILITY: (i32, i32) = (8, 0);

impl Placement {
    /// The CPU in float32.
    pub const CPU: Self = Self {
        device: Device::Cpu,
        kind: Kind::Float,
    };

    /// The place that the settings ask for.
    ///
    /// # Errors
    /// [`Error::NoDevice`] where that GPU is not here, [`Error::UnusableGpu`] where one is here but
    /// cannot be used.
    pub fn of(device: DeviceSetting, kind: KindSetting) -> Result<Self> {
        let index = match device {
            DeviceSetting::Cpu => None,
            DeviceSetting::Auto => (cuda::state().cards()? > 0).then_some(0),
            DeviceSetting::Cuda(index) => {
                let found = cuda::state().cards()?;
                if index >= found {
                    return Err(Error::NoDevice { index, found });
                }
                Some(index)
            }
        };
        let kind_or = |default: Kind| match kind {
            KindSetting::Auto => default,
            KindSetting::Float32 => Kind::Float,
            KindSetting::Bfloat16 => Kind::BFloat16,
        };
        let Some(index) = index else {
            return Ok(Self {
                device: Device::Cpu,
                kind: kind_or(Kind::Float),
            });
        };
        let kind = kind_or(Kind::BFloat16);
        // Where the driver does not answer, libtorch has at least found the card.
        if let Some(card) = driver::card(index) {
            refuse_old(&card, kind)?;
        }
        Ok(Self {
            device: Device::Cuda(index),
            kind,
        })
    }

    /// What identifies the GPU whatever number it has here; none on the CPU.
    pub fn gpu_id(self) -> Option<String> {
        let Device::Cuda(index) = self.device else {
            return None;
        };
        Some(driver::uuid(index).unwrap_or_else(|| format!("cuda-{index}")))
    }

    /// The most bytes that were free on the GPU whenever this process asked; none on the CPU, or
    /// where the driver does not say. The latest figure alone would mislead: libtorch keeps what it
    /// once had for itself.
    pub(crate) fn gpu_memory(self) -> Option<u64> {
        static MOST_FREE: Mutex<BTreeMap<usize, Option<u64>>> = Mutex::new(BTreeMap::new());
        let Device::Cuda(index) = self.device else {
            return None;
        };
        let mut by_card = MOST_FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let most = by_card.entry(index).or_default();
        *most = (*most).max(driver::memory(index).map(|memory| memory.free));
        *most
    }

    /// The card's memory as it is now; none on the CPU, or where the driver does not say.
    pub fn gpu_memory_now(self) -> Option<GpuMemory> {
        match self.device {
            Device::Cuda(index) => driver::memory(index),
            _ => None,
        }
    }

    /// True on the CPU, where small kernels of our own run.
    pub(crate) fn is_cpu(self) -> bool {
        self.device == Device::Cpu
    }

    /// From here on this process computes so that it repeats itself: on a CPU it does so anyway.
    /// Where that cannot be had on a GPU the description says so.
    pub fn compute_repeatably(self) {
        if !self.is_cpu() {
            repeat::begin();
        }
    }

    /// How to compute here.
    pub(crate) fn tactics(self) -> Tactics {
        if self.is_cpu() {
            return Tactics {
                adapter_kind: Kind::Float,
                pads_sequences: false,
                pass_tokens: 1024,
                // From 64 rows on products are as fast as they get (`docs/log.md`).
                decoded_rows: 64,
                fixed_shapes: false,
            };
        }
        Tactics {
            adapter_kind: self.kind,
            pads_sequences: true,
            pass_tokens: 2048,
            // A step of 256 rows takes little longer than one of 64 (`docs/gpu.md`).
            decoded_rows: 256,
            fixed_shapes: true,
        }
    }

    /// For records: what results may depend on, such as `cpu float32, 2 threads` or `cuda:0
    /// bfloat16, NVIDIA H100, driver 580.95.05, libtorch 2.13.0+cu130, 256 rows with graphs and
    /// with flash attention` (where the model's heads allow it).
    pub fn description(self) -> String {
        let kind = if self.kind == Kind::BFloat16 {
            "bfloat16"
        } else {
            "float32"
        };
        let index = match self.device {
            Device::Cpu => return format!("cpu {kind}, {} threads", crate::lanes::threads()),
            Device::Cuda(index) => index,
            other => return format!("{other:?} {kind}"),
        };
        let unknown = || "unknown".to_owned();
        let graphs = match graph::available() {
            Ok(()) => "with graphs".to_owned(),
            Err(reason) => format!("without graphs ({reason})"),
        };
        let flash = match flash::works(self.device, self.kind) {
            Ok(()) => "with flash attention".to_owned(),
            Err(reason) => format!("without flash attention ({reason})"),
        };
        format!(
            "cuda:{index} {kind}, {}, driver {}, libtorch {}, {} rows {graphs} and {flash}{}",
            driver::card(index).map_or_else(unknown, |card| card.name),
            driver::version().unwrap_or_else(unknown),
            cuda::libtorch_version().unwrap_or_else(unknown),
            self.tactics().decoded_rows,
            repeat::shown()
        )
    }
}

fn refuse_old(card: &driver::Card, kind: Kind) -> Result<()> {
    let (major, minor) = card.capability;
    let named = format!("{} has compute capability {major}.{minor}", card.name);
    if card.capability < OLDEST_CAPABILITY {
        return Err(Error::UnusableGpu {
            reason: format!("{named}, libtorch needs 7.5"),
            fix: "use --device cpu",
        });
    }
    if kind == Kind::BFloat16 && card.capability < BFLOAT16_CAPABILITY {
        return Err(Error::UnusableGpu {
            reason: format!("{named}, bfloat16 needs 8.0"),
            fix: "use --kind float32, or --device cpu",
        });
    }
    Ok(())
}

/// What is done in another way on a GPU than on a CPU. Tests go a GPU's way on a CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tactics {
    /// The kind of an adapter's weights.
    pub adapter_kind: Kind,
    /// Whether the sequences of a pass are padded, so that attention is one call.
    pub pads_sequences: bool,
    /// Tokens of one pass over prompts or scored sequences: enough for full speed, few enough to
    /// keep activations small.
    pub pass_tokens: usize,
    /// Rows decoded together: enough for full speed. Part of what results depend on, so fixed.
    pub decoded_rows: usize,
    /// Whether generation fills up its passes to one size. Products of another size may be computed
    /// in another order, so that a row's bits would depend on the rows beside it; and a step of one
    /// size is recorded once.
    pub fixed_shapes: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_that_is_not_here_is_refused() {
        let error = Placement::of(DeviceSetting::Cuda(4_000), KindSetting::Auto)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("4000") && error.contains("--device"),
            "{error}"
        );
        let on_cpu = |kind| Placement::of(DeviceSetting::Cpu, kind).unwrap();
        assert_eq!(on_cpu(KindSetting::Auto), Placement::CPU);
        assert_eq!(on_cpu(KindSetting::Bfloat16).kind, Kind::BFloat16);
    }

    #[test]
    fn old_cards_are_refused_by_name() {
        let card = |major, minor| driver::Card {
            name: "Tesla Old".into(),
            capability: (major, minor),
        };
        assert!(refuse_old(&card(9, 0), Kind::BFloat16).is_ok());
        assert!(refuse_old(&card(7, 5), Kind::Float).is_ok());
        for (card, kind, fix) in [
            (card(7, 5), Kind::BFloat16, "--kind float32"),
            (card(7, 0), Kind::Float, "--device cpu"),
        ] {
            let refused = refuse_old(&card, kind).unwrap_err().to_string();
            assert!(
                refused.contains("Tesla Old") && refused.contains(fix),
                "{refused}"
            );
        }
    }
}
