//! The strings of brackets, by number: balanced ones, and those that are wrong in a certain way.

use groklab_domain::Value;
use num_bigint::BigUint;

use crate::{
    index::Index,
    inputs::{Class, Inputs},
    shapes::dyck,
};

const BALANCED: Class = "balanced";
/// As many closings as openings of each kind, the first bracket opens and the last one closes, and
/// still not balanced: two pairs cross, as in `()[(])`, or (of one kind) a bracket closes before
/// its opening, as in `())(()`.
const TANGLED: Class = "tangled";
/// Balanced but for one bracket that closes nothing.
const STRAY: Class = "stray";
/// Balanced but for one bracket that is not closed, the missing last one.
const UNFINISHED: Class = "unfinished";
/// Balanced, but nested deeper than allowed.
const DEEP: Class = "deep";

/// What may follow a bracket where there is text; the first bracket is always followed by a letter.
const FILLERS: [&str; 5] = ["a", "b", "x+", "y", ""];

/// Strings of brackets of these kinds.
pub struct Brackets {
    pub kinds: Vec<&'static str>,
    /// Other characters stand between the brackets.
    pub in_text: bool,
    /// Deepest nesting that is still right; 0: any.
    pub deepest: usize,
}

/// Whether the brackets in `s` are balanced and nowhere too deep.
pub fn is_right(s: &str, kinds: &[&str], deepest: usize) -> bool {
    let mut open = Vec::new();
    for c in s.chars() {
        if let Some(kind) = kinds.iter().find(|kind| kind.starts_with(c)) {
            open.push(kind);
            if deepest > 0 && open.len() > deepest {
                return false;
            }
        } else if kinds.iter().any(|kind| kind.ends_with(c))
            && open.pop().is_none_or(|kind| !kind.ends_with(c))
        {
            return false;
        }
    }
    open.is_empty()
}

impl Brackets {
    /// Pairs of brackets: `d + 4`, and `d + 8` where there is one kind only.
    fn pairs(&self, difficulty: u8) -> u32 {
        // One kind has few words, too few for the splits: 5 pairs make 42, where three kinds make
        // 10,206.
        u32::from(difficulty) + if self.kinds.len() == 1 { 8 } else { 4 }
    }

    /// Pairs of the balanced word that the class is made from.
    fn shape_pairs(&self, difficulty: u8, class: Class) -> u32 {
        // `dyck::dip` takes one pair away.
        self.pairs(difficulty) + u32::from(class == TANGLED && self.kinds.len() == 1)
    }

    /// The class's word out of a balanced one, each pair with a kind of its own. `None` where this
    /// makes no word of the class.
    fn render(&self, shape: &[bool], class: Class, index: &mut Index) -> Option<Vec<String>> {
        let pairs = dyck::pairs(shape);
        let kinds: Vec<&str> = pairs.iter().map(|_| *index.pick(&self.kinds)).collect();
        // With one kind pairs cannot cross, so a bracket closes before its opening instead.
        if class == TANGLED && self.kinds.len() == 1 {
            return Some(
                dyck::dip(shape)?
                    .iter()
                    .map(|opening| kinds[0][usize::from(!opening)..][..1].to_owned())
                    .collect(),
            );
        }
        let mut out = vec![String::new(); shape.len()];
        for (pair, kind) in pairs.iter().zip(&kinds) {
            out[pair.open] = kind[..1].to_owned();
            out[pair.close] = kind[1..].to_owned();
        }
        match class {
            TANGLED => {
                let inner = index.take(pairs.len() as u64) as usize;
                // Crossed with the pair right around it: the closings trade places.
                let outer = pairs[inner].parent?;
                out.swap(pairs[inner].close, pairs[outer].close);
                // Of the same kind the word is balanced as before.
                (kinds[inner] != kinds[outer]).then_some(out)
            }
            // Without its first opening some bracket closes on an empty stack. Words that only end
            // unfinished or cross let a solution pass that ignores stray closings.
            STRAY => Some(out.split_off(1)),
            UNFINISHED => out.pop().map(|_| out),
            _ => Some(out),
        }
    }
}

fn add_text(brackets: &mut [String], index: &mut Index) {
    for (i, bracket) in brackets.iter_mut().enumerate() {
        *bracket += if i == 0 {
            // So that a rule about text never asks for brackets alone.
            *index.pick(&FILLERS[..4])
        } else {
            *index.pick(&FILLERS)
        };
    }
}

impl Inputs for Brackets {
    fn classes(&self) -> &'static [Class] {
        // The limit leaves no room for tangled cases among four: deep ones refute the same
        // solutions, which know no depth.
        if self.deepest > 0 {
            &[BALANCED, DEEP, STRAY, UNFINISHED]
        } else {
            &[BALANCED, TANGLED, STRAY, UNFINISHED]
        }
    }

    /// With two visible and six hidden cases half of all are balanced (with a limit, three of
    /// eight).
    fn further(&self) -> Option<&'static [Class]> {
        Some(if self.deepest > 0 {
            &[
                TANGLED, BALANCED, BALANCED, DEEP, BALANCED, STRAY, BALANCED, UNFINISHED,
            ]
        } else {
            &[
                BALANCED, BALANCED, TANGLED, BALANCED, STRAY, BALANCED, UNFINISHED,
            ]
        })
    }

    fn size(&self, difficulty: u8, class: Class) -> BigUint {
        let kinds = BigUint::from(self.kinds.len());
        let pairs = self.shape_pairs(difficulty, class);
        let mut size = kinds.pow(pairs) * dyck::words(pairs);
        if class == TANGLED && self.kinds.len() > 1 {
            // The pair that is crossed.
            size *= pairs;
        }
        if self.in_text {
            let brackets =
                2 * self.pairs(difficulty) - u32::from(class == STRAY || class == UNFINISHED);
            size *= BigUint::from(FILLERS.len()).pow(brackets - 1) * (FILLERS.len() as u64 - 1);
        }
        size
    }

    fn draw(&self, difficulty: u8, class: Class, index: &mut Index) -> Option<Vec<Value>> {
        let pairs = self.shape_pairs(difficulty, class);
        let shape = dyck::word(pairs, index.take(dyck::words(pairs)));
        let deep = self.deepest > 0 && dyck::depth(&shape) > self.deepest;
        // Too deep words are wrong for their depth, so they are in the class of their own and in no
        // other.
        if deep != (class == DEEP) {
            return None;
        }
        let mut brackets = self.render(&shape, class, index)?;
        if self.in_text {
            add_text(&mut brackets, index);
        }
        Some(vec![Value::Str(brackets.concat())])
    }
}
