//! Inputs sorted into classes: for functions whose answers would else be nearly always the same.

use groklab_domain::Value;
use num_bigint::BigUint;

use super::space::{ANY, Class, Inputs};
use crate::index::Index;

/// The inputs of another space, each in the class that `class_of` says; cases take the classes in
/// turn.
pub struct Classed<I, F> {
    inputs: I,
    classes: &'static [Class],
    class_of: F,
}

impl<I: Inputs, F: Fn(&[Value]) -> Option<Class> + Send + Sync> Classed<I, F> {
    /// `None` of `class_of`: no input of the rule.
    pub fn new(inputs: I, classes: &'static [Class], class_of: F) -> Self {
        Self {
            inputs,
            classes,
            class_of,
        }
    }
}

impl<I: Inputs, F: Fn(&[Value]) -> Option<Class> + Send + Sync> Inputs for Classed<I, F> {
    fn classes(&self) -> &'static [Class] {
        self.classes
    }

    fn size(&self, difficulty: u8, _: Class) -> BigUint {
        self.inputs.size(difficulty, ANY)
    }

    fn draw(&self, difficulty: u8, class: Class, index: &mut Index) -> Option<Vec<Value>> {
        let args = self.inputs.draw(difficulty, ANY, index)?;
        ((self.class_of)(&args) == Some(class)).then_some(args)
    }
}
