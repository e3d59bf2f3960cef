//! What a problem's hidden cases must tell apart: the rule from its siblings, from its usual
//! mistakes, and from every constant. A solution that looks the visible cases up is a constant on
//! the hidden ones.

use groklab_domain::Value;

use crate::family::{Answer, Drawn, Rule};

/// What is still to be told.
pub(crate) struct Aims<'a> {
    /// Siblings and mistakes that answered alike on every hidden case so far.
    others: Vec<&'a Answer>,
    constant: Constant,
}

/// Whether one answer is right for all hidden cases so far.
enum Constant {
    /// There is no hidden case yet.
    Any,
    /// It is.
    This(Value),
    No,
}

impl<'a> Aims<'a> {
    /// `visible`: the answer that all visible cases share, if they do.
    pub fn new(rule: &'a Rule, siblings: &'a [Rule], hidden: u32, visible: Option<Value>) -> Self {
        let constant = match (hidden, visible) {
            // A single case can tell from no other constant.
            (1, Some(visible)) => Constant::This(visible),
            (1, None) => Constant::No,
            // More of them have to differ among themselves.
            _ => Constant::Any,
        };
        let mut others: Vec<&Answer> = siblings.iter().map(Rule::reference).collect();
        others.extend(rule.mistakes());
        Self { others, constant }
    }

    /// How many are left.
    pub fn left(&self) -> usize {
        self.others.len() + usize::from(!matches!(self.constant, Constant::No))
    }

    /// Whether a constant is among them.
    pub fn leaves_constant(&self) -> bool {
        !matches!(self.constant, Constant::No)
    }

    /// How many of them the case would tell.
    pub fn told_by(&self, case: &Drawn) -> usize {
        let others = self.others.iter();
        let told = others.filter(|other| tells(**other, case)).count();
        told + usize::from(matches!(&self.constant, Constant::This(v) if *v != case.expected))
    }

    /// Takes the case among the hidden ones.
    pub fn take(&mut self, case: &Drawn) {
        self.others.retain(|other| !tells(*other, case));
        self.constant = match std::mem::replace(&mut self.constant, Constant::No) {
            Constant::Any => Constant::This(case.expected.clone()),
            Constant::This(value) if value == case.expected => Constant::This(value),
            _ => Constant::No,
        };
    }
}

/// Whether the case tells the rule from the other: that one answers otherwise, or is never asked
/// such a thing.
pub(crate) fn tells(other: &Answer, case: &Drawn) -> bool {
    other(&case.args).as_ref() != Some(&case.expected)
}

/// Whether the sibling's Python is sure to fail the case: where it has no answer it may do
/// anything.
pub(crate) fn refutes(case: &Drawn, sibling: &Rule) -> bool {
    let answer = sibling.answer(&case.args);
    answer.is_some_and(|answer| answer != case.expected)
}
