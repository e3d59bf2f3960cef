//! Prompts to keys, values and first logits. Nodes of one level are packed into one pass without padding.

use tch::{Kind, Tensor};

use super::prefixes::{self, Node};
use crate::{
    error::Result,
    forward::{self, attention_mask, causal_attention, weights::Weights},
};

/// Keys and values of a beginning, `[kv_heads, length, head_dim]` per layer.
pub(super) struct Keys {
    pub layers: Vec<(Tensor, Tensor)>,
    pub length: i64,
}

/// A prompt, computed.
pub(super) struct Prefilled {
    pub keys: Keys,
    /// Logits behind its last token, `[vocab]`, float32.
    pub logits: Tensor,
}

/// Tokens of one pass: enough for full speed, few enough to keep activations small.
const PASS_TOKENS: usize = 1024;

/// Computes distinct `prompts`, in their order, what they have in common once if `share`. `alive` is asked before every pass and may end
/// the work.
pub(super) fn run(
    weights: Weights<'_>,
    prompts: &[&[i64]],
    share: bool,
    alive: &mut dyn FnMut() -> Result<()>,
) -> Result<Vec<Prefilled>> {
    let nodes = if share {
        prefixes::plan(prompts)
    } else {
        prefixes::apart(prompts)
    };
    let mut keys: Vec<Option<Keys>> = nodes.iter().map(|_| None).collect();
    let mut last_hidden: Vec<Option<Tensor>> = prompts.iter().map(|_| None).collect();
    let deepest = nodes.iter().map(|node| node.level).max().unwrap_or(0);
    for level in 0..=deepest {
        let members: Vec<usize> = (0..nodes.len())
            .filter(|&index| nodes[index].level == level)
            .collect();
        for pass in passes(&nodes, &members) {
            alive()?;
            let (hidden, new_keys) = run_pass(weights, prompts, &nodes, pass, &keys);
            let mut end = 0;
            for (&index, node_keys) in pass.iter().zip(new_keys) {
                end += (nodes[index].end - nodes[index].start) as i64;
                keys[index] = Some(node_keys);
                if nodes[index].ends {
                    last_hidden[nodes[index].prompt] = Some(hidden.get(end - 1));
                }
            }
        }
    }
    Ok(collect(weights, &nodes, keys, last_hidden))
}

/// Slices of `members` with at most [`PASS_TOKENS`] tokens, or one node.
fn passes<'a>(nodes: &[Node], members: &'a [usize]) -> Vec<&'a [usize]> {
    let mut passes = Vec::new();
    let (mut from, mut tokens) = (0, 0);
    for (at, &index) in members.iter().enumerate() {
        let size = nodes[index].end - nodes[index].start;
        if at > from && tokens + size > PASS_TOKENS {
            passes.push(&members[from..at]);
            (from, tokens) = (at, 0);
        }
        tokens += size;
    }
    passes.push(&members[from..]);
    passes
}

fn run_pass(
    weights: Weights<'_>,
    prompts: &[&[i64]],
    nodes: &[Node],
    pass: &[usize],
    keys: &[Option<Keys>],
) -> (Tensor, Vec<Keys>) {
    let model = weights.model;
    let device = model.placement.device;
    let of = |pick: fn(&[i64], usize) -> i64| {
        let values: Vec<i64> = pass
            .iter()
            .flat_map(|&index| {
                let node = &nodes[index];
                (node.start..node.end).map(move |at| pick(prompts[node.prompt], at))
            })
            .collect();
        Tensor::from_slice(&values).to_device(device)
    };
    let (ids, positions) = (of(|prompt, at| prompt[at]), of(|_, at| at as i64));
    let masks: Vec<Option<Tensor>> = pass
        .iter()
        .map(|&index| {
            attention_mask(
                (nodes[index].end - nodes[index].start) as i64,
                nodes[index].start as i64,
                device,
            )
        })
        .collect();
    let mut new: Vec<Keys> = pass
        .iter()
        .map(|&index| Keys {
            layers: Vec::new(),
            length: nodes[index].end as i64,
        })
        .collect();
    let mut attend = |layer: usize, heads: &forward::Heads| {
        let mut start = 0;
        let mut parts = Vec::with_capacity(pass.len());
        for (at, &index) in pass.iter().enumerate() {
            let tokens = (nodes[index].end - nodes[index].start) as i64;
            let own = |tensor: &Tensor| tensor.narrow(0, start, tokens).transpose(0, 1);
            let parent = nodes[index]
                .parent
                .and_then(|parent| keys[parent].as_ref())
                .map(|keys| &keys.layers[layer]);
            let join = |before: Option<&Tensor>, own: Tensor| match before {
                Some(before) => Tensor::cat(&[before, &own], 1),
                None => own.contiguous(),
            };
            let k = join(parent.map(|(k, _)| k), own(&heads.k));
            let v = join(parent.map(|(_, v)| v), own(&heads.v));
            parts.push(causal_attention(
                &heads.q.narrow(0, start, tokens),
                &k,
                &v,
                masks[at].as_ref(),
            ));
            new[at].layers.push((k, v));
            start += tokens;
        }
        Tensor::cat(&parts, 0)
    };
    let hidden = forward::hidden_states(
        model,
        &ids,
        &positions,
        &|layer, fused, x| weights.project(layer, fused, x),
        &mut attend,
    );
    (hidden, new)
}

fn collect(
    weights: Weights<'_>,
    nodes: &[Node],
    mut keys: Vec<Option<Keys>>,
    last_hidden: Vec<Option<Tensor>>,
) -> Vec<Prefilled> {
    let hidden: Vec<Tensor> = last_hidden
        .into_iter()
        .map(|hidden| hidden.expect("the plan covers every prompt"))
        .collect();
    let logits = forward::logits(weights.model, &Tensor::stack(&hidden, 0)).to_kind(Kind::Float);
    let mut at: Vec<(usize, usize)> = nodes
        .iter()
        .enumerate()
        .filter(|(_, node)| node.ends)
        .map(|(index, node)| (node.prompt, index))
        .collect();
    at.sort_unstable();
    at.into_iter()
        .map(|(prompt, index)| Prefilled {
            keys: keys[index].take().expect("every node was computed"),
            logits: logits.get(prompt as i64),
        })
        .collect()
}
