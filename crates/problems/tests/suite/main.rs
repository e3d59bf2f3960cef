//! What every family and every set of problems is held to, the ninth family as the hundredth: no
//! test here names one, but for what is its own.
#![expect(
    clippy::unwrap_used,
    reason = "a test: a failure is a panic with its place"
)]

mod complete;
mod digest;
mod document;
mod errors;
mod holdout;
mod inputs;
mod learnable;
mod quick;
mod same_function;
mod solutions;
mod spec;
mod splits;
