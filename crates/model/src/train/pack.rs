//! The examples of a part, packed behind each other on the device.

use tch::Tensor;

use super::Example;
use crate::{
    forward::{Packed, Rotation},
    model::Model,
};

/// Examples behind each other; the last token of each is only a target.
pub(super) struct Pack {
    pub ids: Tensor,
    pub rotation: Rotation,
    pub sequences: Packed,
    /// Places whose output predicts a completion token, and that token.
    pub predicting: Tensor,
    pub targets: Tensor,
}

impl Pack {
    pub(super) fn new(model: &Model, examples: &[&Example]) -> Self {
        let places = Places::new(examples);
        let tensor = |values: &[i64]| Tensor::from_slice(values).to_device(model.placement.device);
        Self {
            ids: tensor(&places.ids),
            rotation: Rotation::new(model, &tensor(&places.positions)),
            sequences: Packed::new(model, places.lengths),
            predicting: tensor(&places.predicting),
            targets: tensor(&places.targets),
        }
    }

    pub(super) fn embedded(&self, model: &Model) -> Tensor {
        model.embedded(&self.ids)
    }
}

#[derive(Default)]
struct Places {
    ids: Vec<i64>,
    positions: Vec<i64>,
    lengths: Vec<i64>,
    predicting: Vec<i64>,
    targets: Vec<i64>,
}

impl Places {
    fn new(examples: &[&Example]) -> Self {
        let mut places = Self::default();
        for example in examples {
            let start = places.ids.len() as i64;
            let length = example.tokens() as i64 - 1;
            let ids = example.prompt_ids.iter().chain(&example.completion_ids);
            places.ids.extend(ids.take(length as usize));
            places.positions.extend(0..length);
            places.lengths.push(length);
            // The prompt's last token predicts the first of the completion.
            let first = start + example.prompt_ids.len() as i64 - 1;
            places.predicting.extend(first..start + length);
            places.targets.extend(&example.completion_ids);
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_completion_tokens_are_predicted() {
        let example = |prompt: &[i64], completion: &[i64]| Example {
            prompt_ids: prompt.to_vec(),
            completion_ids: completion.to_vec(),
        };
        let (a, b) = (example(&[1, 2], &[3, 4]), example(&[5], &[6]));
        let places = Places::new(&[&a, &b]);
        assert_eq!(
            (places.ids, places.positions, places.lengths),
            (vec![1, 2, 3, 5], vec![0, 1, 2, 0], vec![3, 1])
        );
        assert_eq!(
            (places.predicting, places.targets),
            (vec![1, 2, 3], vec![3, 4, 6])
        );
    }
}
