//! Methods: how a model is trained, a file each. A method says what the loop asks of it; the loop
//! names no method. `docs/extending.md` has the recipe for another one.

mod catalogue;
mod contract;
mod name;
mod none;
mod rft;
mod selection;

pub use contract::{Chosen, JudgedRollout, Method, Objective, Pool};
pub use name::MethodName;
pub use selection::normalise;
