//! LoRA fine-tuning on completions. Follows peft's LoRA and torch's AdamW; departs from a usual
//! loop in that sequences are packed, the loss of a step is a sum over its completion tokens
//! divided by their number (not a mean of means), and logits exist only where a completion token is
//! predicted. A step's parts are computed in lanes and summed in their order, so runs of one input
//! on one machine give the same bits.

mod adamw;
mod batches;
mod dropout;
mod head;
mod loss;
mod pack;
mod parameters;
mod parts;
mod schedule;
mod settings;
mod trainer;

pub use batches::plan_batches;
pub use schedule::Schedule;
pub use settings::{Example, Settings, Start, StepReport};
pub use trainer::Trainer;
