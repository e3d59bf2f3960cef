//! The names of weights, here Hugging Face's, there a GGUF's. Where a norm stands behind attention
//! (`post_norms`), it has the name that else is that of the one before the MLP.

/// The name of a weight in a GGUF.
pub(crate) fn stored_name(name: &str, post_norms: bool) -> Option<String> {
    if let Some((_, theirs)) = WHOLE.iter().find(|(ours, _)| *ours == name) {
        return Some((*theirs).to_owned());
    }
    let (layer, rest) = name.strip_prefix("model.layers.")?.split_once('.')?;
    let (part, suffix) = rest.rsplit_once('.')?;
    let (_, part) = parts(post_norms).find(|(ours, _)| *ours == part)?;
    Some(format!("blk.{layer}.{part}.{suffix}"))
}

/// [`stored_name`] the other way.
pub(super) fn hugging_face_name(stored: &str, post_norms: bool) -> Option<String> {
    if let Some((ours, _)) = WHOLE.iter().find(|(_, theirs)| *theirs == stored) {
        return Some((*ours).to_owned());
    }
    let (layer, rest) = stored.strip_prefix("blk.")?.split_once('.')?;
    let (part, suffix) = rest.rsplit_once('.')?;
    let (part, _) = parts(post_norms).find(|(_, theirs)| *theirs == part)?;
    Some(format!("model.layers.{layer}.{part}.{suffix}"))
}

fn parts(post_norms: bool) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    let norms = if post_norms { POST_NORMS } else { NORMS };
    norms.iter().chain(&PARTS)
}

/// Weights outside the layers, by both names.
const WHOLE: [(&str, &str); 3] = [
    ("model.embed_tokens.weight", "token_embd.weight"),
    ("model.norm.weight", "output_norm.weight"),
    ("lm_head.weight", "output.weight"),
];

const NORMS: &[(&str, &str)] = &[("post_attention_layernorm", "ffn_norm")];
const POST_NORMS: &[(&str, &str)] = &[
    ("post_attention_layernorm", "post_attention_norm"),
    ("pre_feedforward_layernorm", "ffn_norm"),
    ("post_feedforward_layernorm", "post_ffw_norm"),
];

/// Parts of a layer, by both names.
const PARTS: [(&str, &str); 10] = [
    ("input_layernorm", "attn_norm"),
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"),
    ("self_attn.q_norm", "attn_q_norm"),
    ("self_attn.k_norm", "attn_k_norm"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_both_worlds() {
        for (ours, post_norms, theirs) in [
            ("lm_head.weight", false, "output.weight"),
            (
                "model.layers.3.self_attn.q_proj.bias",
                false,
                "blk.3.attn_q.bias",
            ),
            (
                "model.layers.3.post_attention_layernorm.weight",
                false,
                "blk.3.ffn_norm.weight",
            ),
            (
                "model.layers.3.post_attention_layernorm.weight",
                true,
                "blk.3.post_attention_norm.weight",
            ),
            (
                "model.layers.3.pre_feedforward_layernorm.weight",
                true,
                "blk.3.ffn_norm.weight",
            ),
        ] {
            assert_eq!(stored_name(ours, post_norms).unwrap(), theirs);
            assert_eq!(hugging_face_name(theirs, post_norms).unwrap(), ours);
        }
        assert_eq!(stored_name("model.layers.0.other.weight", false), None);
        assert_eq!(hugging_face_name("rope_freqs.weight", false), None);
    }
}
