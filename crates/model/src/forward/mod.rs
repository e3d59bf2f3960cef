//! The one forward pass, over packed tokens `[tokens, hidden]`: decoding, prefill, scoring and
//! training all go through it and differ in their products and in their attention.

mod attention;
mod pass;
mod weights;

pub(crate) use attention::{Packed, attention, visible};
pub(crate) use pass::{Heads, Linears, Pass, Rotation, final_norm, head, logits};
pub(crate) use weights::Weights;
