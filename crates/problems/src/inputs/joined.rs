//! Several arguments: the inputs of one after those of the other.

use groklab_domain::Value;
use num_bigint::BigUint;

use super::space::{ANY, Class, Inputs};
use crate::index::Index;

/// All combinations of the first's arguments with the second's. One of the two must differ at every
/// difficulty; neither has classes.
#[derive(Debug, Clone, Copy)]
pub struct Joined<A, B>(pub A, pub B);

impl<A: Inputs, B: Inputs> Inputs for Joined<A, B> {
    fn size(&self, difficulty: u8, _: Class) -> BigUint {
        self.0.size(difficulty, ANY) * self.1.size(difficulty, ANY)
    }

    fn draw(&self, difficulty: u8, _: Class, index: &mut Index) -> Option<Vec<Value>> {
        let mut first = index.split(&self.0.size(difficulty, ANY));
        let mut args = self.0.draw(difficulty, ANY, &mut first)?;
        args.extend(self.1.draw(difficulty, ANY, index)?);
        Some(args)
    }
}
