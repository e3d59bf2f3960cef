//! Putting two strings together by a pattern such as AAB, until one of them is used up.

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::{Joined, Uneven},
};

pub(super) const FAMILY: Family = Family {
    name: "interleave",
    description: "interleave two strings by a pattern such as AAB",
    version: 1,
    unit: Unit::Rule,
    ordered: Some("LENGTH"),
    size: LENGTHS * PATTERNS * RESTS.len() as u32 * REVERSED.len() as u32,
    rule,
};

/// Patterns of 2 to 5 letters.
const LENGTHS: u32 = 4;
/// Of each length there are at most so many.
const PATTERNS: u32 = 32;
/// What happens when a character is to be taken from a string that is used up.
const RESTS: [(&str, &str); 2] = [
    ("append", "append what is left of the other string and stop"),
    (
        "stop",
        "stop, and leave out what is left of the other string",
    ),
];
/// What is done to the second string before.
const REVERSED: [bool; 2] = [false, true];

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let length = 2 + usize::try_from(index.take(LENGTHS.into())).ok()?;
    let mut letters = index.split(&PATTERNS.into());
    let (rest, then) = *index.pick(&RESTS);
    let reversed = *index.pick(&REVERSED);
    let pattern: String = (0..length).map(|_| *letters.pick(&['A', 'B'])).collect();
    // A number with digits left is another pattern's.
    if letters != Index::new(0u32) || !is_its_own(&pattern) {
        return None;
    }
    let turned = if reversed {
        "First reverse the string b. "
    } else {
        ""
    };
    let text = RuleText {
        id: RuleText::id_of(&[
            ("pattern", &pattern, ""),
            ("rest", &rest, "append"),
            ("reversed", &reversed, "false"),
        ]),
        signature: "def interleave(a: str, b: str) -> str".to_owned(),
        task: format!(
            "{turned}Put the characters of the strings a and b together: follow the pattern \
             '{pattern}' again and again, where A means the next character of a and B the next \
             character of b. When the next character is to come from a string that has none left, \
             {then}. Return the resulting string."
        ),
        parameters: vec![
            ("LENGTH", Value::int(length)),
            ("PATTERN", Value::str(&pattern)),
            ("REST", Value::str(rest)),
            ("REVERSED", Value::Bool(reversed)),
        ],
        lowest_difficulty: 1,
    };
    let answer = move |rest: &'static str, reversed: bool| {
        let pattern = pattern.clone();
        move |args: &[Value]| {
            let (a, b) = (args::text(args, 0)?, args::text(args, 1)?);
            let b: String = if reversed {
                b.chars().rev().collect()
            } else {
                b.to_owned()
            };
            Some(Value::Str(interleaved(a, &b, &pattern, rest)))
        }
    };
    let inputs = Joined(
        Uneven::text("abcdefghijklmnopqrstuvwxyz", 4, 3),
        Uneven::text("0123456789", 4, 3),
    );
    let rule = Rule::new(text, inputs, answer(rest, reversed));
    let other_rest = if rest == "stop" { "append" } else { "stop" };
    Some(rule.mistaken_for(answer(other_rest, reversed)))
}

/// Whether the pattern has both letters and is no shorter one repeated.
fn is_its_own(pattern: &str) -> bool {
    let repeats = |length: usize| {
        let start: Vec<char> = pattern.chars().take(length).collect();
        pattern.len().is_multiple_of(length)
            && pattern
                .chars()
                .eq(start.into_iter().cycle().take(pattern.len()))
    };
    let has_both = pattern.contains('A') && pattern.contains('B');
    has_both && !(1..pattern.len()).any(repeats)
}

fn interleaved(a: &str, b: &str, pattern: &str, rest: &str) -> String {
    let (mut a, mut b) = (a.chars(), b.chars());
    let mut result = String::new();
    for letter in pattern.chars().cycle() {
        let next = if letter == 'A' { a.next() } else { b.next() };
        let Some(next) = next else {
            break;
        };
        result.push(next);
    }
    if rest == "append" {
        // One of them is used up.
        result.extend(a.chain(b));
    }
    result
}
