//! What inputs are: a numbered space for each difficulty and answer class.

use groklab_domain::Value;
use num_bigint::BigUint;

use crate::index::Index;

/// An answer class: cases that are wanted apart, such as balanced and tangled brackets.
pub type Class = &'static str;

/// The class of inputs that have no classes.
pub const ANY: Class = "any";

/// The arguments that a rule may be asked about.
pub trait Inputs: Send + Sync {
    /// The classes a problem's cases take in turn: at most four, so that four hidden cases meet
    /// every class.
    fn classes(&self) -> &'static [Class] {
        &[ANY]
    }

    /// The classes that hidden cases after the fourth take in turn, where these differ.
    fn further(&self) -> Option<&'static [Class]> {
        None
    }

    /// How many indices [`Inputs::draw`] understands at this difficulty.
    fn size(&self, difficulty: u8, class: Class) -> BigUint;

    /// The arguments with this index below [`Inputs::size`], or `None` where that index holds none
    /// of the class. Different indices, classes and difficulties never give the same arguments, nor
    /// the same in another order where the rule commutes.
    fn draw(&self, difficulty: u8, class: Class, index: &mut Index) -> Option<Vec<Value>>;
}
