//! Problems: families of rules, the splits that rules and cases fall into, the prompts, and the
//! known solutions. Pure: the same configuration and seed give the same problems everywhere. Never
//! runs Python and never looks at what a model wrote.

mod aims;
pub mod args;
mod bucket;
mod capacity;
mod cases;
mod catalog;
mod choose;
mod draw;
mod enough;
mod error;
mod families;
mod family;
mod index;
pub mod inputs;
mod make;
mod named;
mod part;
mod plan;
mod problem;
mod python;
mod registry;
mod seen_in_train;
mod shapes;
mod siblings;
mod trial;

pub use bucket::{split_of, split_of_rule};
pub use capacity::{Capacity, ClassCapacity, capacity};
pub use catalog::Folder;
pub use error::Error;
pub use family::{Drawn, Family, MAX_RULES, Rule, RuleText, Unit};
pub use index::Index;
pub use inputs::{Class, Inputs};
pub use make::{Plan, Share, make, record_versions};
pub use problem::{Case, Problem};
pub use registry::{by_name, families};
pub use trial::{Solution, homeless_solutions, sample, solutions};
