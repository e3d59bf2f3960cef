//! Experiment files: their schema with all defaults, how several and single settings are put
//! together, their checks, and errors that name key, value, place and fix.

mod advice;
mod check;
mod differing;
mod explain;
mod hub;
mod inherited;
mod invalid;
mod json_schema;
mod key_order;
mod lists;
mod model_folder;
mod name;
mod parse;
mod plain;
mod schema;
mod setting;
mod sources;
mod training;
mod unlike;

pub use advice::advise;
pub use differing::differing;
pub use hub::{is_hub_id, is_revision};
pub use inherited::{AdapterShape, changed_from_adapter, changed_in_fork, trains_on};
pub use invalid::Invalid;
pub use json_schema::json_schema;
pub use key_order::key_order;
pub use lists::{exactly_two, one_or_many};
pub use model_folder::require_in_model_folder;
pub use name::{MAX_TAGS, check_name, check_tag};
pub use parse::{Composed, Error, Origin, compose, parse};
pub use plain::plain;
pub use schema::{
    Chat, Evaluate, Experiment, Generate, Model, Problems, Stop, Verify, is_template,
};
pub use sources::{Place, Source};
pub use training::{Curriculum, History, Schedule, Select, Start, TARGETS, Train};
pub use unlike::{measured, unlike};
