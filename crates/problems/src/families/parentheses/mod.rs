//! Strings of brackets, "({[]})": balanced or not, for several kinds and depths.

mod brackets;

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
};
use brackets::{Brackets, is_right};

pub(super) const FAMILY: Family = Family {
    name: "parentheses",
    description: "tell whether brackets such as \"({[]})\" are balanced",
    version: 1,
    unit: Unit::Rule,
    ordered: None,
    size: 15 * LIMITS.len() as u32,
    rule,
};

const KINDS: [&str; 4] = ["()", "[]", "{}", "<>"];
/// Deepest nesting that is still right, and the first difficulty at which there are enough brackets
/// for it. 0: any depth.
const LIMITS: [(usize, u8); 5] = [(0, 1), (3, 2), (4, 3), (5, 5), (6, 7)];

fn rule(number: u32) -> Option<Rule> {
    let (deepest, lowest_difficulty) = LIMITS[number as usize % LIMITS.len()];
    let chosen = number as usize / LIMITS.len() + 1;
    let kinds: Vec<&str> = (0..KINDS.len())
        .filter(|place| chosen >> place & 1 == 1)
        .map(|place| KINDS[place])
        .collect();
    // Where there are two kinds, other characters stand between the brackets.
    let in_text = kinds.len() == 2;
    let text = RuleText {
        id: RuleText::id_of(&[("kinds", &kinds.concat(), ""), ("deepest", &deepest, "0")]),
        signature: "def is_balanced(s: str) -> bool".to_owned(),
        task: task(&kinds, in_text, deepest),
        parameters: vec![
            (
                "KINDS",
                Value::List(kinds.iter().map(|kind| Value::str(*kind)).collect()),
            ),
            ("DEEPEST", Value::int(deepest)),
        ],
        lowest_difficulty,
    };
    let inputs = Brackets {
        kinds: kinds.clone(),
        in_text,
        deepest,
    };
    Some(Rule::new(text, inputs, move |args| {
        let s = args::text(args, 0)?;
        let is_known = |c: char| kinds.iter().any(|kind| kind.contains(c));
        let legal = in_text || s.chars().all(is_known);
        legal.then(|| Value::Bool(is_right(s, &kinds, deepest)))
    }))
}

fn task(kinds: &[&str], in_text: bool, deepest: usize) -> String {
    let mut task = match kinds {
        ["()"] => {
            "Return True if the parentheses in s are balanced, else False: every ( is closed \
                   by a later ), and every ) closes an earlier (."
                .to_owned()
        }
        kinds => format!(
            "Return True if the brackets {} in s are balanced, else False: every bracket is closed \
             by one of its own kind, in the right order.",
            kinds.join(" and ")
        ),
    };
    if deepest > 0 {
        task += &format!(
            " Brackets nested more than {deepest} deep are wrong as well: return False for them."
        );
    }
    if in_text {
        task += " Ignore all other characters.";
    }
    task
}
