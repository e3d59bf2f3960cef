//! Sorting by a key: which one, in which order, what becomes of ties, and how many are returned.

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::Ints,
};

pub(super) const FAMILY: Family = Family {
    name: "sorting",
    description: "sort numbers by a remainder, digit sum or distance",
    version: 1,
    unit: Unit::Rule,
    ordered: None,
    size: (KEYS.len() * 2 * TIES.len() * TAKEN.len()) as u32,
    rule,
};

/// A kind of key, and its number.
const KEYS: [(&str, i64); 24] = [
    ("remainder", 2),
    ("remainder", 3),
    ("remainder", 4),
    ("remainder", 5),
    ("remainder", 6),
    ("remainder", 7),
    ("remainder", 8),
    ("remainder", 9),
    ("remainder", 10),
    ("remainder", 11),
    ("remainder", 12),
    ("remainder", 13),
    ("distance", 8),
    ("distance", 11),
    ("distance", 14),
    ("distance", 17),
    ("distance", 20),
    ("distance", 23),
    ("distance", 26),
    ("distance", 29),
    ("distance", 32),
    ("digit-sum", 10),
    ("ones", 2),
    ("tens", 10),
];
const TIES: [(&str, &str); 3] = [
    ("stay", "Numbers that tie stay in the order of the list."),
    ("smaller", "If numbers tie, the smaller one comes first."),
    ("larger", "If numbers tie, the larger one comes first."),
];
const TAKEN: [&str; 2] = ["all", "three"];

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let (kind, of) = *index.pick(&KEYS);
    let descending = index.take(2) == 1;
    let (ties, tied) = *index.pick(&TIES);
    let taken = *index.pick(&TAKEN);
    // With these ties, tens order the numbers as they are ordered anyway.
    if kind == "tens" && ties == if descending { "larger" } else { "smaller" } {
        return None;
    }
    // The farthest of many numbers are all on one side, unless this is in the middle.
    if (kind, descending, taken) == ("distance", true, "three") && of != 20 {
        return None;
    }
    let order = if descending { "largest" } else { "smallest" };
    let returned = match taken {
        "all" => "Return the sorted list.",
        _ => "Return only the first three of the sorted list.",
    };
    let text = RuleText {
        id: RuleText::id_of(&[
            ("key", &kind, ""),
            ("of", &of, ""),
            ("first", &order, "smallest"),
            ("ties", &ties, "stay"),
            ("taken", &taken, "all"),
        ]),
        signature: "def sort_numbers(numbers: list[int]) -> list[int]".to_owned(),
        task: format!(
            "Sort the numbers by {}, {order} first. {tied} {returned}",
            words(kind, of)
        ),
        parameters: vec![
            ("KEY", Value::str(kind)),
            ("OF", Value::int(of)),
            ("DESCENDING", Value::Bool(descending)),
            ("TIES", Value::str(ties)),
            ("TAKEN", Value::str(taken)),
        ],
        lowest_difficulty: 1,
    };
    let answer = move |key: (&'static str, i64), ties: &'static str| {
        move |args: &[Value]| {
            let mut numbers = args::ints(args, 0)?;
            sort(&mut numbers, key, descending, ties)?;
            if taken == "three" {
                numbers.truncate(3);
            }
            Some(Value::List(numbers.into_iter().map(Value::int).collect()))
        }
    };
    let rule = Rule::new(text, Ints(1, 40), answer((kind, of), ties));
    let rule = rule.mistaken_for(answer(("itself", 0), "stay"));
    Some(match ties {
        "stay" => rule,
        _ => rule.mistaken_for(answer((kind, of), "stay")),
    })
}

fn sort(numbers: &mut [i64], (kind, of): (&str, i64), descending: bool, ties: &str) -> Option<()> {
    // Sorts are stable: what is sorted by first decides ties.
    match ties {
        "smaller" => numbers.sort_unstable(),
        "larger" => numbers.sort_unstable_by_key(|x| -x),
        _ => {}
    }
    let sign = if descending { -1 } else { 1 };
    numbers.sort_by_key(|x| sign * key(*x, kind, of));
    numbers.iter().all(|x| *x >= 0).then_some(())
}

fn key(x: i64, kind: &str, of: i64) -> i64 {
    match kind {
        "remainder" => x % of,
        "distance" => (x - of).abs(),
        "tens" => x / 10,
        "digit-sum" | "ones" => {
            let (mut rest, mut sum) = (x, 0);
            while rest > 0 {
                sum += rest % of;
                rest /= of;
            }
            sum
        }
        _ => x,
    }
}

fn words(kind: &str, of: i64) -> String {
    match kind {
        "remainder" => format!("x % {of}, their remainder when divided by {of}"),
        "distance" => format!("abs(x - {of}), their distance from {of}"),
        "digit-sum" => "the sum of their decimal digits".to_owned(),
        "ones" => "how many ones they have when written in binary".to_owned(),
        _ => "x // 10, which is the number without its last decimal digit".to_owned(),
    }
}
