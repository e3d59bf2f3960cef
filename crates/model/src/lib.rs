//! Small code models in libtorch: loading, prompts, sampling, LoRA adapters and their training.
//! Pure compute: blocking, no tasks, no network but the fetch of a hub id. Keep a [`Model`] on one
//! thread of its own; everything here may run for minutes.
//!
//! ```no_run
//! use std::{ops::ControlFlow, path::Path};
//! use groklab_model::*;
//!
//! # fn main() -> groklab_model::Result<()> {
//! let placement = Placement::of(DeviceSetting::Auto, KindSetting::Auto)?;
//! let (model, tokenizer) = load("model.gguf", Path::new("cache"), placement)?;
//! let prompt_ids = tokenizer.encode_prompt("Write a Python function that adds two numbers.")?;
//!
//! let adapter = Adapter::open(Path::new("adapter"))?;
//! let applied = Applied::new(&model, &adapter)?; // drop it to be back at the base
//! let rows = [Row { prompt_ids: prompt_ids.clone(), seed: 7, entry: Some("add".into()) }];
//! let sampling = Sampling { temperature: 0.8, top_p: 0.95, max_new_tokens: 256 };
//! let stop = Stop::at_end_tokens(&tokenizer);
//! let request = Request { rows: &rows, sampling, stop, share_prefixes: true };
//! let mut go_on = |_progress| ControlFlow::Continue(());
//! let completions = generate(&model, Some(&applied), &request, &mut go_on)?;
//!
//! let mut completion_ids = completions[0].ids.clone();
//! // A rollout that was cut behind its code must still teach the model to stop.
//! tokenizer.close(&mut completion_ids);
//! let examples = [Example { prompt_ids, completion_ids }];
//! let spec = LoraSpec::plain(16, 32.0, 0.0, Target::ALL.to_vec());
//! let mut trainer = Trainer::new(&model, spec, Settings::default(), Start::Fresh { seed: 1 })?;
//! for batch in plan_batches(&[examples[0].tokens()], 2048, 2, 1) {
//!     let batch: Vec<Example> = batch.iter().map(|&index| examples[index].clone()).collect();
//!     println!("{:?}", trainer.step(&batch, &mut || ControlFlow::Continue(()))?);
//! }
//! let trained: Adapter = trainer.adapter(); // .id(), .config_file(), .weights_file()
//! # Ok(()) }
//! ```

mod chat;
mod config;
mod device;
mod digest;
mod error;
mod export;
mod forward;
mod generate;
mod lanes;
mod load;
mod lora;
mod memory;
mod model;
mod resident;
mod score;
mod tensors;
pub mod testing;
mod train;

pub use chat::{ChatTokenizer, Message};
pub use config::{Architecture, Config, Llama3, Local, RopeScaling};
pub use device::{DeviceSetting, GpuMemory, KindSetting, Placement, examine, load_cuda};
pub use error::{Error, Result, gpu_is_lost};
pub use export::{Merge, Merged, gguf_lora, write_tokenizer};
pub use generate::{
    Completion, Finish, Progress, Request, Row, Sampling, Stop, generate, last_logits,
};
pub use lanes::{set_threads, threads};
pub use load::{Source, default_cache};
pub use lora::{Adapter, Applied, LoraSpec, Target};
pub use model::{Model, load, load_for, load_tokenizer};
pub use resident::Resident;
pub use score::{Scored, score};
pub use train::{Example, Schedule, Settings, Start, StepReport, Trainer, plan_batches};
