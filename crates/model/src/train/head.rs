//! The loss of hidden states and its gradient, a few rows of logits at a time: with a vocabulary of
//! 150,000 the logits of a step and their gradients would take more memory than all else (Liger
//! kernels, Hsu et al. 2024, do the same).

use tch::{Kind, Tensor};

use crate::{forward, model::Model};

/// Rows of logits in memory at once.
// With 150,000 tokens in the vocabulary 0.6 GB of float32.
const LOGIT_ROWS: i64 = 1024;

/// Hidden states `[rows, hidden]` behind the last layer, and the tokens they are to predict.
pub(super) struct Predictions<'a> {
    pub model: &'a Model,
    pub hidden: &'a Tensor,
    pub targets: &'a Tensor,
}

impl Predictions<'_> {
    /// The summed cross-entropy, a float64 scalar on the device.
    pub(super) fn loss(&self) -> Tensor {
        let _no_grad = tch::no_grad_guard();
        let mut sum = Tensor::zeros([], (Kind::Double, self.hidden.device()));
        for (start, count) in self.chunks() {
            let hidden = self.hidden.narrow(0, start, count);
            let normed = forward::final_norm(self.model, &hidden);
            let logprobs = forward::head(self.model, &normed).log_softmax(-1, Kind::Float);
            sum -= self.chosen(&logprobs, start);
        }
        sum
    }

    /// The summed cross-entropy times `scale`, a float64 scalar on the device, and its gradient
    /// with respect to the hidden states.
    pub(super) fn loss_and_gradient(&self, scale: f64) -> (Tensor, Tensor) {
        let mut sum = Tensor::zeros([], (Kind::Double, self.hidden.device()));
        let mut gradients = Vec::new();
        for (start, count) in self.chunks() {
            let hidden = self.hidden.narrow(0, start, count).detach();
            // Cut off from the layers: here the gradient goes back through the norm alone.
            let hidden = hidden.set_requires_grad(true);
            let normed = forward::final_norm(self.model, &hidden);
            let (loss, flowing) = self.through_head(&normed, start, scale);
            sum -= loss;
            // The gradient of this sum is what flows back through the norm.
            let through = (normed * flowing).sum(Kind::Float);
            gradients.extend(Tensor::run_backward(&[&through], &[&hidden], false, false));
        }
        (sum * scale, Tensor::cat(&gradients, 0))
    }

    /// The summed log-probability of a chunk that begins at row `start`, and the gradient of its
    /// scaled cross-entropy with respect to `normed`: that of the logits is softmax minus one-hot.
    fn through_head(&self, normed: &Tensor, start: i64, scale: f64) -> (Tensor, Tensor) {
        let _no_grad = tch::no_grad_guard();
        let logits = forward::head(self.model, normed);
        let mut logprobs = logits.log_softmax(-1, Kind::Float);
        let loss = self.chosen(&logprobs, start);
        let targets = self.targets_of(start, normed.size()[0]);
        let minus_one = targets.ones_like().to_kind(Kind::Float).neg();
        // In place, as a second matrix of this size would double the peak.
        let mut shares = logprobs.exp_();
        let gradient = shares
            .scatter_add_(1, &targets, &minus_one)
            .g_mul_scalar_(scale);
        (loss, gradient.to_kind(normed.kind()).mm(&self.model.head))
    }

    fn chosen(&self, logprobs: &Tensor, start: i64) -> Tensor {
        let targets = self.targets_of(start, logprobs.size()[0]);
        logprobs.gather(1, &targets, false).sum(Kind::Double)
    }

    fn targets_of(&self, start: i64, count: i64) -> Tensor {
        self.targets.narrow(0, start, count).unsqueeze(1)
    }

    /// First row and number of rows of each chunk.
    fn chunks(&self) -> Vec<(i64, i64)> {
        let rows = self.hidden.size()[0];
        let mut chunks = Vec::new();
        let mut start = 0;
        while start < rows {
            chunks.push((start, LOGIT_ROWS.min(rows - start)));
            start += LOGIT_ROWS;
        }
        chunks
    }
}
