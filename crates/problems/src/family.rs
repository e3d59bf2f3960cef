//! What a family and a rule are. A rule knows the cases that exist for it (by number), their
//! answers, and Python that is right or wrong.

use groklab_domain::Value;
use num_bigint::BigUint;

use crate::index::Index;

/// A kind of problem. Its first rule is the plain one.
pub struct Family {
    pub name: &'static str,
    pub description: &'static str,
    pub rules: &'static [&'static dyn Rule],
}

/// The fixed facts of a rule.
pub struct RuleText {
    /// Stable, without spaces or slashes, as in `base=2`.
    pub id: &'static str,
    /// The rule is asked at this difficulty and above. Difficulties 1 and 2 ask plain rules only.
    pub lowest_difficulty: u8,
    /// As in `def sum_digits(n: int) -> int`.
    pub signature: &'static str,
    /// What the function must do, complete: a reader can solve the problem from it.
    pub task: &'static str,
}

impl RuleText {
    /// The function's name, out of the signature.
    pub fn entry(&self) -> &'static str {
        let start = "def ".len();
        let end = self.signature.find('(').unwrap_or(self.signature.len());
        &self.signature[start..end]
    }
}

/// An answer class: cases that are wanted apart, such as balanced and tangled brackets.
pub type Class = &'static str;

/// One case as drawn: arguments and the answer of the rule's own reference implementation.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    pub args: Vec<Value>,
    pub expected: Value,
}

/// Python sources for tests: the reference passes every case of the rule, each wrong one fails a
/// hidden case of every problem that has at least four.
#[derive(Debug, Clone)]
pub struct Solutions {
    pub reference: String,
    /// Name and source.
    pub wrong: Vec<(&'static str, String)>,
}

/// The parameters that fix which function is asked for.
pub trait Rule: Sync {
    fn about(&self) -> &RuleText;

    /// The classes a problem's cases take in turn: at most four, so that four hidden cases meet
    /// every class.
    fn classes(&self) -> &'static [Class];

    /// The classes that hidden cases after the fourth take in turn, where these differ.
    fn further(&self) -> Option<&'static [Class]> {
        None
    }

    /// Whether the order of the arguments (of the items, where the one argument is a list) never
    /// matters to the answer.
    fn commutes(&self) -> bool {
        false
    }

    /// How many indices [`Rule::draw`] understands at this difficulty.
    fn size(&self, difficulty: u8, class: Class) -> BigUint;

    /// The case with this index below [`Rule::size`], or `None` where that index holds no case of
    /// the class. Different indices, classes and difficulties never give the same arguments, nor
    /// the same in another order where the rule commutes.
    fn draw(&self, difficulty: u8, class: Class, index: Index) -> Option<Drawn>;

    fn solutions(&self) -> Solutions;
}
