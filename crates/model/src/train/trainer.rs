//! The trainer: a step over examples, its parts sized by memory, and what comes out of it.

use std::ops::ControlFlow;

use super::{
    Example, Settings, Start, StepReport,
    adamw::AdamW,
    batches,
    loss::{Net, Part},
    parameters::{Leaves, Parameters},
    parts,
};
use crate::{
    error::{Error, Result, guard},
    lora::{Adapter, LoraSpec},
    memory,
    model::Model,
};

const DOING: &str = "training";
const FIX: &str = concat!(
    "set train.gradient_checkpointing, lower train.batch_tokens ",
    "or the length of completions"
);

/// Trains one adapter on one model.
pub struct Trainer<'a> {
    model: &'a Model,
    spec: LoraSpec,
    settings: Settings,
    parameters: Parameters,
    optimiser: AdamW,
    step: u64,
    /// Those that the optimiser had made when this run began.
    steps_before: u64,
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
        let (parameters, optimiser) = guard(DOING, FIX, || begin(model, &spec, start))?;
        Ok(Self {
            model,
            spec,
            settings,
            parameters,
            steps_before: optimiser.steps(),
            optimiser,
            step: 0,
        })
    }

    /// One optimiser step over all of `examples`. `alive` is asked between the parts of a step and
    /// may end it.
    ///
    /// # Errors
    /// [`Error::NotFinite`] names the step and the examples, [`Error::Cancelled`] follows `alive`;
    /// the parameters are then unchanged.
    pub fn step(
        &mut self,
        examples: &[Example],
        alive: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<StepReport> {
        self.check(examples)?;
        let sum = self.accumulate(examples, alive)?;
        guard(DOING, FIX, || self.update(examples, sum))
    }

    /// The summed loss and gradient of a step's parts. Where a GPU's memory does not suffice, the
    /// parts are half as large from then on.
    fn accumulate(
        &mut self,
        examples: &[Example],
        alive: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Part> {
        let wanted = self.part_tokens(examples);
        // By the whole step's tokens, so that how it is cut into parts makes no difference.
        let scale = 1.0 / completion_tokens(examples) as f64;
        let mut fitting = wanted;
        let leaves = self.leaves()?;
        let mut attempt = |part_tokens: usize| {
            fitting = part_tokens;
            let work = parts::Work {
                net: self.net(&leaves),
                examples,
                parts: batches::micro_batches(examples, part_tokens),
                scale,
                step: self.step + 1,
                seed: self.settings.seed,
                dropout: self.spec.dropout,
            };
            guard(DOING, FIX, || parts::run(&work, &mut *alive))
        };
        let smallest = smallest_part(examples);
        let sum = memory::halving(self.model.placement, wanted, smallest, &mut attempt)?;
        if fitting < wanted {
            self.settings.micro_batch_tokens = fitting;
        }
        Ok(sum)
    }

    /// Moves the parameters along the gradient in `sum`.
    fn update(&mut self, examples: &[Example], sum: Part) -> Result<StepReport> {
        let _no_grad = tch::no_grad_guard();
        let step = self.step + 1;
        let grad_norm = sum.gradient.norm().double_value(&[]);
        // The sum does not tell which example it came from.
        let all: Vec<usize> = (0..examples.len()).collect();
        parts::check_finite("the gradient's norm", grad_norm, step, &all)?;
        let settings = &self.settings;
        let learning_rate = settings.learning_rate * self.schedule_factor(step);
        // As torch's `clip_grad_norm_`, the small number included.
        let clip = (settings.max_grad_norm / (grad_norm + 1e-6)).min(1.0);
        let clipped = sum.gradient * clip;
        self.optimiser
            .update(&mut self.parameters, &clipped, settings, learning_rate);
        self.step = step;
        Ok(StepReport {
            step,
            loss: sum.loss,
            grad_norm,
            learning_rate,
            tokens: examples.iter().map(Example::tokens).sum(),
            completion_tokens: completion_tokens(examples),
        })
    }

    /// The share of the learning rate at this run's `step`. Where the schedule goes on over several
    /// runs it counts all of the optimiser's steps; warming up anew in each would make a saw-tooth.
    fn schedule_factor(&self, step: u64) -> f64 {
        let settings = &self.settings;
        let (mut step, mut total) = (step, settings.total_steps);
        if settings.runs_left > 0 {
            total = self.steps_before + total * settings.runs_left;
            step += self.steps_before;
        }
        settings.schedule.factor(step, settings.warmup_steps, total)
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
        let leaves = self.leaves()?;
        let mut sum_of_parts = |part_tokens: usize| {
            let mut sum = 0.0;
            for indices in batches::micro_batches(examples, part_tokens) {
                if alive().is_break() {
                    return Err(Error::Cancelled);
                }
                let members: Vec<&Example> = indices.iter().map(|&at| &examples[at]).collect();
                sum += self.net(&leaves).loss(&members);
            }
            Ok(sum)
        };
        let sum = memory::halving(
            self.model.placement,
            self.part_tokens(examples),
            smallest_part(examples),
            &mut |part_tokens| {
                guard("computing a loss", "use shorter examples", || {
                    sum_of_parts(part_tokens)
                })
            },
        )?;
        Ok(sum / completion_tokens(examples) as f64)
    }

    /// Tokens of a part, at most, before memory has run out.
    fn part_tokens(&self, examples: &[Example]) -> usize {
        self.settings
            .micro_batch_tokens
            .min(examples.iter().map(Example::tokens).sum())
    }

    fn leaves(&self) -> Result<Leaves> {
        guard(DOING, FIX, || {
            Ok(Leaves::new(self.model, &self.spec, &self.parameters))
        })
    }

    fn net<'b>(&'b self, leaves: &'b Leaves) -> Net<'b> {
        Net {
            model: self.model,
            leaves,
            checkpointing: self.settings.checkpointing,
        }
    }

    /// The adapter as it is now.
    pub fn adapter(&self) -> Adapter {
        Adapter::write(self.spec.clone(), self.parameters.pairs(), self.model)
    }

    /// The optimiser's state, for [`Start::From`].
    pub fn optimiser_state(&self) -> Vec<u8> {
        self.optimiser.to_bytes(&self.parameters)
    }

    /// Refuses examples that cannot be trained on; [`Self::step`] does so too.
    ///
    /// # Errors
    /// [`Error::Row`] for one without a prompt or completion, too long for the model, or with a
    /// foreign id.
    pub fn check(&self, examples: &[Example]) -> Result<()> {
        if examples.is_empty() {
            return Err(Error::Request("a training step without examples".into()));
        }
        for (row, example) in examples.iter().enumerate() {
            if let Some(reason) = self.refuse(example) {
                return Err(Error::Row { row, reason });
            }
        }
        Ok(())
    }

    /// Why an example cannot be trained on.
    fn refuse(&self, example: &Example) -> Option<String> {
        if example.prompt_ids.is_empty() {
            return Some("its prompt has no tokens".into());
        }
        if example.completion_ids.is_empty() {
            return Some("its completion has no tokens".into());
        }
        let ids = [example.prompt_ids.as_slice(), &example.completion_ids].concat();
        self.model.config.refuse(&ids, 0)
    }
}

/// What training begins with, on the model's device.
fn begin(model: &Model, spec: &LoraSpec, start: Start<'_>) -> Result<(Parameters, AdamW)> {
    let parameters = match start {
        Start::Fresh { seed } => Parameters::fresh(model, spec, seed),
        Start::From { adapter, .. } => Parameters::of_adapter(model, spec, adapter)?,
    };
    let optimiser = match start {
        Start::From {
            optimiser: Some(state),
            ..
        } => AdamW::from_bytes(state, &parameters)?,
        _ => AdamW::new(&parameters),
    };
    Ok((parameters, optimiser))
}

fn completion_tokens(examples: &[Example]) -> usize {
    examples
        .iter()
        .map(|example| example.completion_ids.len())
        .sum()
}

/// Below this limit of tokens the parts of a step get no smaller: an example is never cut.
fn smallest_part(examples: &[Example]) -> usize {
    let longest = examples.iter().map(Example::tokens).max();
    longest.unwrap_or_default().div_ceil(2)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;
    use crate::{Placement, Target, device::Tactics, testing};

    fn examples() -> Vec<Example> {
        let mut examples = Vec::new();
        for n in 0..7_i64 {
            examples.push(Example {
                prompt_ids: (0..3 + n).map(|k| 5 + (k * 7 + n) % 200).collect(),
                completion_ids: (0..2 + n % 4).map(|k| 9 + (k * 5 + n) % 200).collect(),
            });
        }
        examples
    }

    /// Loss and norm of each of a few steps.
    fn steps(model: &Model, checkpointing: bool) -> Vec<(f64, f64)> {
        let spec = LoraSpec::plain(4, 8.0, 0.0, Target::ALL.to_vec());
        let settings = Settings {
            learning_rate: 1e-2,
            checkpointing,
            ..Settings::default()
        };
        let mut trainer = Trainer::new(model, spec, settings, Start::Fresh { seed: 1 }).unwrap();
        let mut reports = Vec::new();
        for _ in 0..4 {
            let report = trainer.step(&examples(), &mut || ControlFlow::Continue(()));
            let report = report.unwrap();
            reports.push((report.loss, report.grad_norm));
        }
        reports
    }

    /// It warmed up and began anew in every iteration.
    #[test]
    fn a_schedule_goes_on_over_runs() {
        let folder = tempfile::tempdir().unwrap();
        testing::write_tiny_model(folder.path(), 1).unwrap();
        let path = folder.path().to_str().unwrap();
        let model = Model::open(path, folder.path(), Placement::CPU).unwrap();
        let spec = || LoraSpec::plain(4, 8.0, 0.0, Target::ALL.to_vec());
        let run = |runs_left, start: Start<'_>| {
            let settings = Settings {
                learning_rate: 1.0,
                warmup_steps: 3,
                total_steps: 4,
                schedule: crate::Schedule::Linear,
                runs_left,
                ..Settings::default()
            };
            let mut trainer = Trainer::new(&model, spec(), settings, start).unwrap();
            let mut rates = Vec::new();
            for _ in 0..4 {
                let mut alive = || ControlFlow::Continue(());
                let report = trainer.step(&examples(), &mut alive).unwrap();
                rates.push(report.learning_rate);
            }
            (rates, trainer.adapter(), trainer.optimiser_state())
        };
        let (first, adapter, state) = run(2, Start::Fresh { seed: 1 });
        let on = |runs_left| {
            let optimiser = Some(state.as_slice());
            run(
                runs_left,
                Start::From {
                    adapter: &adapter,
                    optimiser,
                },
            )
            .0
        };
        let rates = [first, on(1)].concat();
        let expected = [1.0 / 3.0, 2.0 / 3.0, 1.0, 1.0, 0.8, 0.6, 0.4, 0.2];
        for (rate, expected) in rates.iter().zip(expected) {
            assert!((rate - expected).abs() < 1e-12, "{rates:?}");
        }
        assert!(
            (on(0)[0] - 1.0 / 3.0).abs() < 1e-12,
            "of its own it begins anew"
        );
    }

    fn tactics_of_a_gpu(kind: Kind) -> Tactics {
        let device = Device::Cuda(0);
        Placement { device, kind }.tactics()
    }

    #[test]
    fn a_gpus_way_of_training_gives_the_same_on_a_cpu() {
        let folder = tempfile::tempdir().unwrap();
        testing::write_tiny_model(folder.path(), 1).unwrap();
        let open = |kind| {
            let device = Device::Cpu;
            let place = Placement { device, kind };
            Model::open(folder.path().to_str().unwrap(), folder.path(), place).unwrap()
        };
        let mut model = open(Kind::Float);
        let plain = steps(&model, false);
        model.tactics = tactics_of_a_gpu(Kind::Float);
        for checkpointing in [false, true] {
            for (one, other) in plain.iter().zip(steps(&model, checkpointing)) {
                let near = (one.0 - other.0).abs() < 1e-4 && (one.1 - other.1).abs() < 1e-3;
                assert!(near, "{one:?} {other:?}");
            }
        }
        // In bfloat16 throughout, with the parameters themselves in float32.
        let mut model = open(Kind::BFloat16);
        model.tactics = tactics_of_a_gpu(Kind::BFloat16);
        for (one, other) in plain.iter().zip(steps(&model, false)) {
            assert!((one.0 - other.0).abs() < 0.05, "{one:?} {other:?}");
        }
    }
}
