//! Replacing letters by a table: of how many letters, by what, and what becomes of the others.

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::Text,
};

pub(super) const FAMILY: Family = Family {
    name: "substitution",
    description: "replace the letters of a string by a table",
    version: 1,
    unit: Unit::Rule,
    ordered: Some("SIZE"),
    size: (SIZES.len() * SETS * KINDS.len() * OTHERS.len()) as u32,
    rule,
};

const SIZES: [usize; 7] = [4, 5, 6, 7, 8, 9, 10];
/// Sets of letters of each size.
const SETS: usize = 6;
/// What stands instead: digits, capital letters, or the letters of the set itself.
const KINDS: [&str; 3] = ["digits", "capitals", "same"];
/// What becomes of the other characters.
const OTHERS: [(&str, &str); 3] = [
    ("keep", "All other characters stay as they are."),
    ("drop", "Leave all other characters out."),
    ("star", "Replace every other character by '*'."),
];
const LETTERS: &str = "abcdefghijklmnopqrst";
/// Characters that are in no table.
const NEVER: &str = "uvwxyz-";

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let size = *index.pick(&SIZES);
    let set = index.take(SETS as u64);
    let kind = *index.pick(&KINDS);
    let (others, rest) = *index.pick(&OTHERS);
    let from = letters(size, set);
    let to = targets(&from, kind, usize::try_from(set).ok()?);
    let pairs: Vec<(char, char)> = from.iter().copied().zip(to.iter().copied()).collect();
    let listed: Vec<String> = pairs
        .iter()
        .map(|(a, b)| format!("'{a}' by '{b}'"))
        .collect();
    let from: String = from.iter().collect();
    let text = RuleText {
        id: RuleText::id_of(&[
            ("letters", &from, ""),
            ("by", &kind, ""),
            ("others", &others, "keep"),
        ]),
        signature: "def translate(s: str) -> str".to_owned(),
        task: format!(
            "Return the string s with these characters replaced, all at the same time: {}. {rest}",
            listed.join(", ")
        ),
        parameters: vec![
            ("SIZE", Value::int(size)),
            ("FROM", Value::str(&from)),
            ("TO", Value::Str(to.iter().collect())),
            ("OTHERS", Value::str(others)),
        ],
        lowest_difficulty: 1,
    };
    let inputs = Text::of(&format!("{from}{NEVER}"));
    Some(Rule::new(text, inputs, move |args| {
        let mut result = String::new();
        for letter in args::text(args, 0)?.chars() {
            match pairs.iter().find(|pair| pair.0 == letter) {
                Some((_, to)) => result.push(*to),
                None if others == "keep" => result.push(letter),
                None if others == "star" => result.push('*'),
                None => {}
            }
        }
        Some(Value::Str(result))
    }))
}

/// The letters of a set, scattered over all choices of so many.
fn letters(size: usize, set: u64) -> Vec<char> {
    let all: Vec<char> = LETTERS.chars().collect();
    // A prime much larger than the number of choices.
    let scattered = (set + 1) * 1_000_003 * 7_919 % Index::choices(all.len(), size);
    Index::new(scattered).choose(&all, size)
}

fn targets(from: &[char], kind: &str, set: usize) -> Vec<char> {
    let known = match kind {
        "digits" => "0741852963".chars().collect(),
        "capitals" => "KXAQZMBWRE".chars().collect(),
        _ => from.to_vec(),
    };
    // At least one place further, so that no letter stays what it is.
    let start = 1 + set % (from.len() - 1);
    known
        .into_iter()
        .cycle()
        .skip(start)
        .take(from.len())
        .collect()
}
