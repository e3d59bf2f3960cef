//! What a family and a rule are. A family is a numbered set of rules; a rule is a text, the inputs
//! it may be asked about, and the function itself.

use std::fmt::Display;

use groklab_domain::Value;

use crate::{
    index::Index,
    inputs::{Class, Inputs},
};

/// A kind of problem.
pub struct Family {
    /// Its folder's name.
    pub name: &'static str,
    /// What follows "they", as in "count letters of a set".
    pub description: &'static str,
    /// Raised by whatever changes a rule, an id, a prompt or a case.
    pub version: u32,
    pub unit: Unit,
    /// The parameter whose whole numbers have an order, for `holdout = "extrapolation"`.
    pub ordered: Option<&'static str>,
    /// How many numbers [`Family::rule`] understands, at most [`MAX_RULES`]: every one is looked
    /// at.
    pub size: u32,
    /// The rule with this number below `size`; `None` where that number holds none, such as a
    /// combination of parameters that is another rule's function.
    pub rule: fn(u32) -> Option<Rule>,
}

/// Rules of one family, at most.
pub const MAX_RULES: u32 = 20_000;

/// What falls together, and so is counted by statistics: they go by the names of problems' rules
/// (`groklab_domain::metrics::unit_of`), which are made as is declared here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Problems of a rule are solved or failed together.
    Rule,
    /// Each problem is one input of a single function, so rules are never held out.
    Problem,
}

impl Unit {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Problem => "problem",
        }
    }
}

/// What is said of a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleText {
    /// Stable, without spaces or slashes, as in `letters=aeiou,count=groups`.
    pub id: String,
    /// As in `def count_letters(s: str) -> int`.
    pub signature: String,
    /// What the function must do, complete: a reader can solve the problem from it.
    pub task: String,
    /// What makes the rule another one than its siblings. Each is a constant of the Python files,
    /// so its name is in capitals.
    pub parameters: Vec<(&'static str, Value)>,
    /// The rule is asked at this difficulty and above.
    pub lowest_difficulty: u8,
}

impl RuleText {
    /// An id out of names and values, without those that have their usual value:
    /// `digits=even,power=2`. The third of each is that value; empty: there is none.
    pub fn id_of(parts: &[(&str, &dyn Display, &str)]) -> String {
        let mut id = Vec::new();
        for (name, value, usual) in parts {
            let value = value.to_string();
            if value != *usual {
                id.push(format!("{name}={value}"));
            }
        }
        id.join(",")
    }

    /// The function's name, out of the signature.
    pub fn entry(&self) -> &str {
        let start = "def ".len();
        let end = self.signature.find('(').unwrap_or(self.signature.len());
        &self.signature[start..end]
    }

    /// The types of arguments and result, as in `str -> int`: functions of one kind can be asked
    /// the same.
    pub fn kind(&self) -> String {
        let open = self.signature.find('(').map_or(0, |place| place + 1);
        let (arguments, result) = self.signature[open..]
            .rsplit_once(')')
            .unwrap_or((&self.signature, ""));
        let mut types = Vec::new();
        for argument in arguments.split(", ") {
            types.push(argument.split_once(": ").map_or(argument, |(_, kind)| kind));
        }
        format!("{}{result}", types.join(", "))
    }
}

/// One case as drawn: arguments and the reference's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    pub args: Vec<Value>,
    pub expected: Value,
}

/// What a function returns; `None` where the arguments are no legal input.
pub type Answer = dyn Fn(&[Value]) -> Option<Value> + Send + Sync;

/// One function that a model may be asked to write.
pub struct Rule {
    pub text: RuleText,
    pub inputs: Box<dyn Inputs>,
    answer: Box<Answer>,
    mistakes: Vec<Box<Answer>>,
    commutes: bool,
}

impl Rule {
    /// `answer` is the reference: `None` where the arguments are no legal input. It gives the same
    /// as the Python reference with this rule's constants.
    pub fn new(
        text: RuleText,
        inputs: impl Inputs + 'static,
        answer: impl Fn(&[Value]) -> Option<Value> + Send + Sync + 'static,
    ) -> Self {
        Self {
            text,
            inputs: Box::new(inputs),
            answer: Box::new(answer),
            mistakes: Vec::new(),
            commutes: false,
        }
    }

    /// Every problem tells the rule from this too: for a usual mistake that is right on many
    /// inputs.
    /// It is wrong on some inputs of every difficulty.
    #[must_use]
    pub fn mistaken_for(
        mut self,
        answer: impl Fn(&[Value]) -> Option<Value> + Send + Sync + 'static,
    ) -> Self {
        self.mistakes.push(Box::new(answer));
        self
    }

    /// The order of the arguments (of the items, where the one argument is a list) never matters to
    /// the answer. Inputs then give each set of arguments in one order alone.
    #[must_use]
    pub fn commuting(mut self) -> Self {
        self.commutes = true;
        self
    }

    pub fn commutes(&self) -> bool {
        self.commutes
    }

    /// The case with this index, where it holds one of the class that the reference answers.
    pub fn draw(&self, difficulty: u8, class: Class, mut index: Index) -> Option<Drawn> {
        let args = self.inputs.draw(difficulty, class, &mut index)?;
        let expected = self.answer(&args)?;
        Some(Drawn { args, expected })
    }

    pub(crate) fn mistakes(&self) -> impl Iterator<Item = &Answer> {
        self.mistakes.iter().map(AsRef::as_ref)
    }

    /// The reference itself.
    pub(crate) fn reference(&self) -> &Answer {
        &*self.answer
    }

    pub fn answer(&self, args: &[Value]) -> Option<Value> {
        (self.answer)(args)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_read() {
        let text = RuleText {
            id: "x".to_owned(),
            signature: "def take(words: list[str], k: int) -> list[str]".to_owned(),
            task: String::new(),
            parameters: Vec::new(),
            lowest_difficulty: 1,
        };
        assert_eq!(
            (text.entry(), text.kind().as_str()),
            ("take", "list[str], int -> list[str]")
        );
    }
}
