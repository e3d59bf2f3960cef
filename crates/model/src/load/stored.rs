//! What a file says of a weight before it is read.

use tch::Kind;

/// A weight, before it is read.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub name: String,
    pub shape: Vec<i64>,
    pub kind: Kind,
}

impl Stored {
    pub(crate) fn bytes(&self) -> u64 {
        let numbers: i64 = self.shape.iter().product();
        numbers.cast_unsigned() * self.kind.elt_size_in_bytes() as u64
    }
}

/// What older releases of transformers stored beside the weights and computes anew: rotations,
/// positions and masks.
pub(super) fn is_buffer(name: &str) -> bool {
    [
        "rotary_emb.inv_freq",
        "rotary_emb.cos_cached",
        "rotary_emb.sin_cached",
        "position_ids",
        "attn.bias",
        "attn.masked_bias",
    ]
    .iter()
    .any(|end| {
        name.strip_suffix(end)
            .is_some_and(|before| before.is_empty() || before.ends_with('.'))
    })
}
