//! Polynomials at a fixed point: the order of their coefficients, which part of them, and modulo
//! what.

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::Ints,
};

pub(super) const FAMILY: Family = Family {
    name: "polynomials",
    description: "evaluate a polynomial given by its coefficients",
    version: 1,
    unit: Unit::Rule,
    ordered: Some("X"),
    size: (POINTS.len() * ORDERS.len() * PARTS.len() * MODULI.len()) as u32,
    rule,
};

/// Different modulo each modulus: else two rules would be the same function.
const POINTS: [i64; 8] = [2, 3, 4, 5, 6, 7, -2, -3];
/// Larger points give too large values, unless a remainder is taken.
const LARGEST_WITHOUT_MODULUS: i64 = 4;
const ORDERS: [&str; 2] = ["lowest", "highest"];
/// What is evaluated: an id, and the words for it.
const PARTS: [(&str, &str); 3] = [
    ("value", "the value of the polynomial"),
    (
        "derivative",
        "the value of the derivative of the polynomial",
    ),
    (
        "rest",
        "the value of the polynomial without its constant term",
    ),
];
const MODULI: [i64; 9] = [0, 11, 13, 17, 19, 23, 29, 31, 37];

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let x = *index.pick(&POINTS);
    let order = *index.pick(&ORDERS);
    let (part, words) = *index.pick(&PARTS);
    let modulus = *index.pick(&MODULI);
    if modulus == 0 && x > LARGEST_WITHOUT_MODULUS {
        return None;
    }
    let text = RuleText {
        id: RuleText::id_of(&[
            ("x", &x, ""),
            ("order", &order, "lowest"),
            ("part", &part, "value"),
            ("modulus", &modulus, "0"),
        ]),
        signature: "def evaluate(coefficients: list[int]) -> int".to_owned(),
        task: task(x, order, words, modulus),
        parameters: vec![
            ("X", Value::int(x)),
            ("ORDER", Value::str(order)),
            ("PART", Value::str(part)),
            ("M", Value::int(modulus)),
        ],
        lowest_difficulty: 1,
    };
    let by_order = move |args: &[Value], lowest_first: bool| {
        let mut coefficients = args::ints(args, 0)?;
        if !lowest_first {
            coefficients.reverse();
        }
        evaluated(&part_of(&coefficients, part), x, modulus)
    };
    let reference = move |args: &[Value]| by_order(args, order == "lowest");
    let other_order = move |args: &[Value]| by_order(args, order != "lowest");
    let times = move |args: &[Value]| {
        let mut coefficients = args::ints(args, 0)?;
        if order != "lowest" {
            coefficients.reverse();
        }
        Some(multiplied(&coefficients, x, modulus))
    };
    let rule = Rule::new(text, Ints(0, 9), reference);
    Some(rule.mistaken_for(other_order).mistaken_for(times))
}

/// The coefficients, the constant term first, of what is evaluated.
fn part_of(coefficients: &[i64], part: &str) -> Vec<i64> {
    let powers = coefficients.iter().zip(0..);
    match part {
        "value" => coefficients.to_vec(),
        "derivative" => powers.skip(1).map(|(c, power)| c * power).collect(),
        _ => powers
            .map(|(c, power)| if power == 0 { 0 } else { *c })
            .collect(),
    }
}

/// `None` beyond 64 bits.
fn evaluated(coefficients: &[i64], x: i64, modulus: i64) -> Option<Value> {
    let mut value = 0i64;
    for coefficient in coefficients.iter().rev() {
        value = remainder(value.checked_mul(x)?.checked_add(*coefficient)?, modulus);
    }
    Some(Value::int(value))
}

/// The usual mistake: `x` times the power instead of `x` to the power.
fn multiplied(coefficients: &[i64], x: i64, modulus: i64) -> Value {
    let terms = coefficients.iter().zip(0..).map(|(c, power)| c * x * power);
    Value::int(remainder(terms.sum(), modulus))
}

fn remainder(value: i64, modulus: i64) -> i64 {
    if modulus == 0 {
        value
    } else {
        value.rem_euclid(modulus)
    }
}

fn task(x: i64, order: &str, words: &str, modulus: i64) -> String {
    let meaning = match order {
        "lowest" => "the constant term first: [a, b, c] stands for a + b*x + c*x**2",
        _ => "the constant term last: [a, b, c] stands for a*x**2 + b*x + c",
    };
    let wanted = match modulus {
        0 => format!("{words} at x = {x}"),
        m => format!(
            "the remainder, 0 to {}, of {words} at x = {x} when divided by {m}",
            m - 1
        ),
    };
    format!("The list holds the coefficients of a polynomial, {meaning}. Return {wanted}.")
}
