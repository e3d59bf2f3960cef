//! Boolean expressions with two operators that have truth tables of their own: which tables, and
//! in which order the operators are applied. Operands are words of bits.

use groklab_domain::Value;
use num_bigint::BigUint;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::{Class, Inputs},
};

pub(super) const FAMILY: Family = Family {
    name: "tables",
    description: "evaluate expressions whose operators have truth tables of their own",
    version: 1,
    unit: Unit::Rule,
    ordered: None,
    size: (TABLES.len() * TABLES.len() * ORDERS.len()) as u32,
    rule,
};

/// The results for 0 0, 0 1, 1 0 and 1 1: all tables in which both operands matter.
const TABLES: [&str; 10] = [
    "0001", "0111", "0110", "1001", "1110", "1000", "1101", "1011", "0010", "0100",
];
/// In which order operators are applied: an id, and the words for it.
const ORDERS: [(&str, &str); 4] = [
    ("left", "Apply the operators from left to right."),
    ("right", "Apply the operators from right to left."),
    (
        "first",
        "Apply all @ before any #, and equal operators from left to right.",
    ),
    (
        "second",
        "Apply all # before any @, and equal operators from left to right.",
    ),
];
/// Bits of a word.
const BITS: usize = 4;

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let (first, second) = (*index.pick(&TABLES), *index.pick(&TABLES));
    let (order, words) = *index.pick(&ORDERS);
    // With equal tables, or with `x ^ y` and its opposite, the order would not matter.
    let pair = [first, second];
    if first == second || pair == ["0110", "1001"] || pair == ["1001", "0110"] {
        return None;
    }
    let preferred = match order {
        "first" => Some((first, second)),
        "second" => Some((second, first)),
        _ => None,
    };
    if preferred.is_some_and(|(table, other)| is_as_from_the_left(table, other)) {
        return None;
    }
    let text = RuleText {
        id: RuleText::id_of(&[
            ("first", &first, ""),
            ("second", &second, ""),
            ("order", &order, "left"),
        ]),
        signature: "def evaluate(expression: str) -> str".to_owned(),
        task: format!(
            "The expression has words of {BITS} bits and the operators @ and # between them, \
             separated by single spaces. An operator makes one word of two, bit by bit: {}; {}. \
             {words} Return the last word that is left.",
            written(first, '@'),
            written(second, '#'),
        ),
        parameters: vec![
            ("FIRST", Value::str(first)),
            ("SECOND", Value::str(second)),
            ("ORDER", Value::str(order)),
        ],
        lowest_difficulty: 1,
    };
    let other = if order == "left" { "right" } else { "left" };
    let rule = Rule::new(text, Expressions, move |args| {
        evaluate(args::text(args, 0)?, [first, second], order)
    });
    let rule =
        rule.mistaken_for(move |args| evaluate(args::text(args, 0)?, [first, second], other));
    Some(rule.mistaken_for(move |args| evaluate(args::text(args, 0)?, [second, first], order)))
}

/// Whether a o (b x c) is always (a o b) x c, so that it does not matter to apply x first.
fn is_as_from_the_left(x: &str, o: &str) -> bool {
    (0..8u8).all(|bits| {
        let [a, b, c] = [4, 2, 1].map(|place| if bits & place > 0 { "1" } else { "0" });
        combined(a, &combined(b, c, x), o) == combined(&combined(a, b, o), c, x)
    })
}

fn written(table: &str, operator: char) -> String {
    let pairs = ["0 0", "0 1", "1 0", "1 1"].iter().zip(table.chars());
    let parts: Vec<String> = pairs
        .map(|(pair, result)| format!("{} = {result}", pair.replace(' ', &format!(" {operator} "))))
        .collect();
    parts.join(", ")
}

/// The expression's value; `None` where it is none.
fn evaluate(expression: &str, tables: [&str; 2], order: &str) -> Option<Value> {
    let (mut words, mut operators): (Vec<String>, Vec<usize>) = (Vec::new(), Vec::new());
    for (place, token) in expression.split(' ').enumerate() {
        if place % 2 == 1 {
            operators.push(["@", "#"].iter().position(|known| *known == token)?);
        } else if token.len() == BITS && token.chars().all(|bit| "01".contains(bit)) {
            words.push(token.to_owned());
        } else {
            return None;
        }
    }
    if words.len() != operators.len() + 1 {
        return None;
    }
    while !operators.is_empty() {
        let preferred = match order {
            "right" => Some(operators.len() - 1),
            "first" => operators.iter().position(|operator| *operator == 0),
            "second" => operators.iter().position(|operator| *operator == 1),
            _ => None,
        };
        let place = preferred.unwrap_or(0);
        let table = tables[operators.remove(place)];
        let right = words.remove(place + 1);
        words[place] = combined(&words[place], &right, table);
    }
    words.pop().map(Value::Str)
}

fn combined(left: &str, right: &str, table: &str) -> String {
    let bits = left.bytes().zip(right.bytes());
    bits.map(|(left, right)| {
        let row = usize::from(left - b'0') * 2 + usize::from(right - b'0');
        &table[row..=row]
    })
    .collect()
}

/// Expressions of `d + 2` words in which both operators appear.
struct Expressions;

impl Inputs for Expressions {
    fn size(&self, difficulty: u8, _: Class) -> BigUint {
        let operators = u32::from(difficulty) + 1;
        BigUint::from(2u8).pow(operators) * BigUint::from(1u8 << BITS).pow(operators + 1)
    }

    fn draw(&self, difficulty: u8, _: Class, index: &mut Index) -> Option<Vec<Value>> {
        let mut text = word(index);
        for _ in 0..=difficulty {
            let operator = *index.pick(&["@", "#"]);
            text += &format!(" {operator} {}", word(index));
        }
        let complete = text.contains('@') && text.contains('#');
        complete.then(|| vec![Value::Str(text)])
    }
}

fn word(index: &mut Index) -> String {
    format!("{:04b}", index.take(1 << BITS))
}
