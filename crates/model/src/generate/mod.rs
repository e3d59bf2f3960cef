//! Sampling completions: a fixed width of rows decoded together, finished ones leaving and waiting
//! ones entering, prompts computed once. What a row draws depends only on its prompt, its seed and
//! the model, up to float ties; never on when or beside whom it runs.

mod batch;
mod cache;
mod engine;
#[cfg(target_arch = "x86_64")]
mod native;
#[cfg(test)]
mod operations;
mod prefill;
mod prefixes;
mod request;
mod sampling;
mod step;
mod writing;

pub use engine::{generate, last_logits};
pub use request::{Completion, Finish, Progress, Request, Row, Sampling, Stop};
