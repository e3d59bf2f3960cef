//! What an experiment file may say, for people and for editors: all of it is made from the
//! structures that read such files.

mod defaults;
mod keys;
mod markdown;
mod schema;

pub use defaults::defaults;
pub use keys::tables;
pub use markdown::markdown;
pub use schema::schema;
