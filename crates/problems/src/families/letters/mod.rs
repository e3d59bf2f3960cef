//! Counting letters: of which set, how they are counted, and whether capitals count too.

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::Text,
};

pub(super) const FAMILY: Family = Family {
    name: "letters",
    description: "count the letters of a set in a string",
    version: 1,
    unit: Unit::Rule,
    ordered: None,
    size: SETS * 2 * COUNTS.len() as u32,
    rule,
};

/// Sets that have a name; the others are three letters out of [`OFTEN`].
const NAMED: [&str; 2] = ["aeiou", "aeiouy"];
const OFTEN: [char; 12] = ['a', 'e', 'i', 'o', 'u', 'b', 'd', 'l', 'n', 'r', 's', 't'];
const SETS: u32 = NAMED.len() as u32 + Index::choices(OFTEN.len(), 3) as u32;
const COUNTS: [&str; 4] = ["all", "distinct", "groups", "others"];
const SMALL: &str = "aeiouybdlnrst ";
const BOTH_CASES: &str = "aeiouyAEIOUYbdlnrstBDLNRST ";

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let count = *index.pick(&COUNTS);
    let any_case = index.take(2) == 1;
    let set = index.take(SETS.into());
    let letters = match NAMED.get(usize::try_from(set).ok()?) {
        Some(named) => (*named).to_owned(),
        None => Index::new(set - NAMED.len() as u64)
            .choose(&OFTEN, 3)
            .iter()
            .collect(),
    };
    let text = RuleText {
        id: RuleText::id_of(&[
            ("letters", &letters, ""),
            ("count", &count, "all"),
            ("case", &if any_case { "any" } else { "small" }, "small"),
        ]),
        signature: "def count_letters(s: str) -> int".to_owned(),
        task: task(&letters, count, any_case),
        parameters: vec![
            ("LETTERS", Value::str(&letters)),
            ("COUNT", Value::str(count)),
            ("ANY_CASE", Value::Bool(any_case)),
        ],
        lowest_difficulty: 1,
    };
    let inputs = Text::of(if any_case { BOTH_CASES } else { SMALL }).varied(6);
    let answer = move |args: &[Value]| {
        let s = args::text(args, 0)?;
        let s = if any_case {
            s.to_lowercase()
        } else {
            s.to_owned()
        };
        Some(counted(&s, &letters, count))
    };
    let found = answer.clone();
    let rule = Rule::new(text, inputs, move |args| answer(args).map(Value::int));
    // Whether there is one is how many there are where short strings hold few of them.
    let any = move |args: &[Value]| found(args).map(|found| Value::int(found.min(1)));
    Some(if count == "all" {
        rule.mistaken_for(any)
    } else {
        rule
    })
}

fn counted(s: &str, letters: &str, count: &str) -> usize {
    match count {
        "all" => s.chars().filter(|c| letters.contains(*c)).count(),
        "distinct" => letters.chars().filter(|letter| s.contains(*letter)).count(),
        "groups" => {
            let groups = s.split(|c| !letters.contains(c));
            groups.filter(|group| !group.is_empty()).count()
        }
        _ => s
            .chars()
            .filter(|c| *c != ' ' && !letters.contains(*c))
            .count(),
    }
}

fn task(letters: &str, count: &str, any_case: bool) -> String {
    let listed = letters
        .chars()
        .map(String::from)
        .collect::<Vec<_>>()
        .join(", ");
    let set = match letters {
        "aeiou" => format!("vowels ({listed})"),
        _ => format!("letters of the set {listed}"),
    };
    let mut task = match count {
        "all" => format!("Return how many {set} the string s has."),
        "distinct" => format!(
            "Return how many different {set} appear in the string s, counting each of them once."
        ),
        "groups" => format!(
            "Return how many groups of adjacent {set} the string s has: those that stand next to \
             each other, equal or not, are one group."
        ),
        _ => format!("Return how many characters of the string s are neither {set} nor spaces."),
    };
    if any_case {
        task += " A capital letter counts as its small one.";
    }
    task
}
