//! LoRA fine-tuning on completions. Follows peft's LoRA and torch's AdamW; departs from a usual loop in that sequences are packed without
//! padding, the loss of a step is a sum over its completion tokens divided by their number (not a mean of means), and logits exist only
//! where a completion token is predicted. A step's parts are computed in lanes and summed in their order, so runs of one input on one machine
//! give the same bits.

mod adamw;
mod batches;
mod dropout;
mod loss;
mod parts;
mod schedule;

use std::{collections::BTreeMap, ops::ControlFlow};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use tch::Tensor;

pub use batches::plan_batches;
pub use schedule::Schedule;

use crate::{
    error::{Error, Result, guard},
    lora::{Adapter, LoraSpec, Target, base_name},
    memory,
    model::Model,
};
use adamw::AdamW;
use loss::Net;

/// What the model shall learn to write behind a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    pub prompt_ids: Vec<i64>,
    /// With the end token, if the model shall learn to stop.
    pub completion_ids: Vec<i64>,
}

impl Example {
    /// Tokens that go through the model.
    pub fn tokens(&self) -> usize {
        self.prompt_ids.len() + self.completion_ids.len()
    }
}

/// How training steps are made.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub learning_rate: f64,
    pub betas: (f64, f64),
    pub eps: f64,
    pub weight_decay: f64,
    /// Gradients are scaled down to this global norm.
    pub max_grad_norm: f64,
    /// Steps over which the learning rate rises from zero.
    pub warmup_steps: u64,
    /// Steps of the whole run: where the schedule ends.
    pub total_steps: u64,
    pub schedule: Schedule,
    /// Tokens that are in memory at once; a step's examples are split into parts of at most this size (or one example).
    pub micro_batch_tokens: usize,
    /// Keep only the input of every layer and compute the rest again when its gradient is due: less memory, about a third more work.
    pub checkpointing: bool,
    /// Seed of dropout.
    pub seed: u64,
}

impl Default for Settings {
    /// AdamW as torch has it, at a learning rate of 2e-4, constant.
    fn default() -> Self {
        Self {
            learning_rate: 2e-4,
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay: 0.01,
            max_grad_norm: 1.0,
            warmup_steps: 0,
            total_steps: 1,
            schedule: Schedule::Constant,
            micro_batch_tokens: 256,
            checkpointing: false,
            seed: 0,
        }
    }
}

/// Where training begins.
#[derive(Clone, Copy)]
pub enum Start<'a> {
    /// A drawn from the seed (Kaiming-uniform, as peft), B zero.
    Fresh { seed: u64 },
    /// An adapter, with the state of its optimiser where that was kept.
    From {
        adapter: &'a Adapter,
        optimiser: Option<&'a [u8]>,
    },
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Counted from 1.
    pub step: u64,
    /// Mean over the step's completion tokens, before the update.
    pub loss: f64,
    /// Global norm before clipping.
    pub grad_norm: f64,
    pub learning_rate: f64,
    /// Tokens of prompts and completions.
    pub tokens: usize,
    pub completion_tokens: usize,
}

const DOING: &str = "training";
const FIX: &str =
    "set train.gradient_checkpointing, lower train.batch_tokens or the length of completions";

pub(crate) type Parameters = BTreeMap<(usize, Target), (Tensor, Tensor)>;

/// Trains one adapter on one model.
pub struct Trainer<'a> {
    model: &'a Model,
    spec: LoraSpec,
    settings: Settings,
    parameters: Parameters,
    optimiser: AdamW,
    step: u64,
    /// What the base is called in the configuration of adapters.
    base_name: Option<String>,
}

impl<'a> Trainer<'a> {
    /// Prepares training of an adapter of shape `spec`.
    ///
    /// # Errors
    /// The shape makes no sense, or the adapter to start from has another one or another base.
    pub fn new(
        model: &'a Model,
        spec: LoraSpec,
        settings: Settings,
        start: Start<'_>,
    ) -> Result<Self> {
        let spec = spec.checked()?;
        let parameters = match start {
            Start::Fresh { seed } => fresh(model, &spec, seed),
            Start::From { adapter, .. } => copies(model, &spec, adapter)?,
        };
        let optimiser = match start {
            Start::From {
                optimiser: Some(state),
                ..
            } => AdamW::from_bytes(state, &parameters)?,
            _ => AdamW::new(&parameters),
        };
        Ok(Self {
            model,
            spec,
            settings,
            parameters,
            optimiser,
            step: 0,
            base_name: None,
        })
    }

