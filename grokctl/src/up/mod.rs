//! Everything on one machine: the coordinator and one worker of each kind as child processes, started in order, kept alive,
//! and stopped in order. Knows nothing of experiments.

mod component;
mod leftover;
mod lock;
mod ready;
mod restarts;
mod stack;
mod supervise;
mod tokens;

pub use lock::Lock;
pub use stack::{Stack, StackOptions, Started};
