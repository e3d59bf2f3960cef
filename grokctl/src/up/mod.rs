//! Everything on one machine: the coordinator and workers of each kind as child processes,
//! started in order, kept alive, and stopped in order. Knows nothing of experiments.

mod component;
mod doctor;
mod launch;
mod leftover;
mod options;
mod programs;
mod ready;
mod restarts;
mod stack;
mod supervise;
mod tier;
mod tokens;

pub use doctor::{ask, programs_to_ask};
pub use options::{StackOptions, Started};
pub use programs::{beside, program};
pub use stack::{Stack, bin_folder};
