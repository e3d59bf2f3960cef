//! Filter, map and fold: which numbers of a list count, what becomes of each, and how they are put
//! together.

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::Ints,
};

pub(super) const FAMILY: Family = Family {
    name: "folds",
    description: "filter, change and fold the numbers of a list",
    version: 1,
    unit: Unit::Rule,
    ordered: None,
    size: (KEPT.len() * CHANGES.len() * FOLDS.len()) as u32,
    rule,
};

/// Which numbers count: an id, and the words for them.
const KEPT: [(&str, &str); 16] = [
    ("all", "numbers in the list"),
    ("even", "even numbers in the list"),
    ("odd", "odd numbers in the list"),
    ("threes", "numbers in the list that are divisible by 3"),
    ("fours", "numbers in the list that are divisible by 4"),
    ("fives", "numbers in the list that are divisible by 5"),
    (
        "not-threes",
        "numbers in the list that are not divisible by 3",
    ),
    (
        "not-fours",
        "numbers in the list that are not divisible by 4",
    ),
    (
        "even-places",
        "numbers at indexes 0, 2, 4 and so on of the list",
    ),
    (
        "odd-places",
        "numbers at indexes 1, 3, 5 and so on of the list",
    ),
    ("positive", "numbers in the list that are greater than 0"),
    ("negative", "numbers in the list that are less than 0"),
    ("above-9", "numbers in the list that are greater than 9"),
    ("below-9", "numbers in the list that are less than 9"),
    (
        "inside",
        "numbers in the list that are at least -15 and at most 15",
    ),
    (
        "outside",
        "numbers in the list that are less than -10 or greater than 10",
    ),
];
/// What becomes of each: an id, and a formula.
const CHANGES: [(&str, &str); 8] = [
    ("none", "x"),
    ("double", "2 * x"),
    ("square", "x * x"),
    ("plus-3", "x + 3"),
    ("10-minus", "10 - x"),
    ("3x+1", "3 * x + 1"),
    ("abs", "abs(x)"),
    ("half", "x / 2 rounded down (x // 2 in Python)"),
];
/// How they are put together: an id, the words for it before "the numbers", and those after.
const FOLDS: [(&str, &str, &str); 8] = [
    ("sum", "the sum of", ""),
    ("count", "how many", " there are"),
    ("max", "the largest of", ""),
    ("min", "the smallest of", ""),
    ("spread", "the largest minus the smallest of", ""),
    ("first", "the first of", ""),
    ("last", "the last of", ""),
    (
        "signs",
        "the first minus the second plus the third minus the fourth and so on of",
        "",
    ),
];

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let (kept, numbers) = *index.pick(&KEPT);
    let (change, formula) = *index.pick(&CHANGES);
    let (fold, before, after) = *index.pick(&FOLDS);
    if !is_its_own(kept, change, fold) {
        return None;
    }
    let text = RuleText {
        id: RuleText::id_of(&[
            ("fold", &fold, ""),
            ("kept", &kept, "all"),
            ("change", &change, "none"),
        ]),
        signature: "def fold_numbers(numbers: list[int]) -> int".to_owned(),
        task: task(numbers, (change, formula), (fold, before, after), kept),
        parameters: vec![
            ("KEPT", Value::str(kept)),
            ("CHANGE", Value::str(change)),
            ("FOLD", Value::str(fold)),
        ],
        lowest_difficulty: 1,
    };
    let answer = move |kept: &'static str, change: &'static str| {
        move |args: &[Value]| {
            let values = chosen(&args::ints(args, 0)?, kept);
            let values: Vec<i64> = values.into_iter().map(|x| changed(x, change)).collect();
            Some(Value::int(folded(&values, fold)))
        }
    };
    let mut rule = Rule::new(text, Ints(-30, 30), answer(kept, change));
    if kept != "all" {
        rule = rule.mistaken_for(answer("all", change));
    }
    if change != "none" {
        rule = rule.mistaken_for(answer(kept, "none"));
    }
    Some(rule)
}

