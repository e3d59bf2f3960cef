//! Training that gives the same bits every time on a GPU, where sums are otherwise added up in the
//! order in which they come. On the CPU it does so anyway.

use std::sync::OnceLock;

use super::{
    Placement,
    torch_cuda::{Reason, functions},
};

/// Whether it was asked for, and why it could not be had.
static ASKED: OnceLock<Result<(), String>> = OnceLock::new();

impl Placement {
    /// From here on this process computes so that it repeats itself, if this is a GPU. Where that
    /// cannot be had the description says so.
    pub fn compute_repeatably(self) {
        if !self.is_cpu() {
            ASKED.get_or_init(ask);
        }
    }
}

fn ask() -> Result<(), String> {
    let functions = functions().as_ref().map_err(String::clone)?;
    let mut reason = Reason::new();
    let (text, size) = reason.room();
    // SAFETY: the function writes at most `size` bytes to `text`.
    if unsafe { (functions.repeat)(text, size) } {
        Ok(())
    } else {
        Err(reason.text())
    }
}

/// For a description: nothing where it was not asked for.
pub(super) fn shown() -> String {
    match ASKED.get() {
        None => String::new(),
        Some(Ok(())) => ", deterministic".to_owned(),
        Some(Err(reason)) => format!(", not deterministic ({reason})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_card_the_reason_is_told() {
        Placement::CPU.compute_repeatably();
        assert_eq!(shown(), "", "a CPU needs no asking");
        let on_card = Placement {
            device: tch::Device::Cuda(0),
            kind: tch::Kind::BFloat16,
        };
        on_card.compute_repeatably();
        // With a card it may be either.
        assert!(shown().contains("deterministic"), "{}", shown());
    }
}
