//! The connection to the coordinator. Generated types end here: what comes over the wire becomes
//! the domain's records, and everything else in grokctl knows only those.

mod answers;
mod connection;
mod convert;
mod life;
mod streams;

pub use answers::{Evaluation, MetricsLines};
pub use connection::{Client, Control};
