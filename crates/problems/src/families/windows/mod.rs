//! Folds over the windows of a list: neighbouring items are folded to one, and what comes out is
//! listed or folded again.

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::Ints,
};

pub(super) const FAMILY: Family = Family {
    name: "windows",
    description: "fold the windows of a list of numbers",
    version: 1,
    unit: Unit::Rule,
    ordered: Some("SIZE"),
    size: (FOLDS.len() * SIZES.len() * 2 * RESULTS.len()) as u32,
    rule,
};

/// What becomes of a window: an id, and the words for it.
const FOLDS: [(&str, &str); 9] = [
    ("sum", "the sum of its items"),
    ("product", "the product of its items"),
    ("max", "its largest item"),
    ("min", "its smallest item"),
    ("gcd", "the greatest common divisor of its items"),
    ("lcm", "the least common multiple of its items"),
    ("xor", "the bitwise exclusive or (^) of its items"),
    ("spread", "its largest item minus its smallest"),
    ("drop", "its first item minus its last"),
];
const SIZES: [usize; 3] = [2, 3, 4];
/// What becomes of the values of all windows.
const RESULTS: [(&str, &str); 5] = [
    ("list", "Return the list of these values, in order."),
    ("total", "Return the sum of these values."),
    ("largest", "Return the largest of these values."),
    ("smallest", "Return the smallest of these values."),
    ("even", "Return how many of these values are even."),
];

/// The largest and the smallest item are in some window, whatever their size; a product is even
/// where the least common multiple is, and a sum of two where their difference or exclusive or is;
/// some greatest common divisor is nearly always 1.
const LEFT_OUT: [(&str, &str); 7] = [
    ("gcd", "smallest"),
    ("max", "largest"),
    ("min", "smallest"),
    ("lcm", "even"),
    ("xor", "even"),
    ("spread", "even"),
    ("drop", "even"),
];

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let (fold, folded) = *index.pick(&FOLDS);
    let size = *index.pick(&SIZES);
    let step = usize::try_from(index.take(2)).ok()? * (size - 1) + 1;
    let (result, returned) = *index.pick(&RESULTS);
    if LEFT_OUT.contains(&(fold, result)) {
        return None;
    }
    let kind = if result == "list" { "list[int]" } else { "int" };
    let windows = match step {
        1 => format!("all windows of {size} neighbouring items"),
        _ => format!(
            "the blocks of {size} items that follow each other (a shorter rest is left out)"
        ),
    };
    let text = RuleText {
        id: RuleText::id_of(&[
            ("fold", &fold, ""),
            ("size", &size, ""),
            ("step", &step, "1"),
            ("result", &result, "list"),
        ]),
        signature: format!("def fold_windows(numbers: list[int]) -> {kind}"),
        task: format!("Take {windows} of the list, and of each {folded}. {returned}"),
        parameters: vec![
            ("FOLD", Value::str(fold)),
            ("SIZE", Value::int(size)),
            ("STEP", Value::int(step)),
            ("RESULT", Value::str(result)),
        ],
        lowest_difficulty: lowest(size, step)?,
    };
    Some(Rule::new(text, Ints(1, 60), move |args| {
        let numbers = args::ints(args, 0)?;
        let windows = numbers.windows(size).step_by(step);
        let values: Vec<i64> = windows.map(|window| folded_to(fold, window)).collect();
        Some(match result {
            "list" => Value::List(values.into_iter().map(Value::int).collect()),
            "total" => Value::int(values.iter().sum::<i64>()),
            "largest" => Value::int(*values.iter().max()?),
            "smallest" => Value::int(*values.iter().min()?),
            _ => Value::int(values.iter().filter(|value| *value % 2 == 0).count()),
        })
    }))
}

/// Where the shortest list, of 5 items and 2 more at each difficulty, has two windows at least.
fn lowest(size: usize, step: usize) -> Option<u8> {
    let least = if step == 1 { size + 1 } else { 2 * size };
    u8::try_from(least.saturating_sub(3).div_ceil(2).max(1)).ok()
}

fn folded_to(fold: &str, window: &[i64]) -> i64 {
    let (max, min) = (window.iter().max(), window.iter().min());
    let (max, min) = (max.copied().unwrap_or(0), min.copied().unwrap_or(0));
    match fold {
        "sum" => window.iter().sum(),
        "product" => window.iter().product(),
        "max" => max,
        "min" => min,
        "gcd" => window.iter().fold(0, |a, b| gcd(a, *b)),
        "lcm" => window.iter().fold(1, |a, b| a / gcd(a, *b) * b),
        "xor" => window.iter().fold(0, |a, b| a ^ b),
        "spread" => max - min,
        _ => window[0] - window[window.len() - 1],
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
