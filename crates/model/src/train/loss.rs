//! The loss of packed examples: cross-entropy summed over completion tokens, with the adapter computed beside the frozen base.

use tch::{Reduction, Tensor};

use super::{Example, Parameters};
use crate::{
    forward::{self, Heads, causal_attention},
    lora::{LoraSpec, delta},
    model::{Fused, Model},
};

/// The summed loss of `examples` as a scalar that gradients flow from.
pub(super) fn sum(model: &Model, spec: &LoraSpec, parameters: &Parameters, examples: &[&Example]) -> Tensor {
    let pack = Pack::new(examples);
    let tensor = |values: &[i64]| Tensor::from_slice(values).to_device(model.placement.device);
    let project = |layer: usize, fused: Fused, x: &Tensor| {
        let weights = &model.layers[layer];
        let out = x.linear(weights.weight(fused), weights.bias(fused));
        let low_rank = |target, x: &Tensor| {
            let (a, b) = parameters.get(&(layer, target))?;
            let x = if spec.dropout > 0.0 { x.dropout(spec.dropout, true) } else { x.shallow_clone() };
            Some(x.linear(a, None::<&Tensor>).linear(b, None::<&Tensor>))
        };
        match delta(spec, &model.config, fused, x, low_rank) {
            Some(delta) => out + delta,
            None => out,
        }
    };
    let mut attend = |_layer: usize, heads: &Heads| attend_each(heads, &pack.lengths);
    let hidden = forward::hidden_states(model, &tensor(&pack.ids), &tensor(&pack.positions), &project, &mut attend);
    let logits = forward::logits(model, &hidden.index_select(0, &tensor(&pack.predicting))).to_kind(tch::Kind::Float);
    logits.cross_entropy_loss(&tensor(&pack.targets), None::<Tensor>, Reduction::Sum, -100, 0.0)
}

/// Examples behind each other; the last token of each is only a target.
struct Pack {
    ids: Vec<i64>,
    positions: Vec<i64>,
    lengths: Vec<i64>,
    /// Places whose output predicts a completion token, and that token.
    predicting: Vec<i64>,
    targets: Vec<i64>,
}

impl Pack {
    fn new(examples: &[&Example]) -> Self {
        let mut pack = Self { ids: Vec::new(), positions: Vec::new(), lengths: Vec::new(), predicting: Vec::new(), targets: Vec::new() };
        for example in examples {
            let start = pack.ids.len();
            let length = example.tokens() - 1;
            pack.ids.extend(example.prompt_ids.iter().chain(&example.completion_ids).take(length));
            pack.positions.extend(0..length as i64);
            pack.lengths.push(length as i64);
            let first = start + example.prompt_ids.len() - 1;
            pack.predicting.extend((first..start + length).map(|place| place as i64));
            pack.targets.extend(&example.completion_ids);
        }
        pack
    }
}

/// Attention of packed sequences of these `lengths`, each over itself alone; `[tokens, heads × head_dim]`.
pub(crate) fn attend_each(heads: &Heads, lengths: &[i64]) -> Tensor {
    let mut start = 0;
    let parts: Vec<Tensor> = lengths
        .iter()
        .map(|&length| {
            let own = |tensor: &Tensor| tensor.narrow(0, start, length);
            let (k, v) = (own(&heads.k).transpose(0, 1), own(&heads.v).transpose(0, 1));
            let out = causal_attention(&own(&heads.q), &k, &v, None);
            start += length;
            out
        })
        .collect();
    Tensor::cat(&parts, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_completion_tokens_are_predicted() {
        let example = |prompt: &[i64], completion: &[i64]| Example { prompt_ids: prompt.to_vec(), completion_ids: completion.to_vec() };
        let (a, b) = (example(&[1, 2], &[3, 4]), example(&[5], &[6]));
        let pack = Pack::new(&[&a, &b]);
        assert_eq!((pack.ids, pack.positions, pack.lengths), (vec![1, 2, 3, 5], vec![0, 1, 2, 0], vec![3, 1]));
        assert_eq!((pack.predicting, pack.targets), (vec![1, 2, 3], vec![3, 4, 6]));
    }
}
