//! Writing numbers in other bases: with which digits, in which order, in groups or not.

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::Numbers,
};

pub(super) const FAMILY: Family = Family {
    name: "bases",
    description: "write a number in another base",
    version: 1,
    unit: Unit::Rule,
    ordered: Some("BASE"),
    size: LARGEST_BASE as u32 * (DIGITS.len() * ORDERS.len() * GROUPS.len()) as u32,
    rule,
};

const LARGEST_BASE: usize = 16;
/// The digits of any base, from 0 on: an id, and the characters.
const DIGITS: [(&str, &str); 4] = [
    ("usual", "0123456789abcdef"),
    ("capital", "0123456789ABCDEF"),
    ("letters", "abcdefghijklmnop"),
    ("symbols", "ozxvnmkjhgfdsaqw"),
];
const ORDERS: [&str; 2] = ["usual", "reversed"];
/// Digits in a group; 0: no groups.
const GROUPS: [usize; 3] = [0, 3, 4];

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let base = usize::try_from(index.take(LARGEST_BASE as u64)).ok()? + 1;
    let (name, digits) = *index.pick(&DIGITS);
    let order = *index.pick(&ORDERS);
    let group = *index.pick(&GROUPS);
    // Up to base 10 capitals are the usual digits; base 1 is none.
    if base == 1 || (name == "capital" && base <= 10) {
        return None;
    }
    let digits = &digits[..base];
    let text = RuleText {
        id: RuleText::id_of(&[
            ("base", &base, ""),
            ("digits", &name, "usual"),
            ("order", &order, "usual"),
            ("group", &group, "0"),
        ]),
        signature: "def to_base(n: int) -> str".to_owned(),
        task: task(base, name, digits, order, group),
        parameters: vec![
            ("BASE", Value::int(base)),
            ("DIGITS", Value::str(digits)),
            ("ORDER", Value::str(order)),
            ("GROUP", Value::int(group)),
        ],
        lowest_difficulty: 1,
    };
    Some(Rule::new(text, Numbers::LARGE, move |args| {
        let mut n = usize::try_from(args::int(args, 0)?).ok()?;
        // The last digit first, and groups count from it.
        let mut written = String::new();
        for place in 0.. {
            if group > 0 && place > 0 && place % group == 0 {
                written.push('_');
            }
            written.push(char::from(digits.as_bytes()[n % base]));
            n /= base;
            if n == 0 {
                break;
            }
        }
        Some(Value::Str(match order {
            "usual" => written.chars().rev().collect(),
            _ => written,
        }))
    }))
}

fn task(base: usize, name: &str, digits: &str, order: &str, group: usize) -> String {
    let mut task = format!("Return the positive integer n written in base {base}, as a string");
    match name {
        "usual" if base <= 10 => {}
        "usual" => task += ", with small letters for the digits from 10 on",
        "capital" => task += ", with capital letters for the digits from 10 on",
        _ => task += &format!(", with the characters of '{digits}' for its digits from 0 on"),
    }
    if group > 0 {
        task += &format!(
            ", with an underscore between groups of {group} digits, counted from the right"
        );
    }
    if order == "reversed" {
        task += ". The finished string is then reversed, so that the last digit stands first";
    }
    task + "."
}
