//! LoRA adapters (Hu et al. 2021) as peft writes them: which linears they touch, their files, and
//! their use on a base.

mod adapter;
mod apply;
mod modules;
mod pattern;
mod peft;
mod stacked;
mod target;
mod writer;

pub use adapter::Adapter;
pub use apply::Applied;
pub(crate) use modules::{Place, path};
pub(crate) use stacked::{Block, Stacked, blocks};
pub use target::{LoraSpec, Target};
pub(crate) use writer::{NamedTensor, write_safetensors};
