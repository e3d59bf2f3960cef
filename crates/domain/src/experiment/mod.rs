//! The experiment file: its schema with all defaults, its checks, and errors that name key, value,
//! line and fix.

mod check;
mod model_folder;
mod pair;
mod parse;
mod plain;
mod schema;

pub use check::{Invalid, advise};
pub use model_folder::require_in_model_folder;
pub use pair::exactly_two;
pub use parse::{Error, parse};
pub use plain::plain;
pub use schema::{
    Chat, Evaluate, Experiment, Generate, History, Model, Problems, Schedule, Start, Stop, TARGETS,
    Train, Verify, is_template,
};
