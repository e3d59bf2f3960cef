//! Changing every k-th character of a string: from which one on, counted from which end, and how.

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::Uneven,
};

pub(super) const FAMILY: Family = Family {
    name: "every_kth",
    description: "change every k-th character of a string",
    version: 1,
    unit: Unit::Rule,
    ordered: Some("STEP"),
    size: (STEPS.len() * LARGEST_STEP * CHANGES.len() * 2) as u32,
    rule,
};

const STEPS: [usize; 5] = [2, 3, 4, 5, 6];
const LARGEST_STEP: usize = 6;
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz";
/// What becomes of the characters: an id, the words before and those after them.
const CHANGES: [(&str, &str, &str); 8] = [
    ("upper", "the string s with", " written as capital letters"),
    ("drop", "the string s without", ""),
    ("double", "the string s with", " written twice"),
    ("keep", "only", " of the string s, as a string"),
    ("star", "the string s with", " replaced by '*'"),
    ("dash", "the string s with", " replaced by '-'"),
    (
        "brackets",
        "the string s with",
        " put in round brackets, as in '(a)'",
    ),
    (
        "next",
        "the string s with",
        " replaced by the next letter of the alphabet (z by a)",
    ),
];

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let step = *index.pick(&STEPS);
    let first = 1 + usize::try_from(index.take(LARGEST_STEP as u64)).ok()?;
    let (change, before, after) = *index.pick(&CHANGES);
    let from_end = index.take(2) == 1;
    // Whoever keeps every second one drops the others.
    if first > step || (change == "keep" && step == 2) {
        return None;
    }
    let from = if from_end { "end" } else { "start" };
    let counted = if from_end {
        ", counted from the end, where the last character is the 1st"
    } else {
        ""
    };
    let [one, two, three] = [first, first + step, first + 2 * step].map(ordinal);
    let text = RuleText {
        id: RuleText::id_of(&[
            ("step", &step, ""),
            ("first", &first, ""),
            ("change", &change, ""),
            ("from", &from, "start"),
        ]),
        signature: "def change_letters(s: str) -> str".to_owned(),
        task: format!(
            "Return {before} every {} character (the {one}, {two}, {three} and so \
             on{counted}){after}.",
            ordinal(step)
        ),
        parameters: vec![
            ("STEP", Value::int(step)),
            ("FIRST", Value::int(first)),
            ("CHANGE", Value::str(change)),
            ("FROM", Value::str(from)),
        ],
        lowest_difficulty: 1,
    };
    let answer = move |from_end: bool| {
        move |args: &[Value]| {
            let s: Vec<char> = args::text(args, 0)?.chars().collect();
            let place = |i: usize| if from_end { s.len() - i } else { i + 1 };
            let mut result = String::new();
            for (i, letter) in s.iter().enumerate() {
                if place(i) % step == first % step {
                    result += &changed(*letter, change)?;
                } else if change != "keep" {
                    result.push(*letter);
                }
            }
            Some(Value::Str(result))
        }
    };
    let mut rule = Rule::new(text, Uneven::text(LETTERS, 8, 3), answer(from_end));
    if from_end {
        rule = rule.mistaken_for(answer(false));
    }
    Some(rule)
}

fn changed(letter: char, change: &str) -> Option<String> {
    Some(match change {
        "upper" => letter.to_ascii_uppercase().to_string(),
        "drop" => String::new(),
        "double" => format!("{letter}{letter}"),
        "star" => "*".to_owned(),
        "dash" => "-".to_owned(),
        "brackets" => format!("({letter})"),
        "next" => {
            let place = LETTERS.find(letter)?;
            LETTERS.chars().cycle().nth(place + 1)?.to_string()
        }
        _ => letter.to_string(),
    })
}

fn ordinal(n: usize) -> String {
    let end = match (n % 10, n % 100) {
        (1, rest) if rest != 11 => "st",
        (2, rest) if rest != 12 => "nd",
        (3, rest) if rest != 13 => "rd",
        _ => "th",
    };
    format!("{n}{end}")
}