/// Whether no simpler rule is the same function, or answers alike on nearly all lists.
fn is_its_own(kept: &str, change: &str, fold: &str) -> bool {
    let by_place = ["all", "even-places", "odd-places"].contains(&kept);
    let by_size = [
        "positive", "negative", "above-9", "below-9", "inside", "outside",
    ];
    let shifts = ["plus-3", "10-minus"].contains(&change);
    // Absolute values of numbers that have no sign.
    if change == "abs" && ["positive", "above-9"].contains(&kept) {
        return false;
    }
    match fold {
        // Only filters by value count something.
        "count" => change == "none" && !by_place,
        // The extremes of a list are mostly those of its large or small numbers.
        "max" | "min" => !by_size.contains(&kept),
        "spread" => !by_size.contains(&kept) && !shifts,
        // Lists have odd lengths, so both their ends are at even places.
        "first" | "last" => kept != "even-places",
        // In pairs of numbers a shift cancels out.
        "signs" => !(by_place && shifts),
        _ => true,
    }
}

fn chosen(numbers: &[i64], kept: &str) -> Vec<i64> {
    let is_kept = |(place, x): (usize, i64)| match kept {
        "even" => x % 2 == 0,
        "odd" => x % 2 != 0,
        "threes" => x % 3 == 0,
        "fours" => x % 4 == 0,
        "fives" => x % 5 == 0,
        "not-threes" => x % 3 != 0,
        "not-fours" => x % 4 != 0,
        "even-places" => place % 2 == 0,
        "odd-places" => place % 2 == 1,
        "positive" => x > 0,
        "negative" => x < 0,
        "above-9" => x > 9,
        "below-9" => x < 9,
        "inside" => (-15..=15).contains(&x),
        "outside" => !(-10..=10).contains(&x),
        _ => true,
    };
    let places = numbers.iter().copied().enumerate();
    places
        .filter(|item| is_kept(*item))
        .map(|(_, x)| x)
        .collect()
}

fn changed(x: i64, change: &str) -> i64 {
    match change {
        "double" => 2 * x,
        "square" => x * x,
        "plus-3" => x + 3,
        "10-minus" => 10 - x,
        "3x+1" => 3 * x + 1,
        "abs" => x.abs(),
        "half" => x.div_euclid(2),
        _ => x,
    }
}

/// 0 where there are no values.
fn folded(values: &[i64], fold: &str) -> i64 {
    let max = values.iter().max().copied().unwrap_or(0);
    let min = values.iter().min().copied().unwrap_or(0);
    match fold {
        "sum" => values.iter().sum(),
        "count" => i64::try_from(values.len()).unwrap_or(0),
        "max" => max,
        "min" => min,
        "spread" => max - min,
        "first" => values.first().copied().unwrap_or(0),
        "last" => values.last().copied().unwrap_or(0),
        _ => values.iter().rev().fold(0, |rest, value| value - rest),
    }
}

fn task(numbers: &str, change: (&str, &str), fold: (&str, &str, &str), kept: &str) -> String {
    let (name, before, after) = fold;
    let mut task = match change {
        ("none", _) if name == "count" => format!("Return {before} {numbers}{after}."),
        ("none", _) if name == "signs" => {
            let signs = before.trim_end_matches(" of");
            format!("Take the {numbers}, in order. Return {signs}.")
        }
        ("none", _) => format!("Return {before} the {numbers}."),
        (_, formula) => format!(
            "Take the {numbers} and replace each of them, x, by {formula}. Return {before} the \
             results."
        ),
    };
    // Sums and counts of nothing are 0 anyway, and no list lacks indexes 0 and 1.
    let may_be_empty = !["all", "even-places", "odd-places"].contains(&kept);
    if may_be_empty && !["count", "sum"].contains(&name) {
        task += " If there are none, return 0.";
    }
    task
}
