//! What a coordinator answers over plain HTTP, beside the health and metrics of every process.

mod queue;

pub use queue::QueueFace;
