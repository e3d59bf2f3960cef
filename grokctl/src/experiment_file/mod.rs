//! Experiment files, checked as far as this machine can: what they say together, their model's
//! source, and whether their problems exist.

mod check;
mod inputs;
mod learnable;
mod paths;
mod summary;
mod sweep;

pub use check::{Checked, check, checked};
pub use inputs::Inputs;
pub use learnable::is_file;
pub use summary::Summary;
pub use sweep::Sweep;
