//! Texts of words: which words are taken, in which order, and what is done to each.

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::Words,
};

pub(super) const FAMILY: Family = Family {
    name: "words",
    description: "take words of a text, order and change them",
    version: 1,
    unit: Unit::Rule,
    ordered: None,
    size: (TAKEN.len() * ORDERS.len() * CHANGES.len() * JOINTS.len()) as u32,
    rule,
};

/// Each with the words for it.
const TAKEN: [(&str, &str); 3] = [
    ("all", "Split the text s at its spaces."),
    (
        "odd",
        "Split the text s at its spaces and keep the first, third, fifth word and so on.",
    ),
    (
        "not-first",
        "Split the text s at its spaces and leave out the first word.",
    ),
];
const ORDERS: [(&str, &str); 5] = [
    ("as-is", ""),
    ("backwards", "Reverse the order of the words."),
    ("sorted", "Sort the words alphabetically."),
    (
        "by-length",
        "Sort the words by their lengths, the shortest first; words of one length stay in \
                   their order.",
    ),
    (
        "by-last",
        "Sort the words by their last letters; words with the same last letter stay in their \
                 order.",
    ),
];
const CHANGES: [(&str, &str); 7] = [
    ("none", ""),
    ("reverse", "Reverse each word."),
    (
        "first-capital",
        "Make the first letter of each word a capital.",
    ),
    ("capitals", "Write each word in capitals."),
    ("cut-first", "Remove the first letter of each word."),
    ("double-last", "Write the last letter of each word twice."),
    ("to-end", "Move the first letter of each word to its end."),
];
const JOINTS: [(&str, &str); 3] = [
    (" ", "Return the words joined by single spaces."),
    ("-", "Return the words joined by hyphens."),
    ("", "Return the words joined without anything between them."),
];

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let (taken, first) = *index.pick(&TAKEN);
    let (order, second) = *index.pick(&ORDERS);
    let (change, third) = *index.pick(&CHANGES);
    let (joint, last) = *index.pick(&JOINTS);
    let steps: Vec<&str> = [first, second, third, last]
        .into_iter()
        .filter(|s| !s.is_empty())
        .collect();
    let named = ["space", "hyphen", "nothing"][JOINTS.iter().position(|known| known.0 == joint)?];
    let text = RuleText {
        id: RuleText::id_of(&[
            ("taken", &taken, "all"),
            ("order", &order, "as-is"),
            ("change", &change, "none"),
            ("joint", &named, "space"),
        ]),
        signature: "def change_words(s: str) -> str".to_owned(),
        task: steps.join(" "),
        parameters: vec![
            ("TAKEN", Value::str(taken)),
            ("ORDER", Value::str(order)),
            ("CHANGE", Value::str(change)),
            ("JOINT", Value::str(joint)),
        ],
        lowest_difficulty: 1,
    };
    // What would return the text as it is.
    if (taken, order, change, named) == ("all", "as-is", "none", "space") {
        return None;
    }
    Some(Rule::new(text, Words::TEXT, move |args| {
        let all: Vec<&str> = args::text(args, 0)?.split(' ').collect();
        let mut words = match taken {
            "all" => all,
            "odd" => all.into_iter().step_by(2).collect(),
            _ => all[1..].to_vec(),
        };
        match order {
            "backwards" => words.reverse(),
            "sorted" => words.sort_unstable(),
            "by-length" => words.sort_by_key(|word| word.len()),
            "by-last" => words.sort_by_key(|word| word.chars().last()),
            _ => {}
        }
        let changed: Vec<String> = words
            .into_iter()
            .map(|word| changed(word, change))
            .collect();
        Some(Value::Str(changed.join(joint)))
    }))
}

fn changed(word: &str, change: &str) -> String {
    // No word is empty here; a sibling's input may have two spaces in a row.
    let (first, rest) = word.split_at(word.len().min(1));
    match change {
        "reverse" => word.chars().rev().collect(),
        "first-capital" => first.to_uppercase() + rest,
        "capitals" => word.to_uppercase(),
        "cut-first" => rest.to_owned(),
        "double-last" => format!("{word}{}", &word[word.len().saturating_sub(1)..]),
        "to-end" => format!("{rest}{first}"),
        _ => word.to_owned(),
    }
}
