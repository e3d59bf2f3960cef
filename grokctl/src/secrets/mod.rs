//! What an installation keeps to itself: tokens, the database's password, certificates. Made once,
//! kept ever after.

mod certificates;
mod file;
mod folder;
mod invitation;

pub use file::{make_token, write_private};
pub use folder::{Names, SecretsFolder};
pub use invitation::{Invitation, Side};
