//! Expressions in the usual notation, "2 + 3 * 4", under several orders of evaluation, some with an
//! operator that nobody knows.

mod expressions;

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    shapes::expression::{OWN, Op},
};
use expressions::{Expressions, evaluate};

pub(super) const FAMILY: Family = Family {
    name: "arithmetic",
    description: "evaluate expressions such as \"2 + 3 * 4\" in a given order",
    version: 1,
    unit: Unit::Rule,
    ordered: None,
    size: (FAMILIAR.len() + ORDERS.len() * OWN.len()) as u32 * 2,
    rule,
};

/// What stands before `>` comes first; what stands together is one level.
const FAMILIAR: [&str; 6] = ["*>+-", "+->*", "*+-", "*/>+-", "+->*/", "*/+-"];
const ORDERS: [&str; 13] = [
    "*@+-", "*>@+-", "@>*+-", "+->*@", "*@>+-", "*+->@", "@+->*", "*>@>+-", "*>+->@", "@>*>+-",
    "@>+->*", "+->*>@", "+->@>*",
];

fn rule(number: u32) -> Option<Rule> {
    let (right, number) = (number % 2 == 1, number as usize / 2);
    let (order, own) = match number.checked_sub(FAMILIAR.len()) {
        None => (FAMILIAR[number], None),
        Some(rest) => (ORDERS[rest % ORDERS.len()], Some(OWN[rest / ORDERS.len()])),
    };
    let levels = levels(order, own);
    let ties = if right { "right" } else { "left" };
    let (p, q) = own.unwrap_or((0, 0));
    let text = RuleText {
        id: RuleText::id_of(&[
            ("order", &order.replace('/', ":"), ""),
            ("ties", &ties, "left"),
            ("own", &format_args!("{p},{q}"), "0,0"),
        ]),
        signature: "def evaluate(expression: str) -> int".to_owned(),
        task: task(&levels, right),
        parameters: vec![
            (
                "LEVELS",
                Value::List(levels.iter().map(|level| tokens(level)).collect()),
            ),
            ("TIES", Value::str(ties)),
            ("OWN", Value::Tuple(vec![Value::int(p), Value::int(q)])),
        ],
        lowest_difficulty: 1,
    };
    // Every expression has what the others know nothing of.
    let special = levels
        .concat()
        .into_iter()
        .find(|op| matches!(op, Op::Own(..) | Op::Divide));
    let inputs = Expressions {
        operators: levels.concat(),
        special,
    };
    let is_usual = order.starts_with("*>") || order.starts_with("*/>");
    let rule = Rule::new(text, inputs, move |args| {
        let value = evaluate(args::text(args, 0)?, &levels, right);
        value.map(Value::int)
    });
    // Of what Python evaluates, all but the usual order is mistaken for that.
    if own.is_some() || is_usual {
        return Some(rule);
    }
    let usual = self::levels("*/>+-", None);
    Some(rule.mistaken_for(move |args| {
        let value = evaluate(args::text(args, 0)?, &usual, false);
        value.map(Value::int)
    }))
}

/// The levels of precedence, the first ones first.
fn levels(order: &str, own: Option<(i8, i8)>) -> Vec<Vec<Op>> {
    let operator = |c| match c {
        '*' => Some(Op::Multiply),
        '/' => Some(Op::Divide),
        '+' => Some(Op::Add),
        '-' => Some(Op::Subtract),
        '@' => own.map(|(p, q)| Op::Own(p, q)),
        _ => None,
    };
    let levels = order.split('>');
    levels
        .map(|level| level.chars().filter_map(operator).collect())
        .collect()
}

fn tokens(level: &[Op]) -> Value {
    Value::List(level.iter().map(|op| Value::str(op.token())).collect())
}

/// The operators in words: `+ and -`.
fn listed(operators: &[Op]) -> String {
    let tokens: Vec<&str> = operators.iter().map(|op| op.token()).collect();
    match tokens.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => tokens.concat(),
    }
}

fn task(levels: &[Vec<Op>], right: bool) -> String {
    let operators = levels.concat();
    let mut task = format!(
        "Return the value of the expression. It has integers and the operators {}, separated by \
         single spaces.",
        listed(&operators)
    );
    for op in operators {
        match op {
            Op::Own(p, q) => {
                task += &format!(" The operator @ is defined by a @ b = ({p}) * a + ({q}) * b.");
            }
            Op::Divide => task += " // is division rounded down (towards minus infinity).",
            _ => {}
        }
    }
    let order: Vec<String> = levels.iter().map(|level| listed(level)).collect();
    if order.len() > 1 {
        task += &format!(" Order of evaluation: first {}.", order.join(", then "));
    } else {
        task += " All operators have the same precedence.";
    }
    let (from, to) = if right {
        ("right", "left")
    } else {
        ("left", "right")
    };
    task + &format!(" Operators of equal precedence are applied from {from} to {to}.")
}