    /// Adapters made from here on say that they are for `source`, from which the model was loaded, where peft can load it too: where it is a
    /// hub id or a Hugging Face folder, not a `.gguf` file.
    pub fn on_base(mut self, source: &str) -> Self {
        self.base_name = base_name(source).map(str::to_owned);
        self
    }

    /// One optimiser step over all of `examples`. `alive` is asked between the parts of a step and may end it.
    ///
    /// # Errors
    /// [`Error::NotFinite`] names the step and the examples, [`Error::Cancelled`] follows `alive`; the parameters are then unchanged.
    pub fn step(
        &mut self,
        examples: &[Example],
        alive: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<StepReport> {
        self.check(examples)?;
        let sum = self.accumulate(examples, alive)?;
        guard(DOING, FIX, || self.update(examples, sum))
    }

    /// The summed loss and gradients of a step's parts. Where a GPU's memory does not suffice, the parts are half as large from then on.
    fn accumulate(
        &mut self,
        examples: &[Example],
        alive: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<loss::Part> {
        let most = self.most_part(examples);
        let completion_tokens: usize = examples
            .iter()
            .map(|example| example.completion_ids.len())
            .sum();
        let mut fitting = most;
        let sum = memory::halving(
            self.model.placement,
            most,
            least_part(examples),
            &mut |most| {
                fitting = most;
                let work = parts::Work {
                    net: self.net(),
                    examples,
                    parts: batches::micro_batches(examples, most),
                    scale: 1.0 / completion_tokens as f64,
                    step: self.step + 1,
                    seed: self.settings.seed,
                };
                guard(DOING, FIX, || parts::run(&work, &mut *alive))
            },
        )?;
        if fitting < most {
            self.settings.micro_batch_tokens = fitting;
        }
        Ok(sum)
    }

    /// Moves the parameters along the gradients in `sum`.
    fn update(&mut self, examples: &[Example], sum: loss::Part) -> Result<StepReport> {
        let step = self.step + 1;
        let grad_norm = {
            let _without = tch::no_grad_guard();
            adamw::global_norm(&sum.gradients)
        };
        parts::check_finite(
            "the gradient's norm",
            grad_norm,
            step,
            &(0..examples.len()).collect::<Vec<_>>(),
        )?;
        let learning_rate = self.settings.learning_rate
            * self.settings.schedule.factor(
                step,
                self.settings.warmup_steps,
                self.settings.total_steps,
            );
        let clip = (self.settings.max_grad_norm / (grad_norm + 1e-6)).min(1.0);
        let clipped: Vec<Tensor> = sum
            .gradients
            .iter()
            .map(|gradient| gradient * clip)
            .collect();
        self.optimiser.update(
            &mut self.parameters,
            &clipped,
            &self.settings,
            learning_rate,
        );
        self.step = step;
        let tokens = examples.iter().map(Example::tokens).sum();
        let completion_tokens = examples
            .iter()
            .map(|example| example.completion_ids.len())
            .sum();
        Ok(StepReport {
            step,
            loss: sum.loss,
            grad_norm,
            learning_rate,
            tokens,
            completion_tokens,
        })
    }

    /// The mean loss over the completion tokens of `examples`, which are not trained on.
    ///
    /// # Errors
    /// As for [`Self::step`].
    pub fn loss(
        &self,
        examples: &[Example],
        alive: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<f64> {
        self.check(examples)?;
        let tokens: usize = examples
            .iter()
            .map(|example| example.completion_ids.len())
            .sum();
        let sum = memory::halving(
            self.model.placement,
            self.most_part(examples),
            least_part(examples),
            &mut |most| {
                guard("computing a loss", "use shorter examples", || {
                    let mut sum = 0.0;
                    for indices in batches::micro_batches(examples, most) {
                        if alive().is_break() {
                            return Err(Error::Cancelled);
                        }
                        sum += self.net().loss(
                            &indices
                                .iter()
                                .map(|&index| &examples[index])
                                .collect::<Vec<_>>(),
                        );
                    }
                    Ok(sum)
                })
            },
        )?;
        Ok(sum / tokens as f64)
    }

    /// Tokens of a part, at most, before memory has run out.
    fn most_part(&self, examples: &[Example]) -> usize {
        self.settings
            .micro_batch_tokens
            .min(examples.iter().map(Example::tokens).sum())
    }

    fn net(&self) -> Net<'_> {
        Net {
            model: self.model,
            spec: &self.spec,
            parameters: &self.parameters,
            checkpointing: self.settings.checkpointing,
        }
    }

    /// The adapter as it is now.
    pub fn adapter(&self) -> Adapter {
        let copy = |tensor: &Tensor| tensor.detach().to_device(tch::Device::Cpu).copy();
        let weights = self
            .parameters
            .iter()
            .map(|(&place, (a, b))| (place, (copy(a), copy(b))))
            .collect();
        Adapter::write(
            self.spec.clone(),
            weights,
            self.model,
            self.base_name.as_deref(),
        )
    }

    /// The optimiser's state, for [`Start::From`].
    pub fn optimiser_state(&self) -> Vec<u8> {
        self.optimiser.to_bytes()
    }

    /// Refuses examples that cannot be trained on; [`Self::step`] does so too.
    ///
    /// # Errors
    /// [`Error::Row`] for one without a prompt or completion, too long for the model, or with a foreign id.
    pub fn check(&self, examples: &[Example]) -> Result<()> {
        if examples.is_empty() {
            return Err(Error::Request("a training step without examples".into()));
        }
        let reason = |example: &Example| match (
            example.prompt_ids.is_empty(),
            example.completion_ids.is_empty(),
        ) {
            (true, _) => Some("its prompt has no tokens".into()),
            (_, true) => Some("its completion has no tokens".into()),
            _ => self.model.config.refuse(
                &[example.prompt_ids.as_slice(), &example.completion_ids].concat(),
                0,
            ),
        };
        let refused = examples
            .iter()
            .enumerate()
            .find_map(|(row, example)| reason(example).map(|reason| Error::Row { row, reason }));
        refused.map_or(Ok(()), Err)
    }
}

/// Below this limit of tokens the parts of a step get no smaller: an example is never cut.
fn least_part(examples: &[Example]) -> usize {
    examples
        .iter()
        .map(Example::tokens)
        .max()
        .unwrap_or_default()
        .div_ceil(2)
}

/// Parameters before any training: A uniform within ±1/√in, B zero.
fn fresh(model: &Model, spec: &LoraSpec, seed: u64) -> Parameters {
    let mut stream = ChaCha8Rng::seed_from_u64(seed);
    let device = model.placement.device;
    let mut parameters = Parameters::new();
    for layer in 0..model.config.layers {
        for &target in &spec.targets {
            let (input, output) = target.sizes(&model.config);
            let rank = spec.rank_at((layer, target));
            let bound = 1.0 / (input as f32).sqrt();
            let mut draw =
                || ((stream.next_u32() >> 8) as f32 / (1 << 24) as f32 * 2.0 - 1.0) * bound;
            let values: Vec<f32> = (0..rank * input).map(|_| draw()).collect();
            let a = Tensor::from_slice(&values)
                .view([rank, input])
                .to_device(device);
            let b = Tensor::zeros([output, rank], (tch::Kind::Float, device));
            parameters.insert(
                (layer, target),
                (a.set_requires_grad(true), b.set_requires_grad(true)),
            );
        }
    }
    parameters
}

fn copies(model: &Model, spec: &LoraSpec, adapter: &Adapter) -> Result<Parameters> {
    adapter.check_against(model)?;
    adapter.check_trainable()?;
    let theirs = adapter.spec();
    if *spec
        != (LoraSpec {
            dropout: spec.dropout,
            ..theirs.clone()
        })
    {
        return Err(Error::Adapter(format!(
            "training goes on with {theirs:?}, but {spec:?} is asked for"
        )));
    }
    let copy = |tensor: &Tensor| {
        tensor
            .copy()
            .to_device(model.placement.device)
            .set_requires_grad(true)
    };
    Ok(adapter
        .weights
        .iter()
        .map(|(&place, (a, b))| (place, (copy(a), copy(b))))
        .collect())
}
