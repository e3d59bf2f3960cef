//! Training that gives the same bits every time on a GPU, where sums are otherwise added up in the
//! order in which they come. On the CPU it does so anyway.

use std::sync::OnceLock;

use super::torch_cuda::{Reason, functions};

/// Whether it was asked for, and why it could not be had.
static ASKED: OnceLock<Result<(), String>> = OnceLock::new();

/// From here on this process repeats itself on a GPU, or [`shown`] says why not.
pub(super) fn begin() {
    ASKED.get_or_init(ask);
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
        assert_eq!(shown(), "", "nobody asked for it");
        begin();
        // With a card it may be either.
        assert!(shown().contains("deterministic"), "{}", shown());
    }
}
