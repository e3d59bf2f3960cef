//! `worker-train fit`: examples in, a PEFT folder out, without any coordinator.

mod data;
mod output;
mod report;
mod settings;

use std::path::Path;

use groklab_model::{Adapter, ChatTokenizer, Checkpoint, Error, Example, Start, Trainer};
use groklab_runtime::tool::{self, Failure};

use crate::config::Fit;
use data::Data;
use output::Output;
use report::Report;
use settings::File;

/// Trains an adapter.
///
/// # Errors
/// Data, settings, model or adapter cannot be used; memory; interrupted. Then there is no folder, but where a loss was not a number: that
/// keeps the adapter of the last good step.
pub fn fit(args: &Fit) -> Result<(), Failure> {
    let file = read_settings(args.config.as_deref())?;
    let data = Data::read(&args.data)?;
    let held_out = args.held_out.as_deref().map(Data::read).transpose()?;
    let output = Output::new(&args.out)?;
    let init = Init::read(args.init_adapter.as_deref(), &file)?;
    let checkpoint = Checkpoint::open(&args.model, &args.models).map_err(failure)?;
    let has_text = data.has_text() || held_out.as_ref().is_some_and(Data::has_text);
    let tokenizer: Option<ChatTokenizer> = if has_text { Some(checkpoint.tokenizer().map_err(failure)?) } else { None };
    let examples = data.examples(tokenizer.as_ref(), checkpoint.config())?;
    let held_out = held_out.map(|data| data.examples(tokenizer.as_ref(), checkpoint.config())).transpose()?;
    let steps = data::plan(&examples, file.batch(), file.length(), file.seed());

    let stop = tool::Stop::on_signals()?;
    let model = checkpoint.model().map_err(failure)?;
    let spec = file.spec(init.adapter.as_ref().map(Adapter::spec)).map_err(failure)?;
    let mut trainer = Trainer::new(&model, spec, file.settings(steps.len() as u64), init.start(&file)).map_err(failure)?;
    let before = held_out_loss(&trainer, held_out.as_deref())?;
    let run = Run { data: &data, examples: &examples, steps: &steps, output: &output };
    let report = run.train(&mut trainer, &stop)?;
    let after = held_out_loss(&trainer, held_out.as_deref())?;
    let state = file.keeps_optimiser().then(|| trainer.optimiser_state());
    output.publish(&trainer.adapter(), state.as_deref())?;
    report.finish(examples.len(), before.zip(after));
    Ok(())
}

/// The steps of a run and what they are made of.
struct Run<'a> {
    data: &'a Data,
    examples: &'a [Example],
    steps: &'a [Vec<usize>],
    output: &'a Output,
}

impl Run<'_> {
    fn train(&self, trainer: &mut Trainer<'_>, stop: &tool::Stop) -> Result<Report, Failure> {
        let mut report = Report::new(self.steps.len() as u64);
        for batch in self.steps {
            if stop.asked() {
                return Err(Failure::interrupted("nothing was written"));
            }
            let members: Vec<Example> = batch.iter().map(|&index| self.examples[index].clone()).collect();
            match trainer.step(&members) {
                Ok(done) => report.step(&done),
                Err(Error::NotFinite { what, value, step, examples }) => {
                    let lines: Vec<usize> = examples.iter().map(|&at| batch[at as usize]).collect();
                    let message = format!("{what} is {value} at step {step} ({})", self.data.places(&lines));
                    return Err(keep_last_good(trainer, self.output, step, &message));
                }
                Err(error) => return Err(failure(error)),
            }
        }
        Ok(report)
    }
}

fn read_settings(path: Option<&Path>) -> Result<File, Failure> {
    let Some(path) = path else { return Ok(File::default()) };
    let name = path.display();
    let text =
        std::fs::read_to_string(path).map_err(|error| Failure::usage(anyhow::Error::new(error).context(format!("read `{name}`"))))?;
    File::parse(&text)
        .map_err(|error| Failure::usage(anyhow::anyhow!("{name} {}", error.to_string().replace('\n', &format!("\n  {name} ")))))
}

/// Where training begins.
struct Init {
    adapter: Option<Adapter>,
    optimiser: Option<Vec<u8>>,
}

impl Init {
    fn read(folder: Option<&Path>, file: &File) -> Result<Self, Failure> {
        let adapter = folder.map(Adapter::open).transpose().map_err(failure)?;
        let state = folder.map(|folder| folder.join(output::OPTIMISER)).filter(|path| file.keeps_optimiser() && path.exists());
        let optimiser = state.map(|path| std::fs::read(&path).map_err(|source| failure(Error::Read { path, source }))).transpose()?;
        Ok(Self { adapter, optimiser })
    }

    fn start(&self, file: &File) -> Start<'_> {
        match &self.adapter {
            Some(adapter) => Start::From { adapter, optimiser: self.optimiser.as_deref() },
            None => Start::Fresh { seed: file.seed() },
        }
    }
}

fn held_out_loss(trainer: &Trainer<'_>, examples: Option<&[Example]>) -> Result<Option<f64>, Failure> {
    examples.map(|examples| trainer.held_out_loss(examples)).transpose().map_err(failure)
}

/// Ends a run whose numbers went wrong at `step`; what was learned before is kept.
fn keep_last_good(trainer: &Trainer<'_>, output: &Output, step: u64, message: &str) -> Failure {
    let fix = "lower `learning_rate` or look at these examples";
    if step == 1 {
        return Failure::other(anyhow::anyhow!("{message}; {fix}; nothing was written"));
    }
    match output.publish(&trainer.adapter(), None) {
        Ok(()) => Failure::other(anyhow::anyhow!("{message}; {fix}; the adapter of step {} was kept", step - 1)),
        Err(failure) => failure,
    }
}

fn failure(error: Error) -> Failure {
    if error.is_callers() { Failure::usage(error) } else { Failure::other(error) }
}
