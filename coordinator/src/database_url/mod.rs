//! The database URL: taken apart before sqlx sees it, which logs or passes over what it does not
//! know. No message holds anything of the URL but names of known parameters: in a malformed one any
//! part may be the password.

mod error;
mod parameters;
mod parse;
mod place;
mod tls;

pub use parse::parse;
pub use place::{is_near, place};
