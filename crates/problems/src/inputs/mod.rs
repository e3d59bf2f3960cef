//! The inputs of rules, by number. What several families ask is here; a family with inputs of its
//! own implements [`Inputs`] beside its rules.

mod classed;
mod joined;
mod lists;
mod numbers;
mod space;
mod text;
mod uneven;

pub use classed::Classed;
pub use joined::Joined;
pub use lists::{Grid, Ints};
pub use numbers::{Between, Numbers};
pub use space::{ANY, Class, Inputs};
pub use text::{Text, Words};
pub use uneven::Uneven;
