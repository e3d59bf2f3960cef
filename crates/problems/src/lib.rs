//! Problems: eight families of generators, the splits their cases fall into, the prompts, and the
//! known solutions. Pure: the same configuration and seed give the same problems everywhere. Never
//! runs Python and never looks at what a model wrote.

mod bucket;
mod capacity;
mod error;
mod families;
mod family;
mod index;
mod make;
mod plan;
mod problem;

pub use bucket::split_of;
pub use capacity::{Capacity, ClassCapacity, capacity};
pub use error::Error;
pub use families::{by_name, families, rule_by_id, solutions};
pub use family::{Class, Drawn, Family, Rule, RuleText, Solutions};
pub use index::Index;
pub use make::make;
pub use problem::{Case, Problem};
