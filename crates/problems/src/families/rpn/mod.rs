//! Expressions whose operators stand after (or before) their operands: "3 4 + 2 *".

use groklab_domain::Value;
use num_bigint::BigUint;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::{Class, Inputs},
    shapes::expression::{self, OWN, Op, Tree},
};

pub(super) const FAMILY: Family = Family {
    name: "rpn",
    description: "evaluate expressions in Polish notations such as \"3 4 + 2 *\"",
    version: 1,
    unit: Unit::Rule,
    ordered: None,
    size: 4 * (FAMILIAR.len() + OWN.len()) as u32,
    rule,
};

const FAMILIAR: [(&str, [Op; 4]); 4] = [
    ("plain", [Op::Add, Op::Subtract, Op::Multiply, Op::Multiply]),
    ("floor", [Op::Add, Op::Subtract, Op::Multiply, Op::Divide]),
    ("max-min", [Op::Add, Op::Subtract, Op::Larger, Op::Smaller]),
    ("max", [Op::Add, Op::Subtract, Op::Multiply, Op::Larger]),
];

/// Which operators there are: an id, and the operators.
fn operators(number: usize) -> (String, Vec<Op>) {
    let Some(own) = number.checked_sub(FAMILIAR.len()) else {
        let (name, mut operators) = (FAMILIAR[number].0, FAMILIAR[number].1.to_vec());
        operators.dedup();
        return (name.to_owned(), operators);
    };
    let (p, q) = OWN[own];
    let operators = vec![Op::Add, Op::Subtract, Op::Multiply, Op::Own(p, q)];
    (format!("own,{p},{q}"), operators)
}

fn rule(number: u32) -> Option<Rule> {
    let (prefix, swapped) = (number % 2 == 1, number / 2 % 2 == 1);
    let (name, operators) = operators(number as usize / 4);
    let notation = if prefix { "prefix" } else { "postfix" };
    let operands = if swapped { "swapped" } else { "usual" };
    let own = operators.iter().find_map(|op| match op {
        Op::Own(p, q) => Some(Value::Tuple(vec![Value::int(*p), Value::int(*q)])),
        _ => None,
    });
    let text = RuleText {
        id: RuleText::id_of(&[
            ("notation", &notation, ""),
            ("operands", &operands, "usual"),
            ("operators", &name, "plain"),
        ]),
        signature: "def evaluate_rpn(expression: str) -> int".to_owned(),
        task: task(&operators, prefix, swapped),
        parameters: vec![
            ("NOTATION", Value::str(notation)),
            ("OPERANDS", Value::str(operands)),
            ("OWN", own.unwrap_or(Value::None)),
        ],
        lowest_difficulty: 1,
    };
    let inputs = Expressions {
        operators: operators.clone(),
        prefix,
    };
    Some(Rule::new(text, inputs, move |args| {
        let mut tokens: Vec<&str> = args::text(args, 0)?.split(' ').collect();
        // Read from its end, prefix notation has its operands before their operator.
        if prefix {
            tokens.reverse();
        }
        evaluate(&tokens, &operators, prefix != swapped).map(Value::int)
    }))
}

fn evaluate(tokens: &[&str], operators: &[Op], top_first: bool) -> Option<i128> {
    let mut stack: Vec<i128> = Vec::new();
    for token in tokens {
        let operator = operators.iter().find(|op| op.token() == *token);
        let value = match operator {
            None => token.parse().ok()?,
            Some(op) => {
                let (top, below) = (stack.pop()?, stack.pop()?);
                let (a, b) = if top_first {
                    (top, below)
                } else {
                    (below, top)
                };
                op.apply(a, b)?
            }
        };
        stack.push(value);
    }
    let value = stack.pop()?;
    stack.is_empty().then_some(value)
}

fn task(operators: &[Op], prefix: bool, swapped: bool) -> String {
    let tokens: Vec<&str> = operators.iter().map(|op| op.token()).collect();
    let form = |token: &str| match prefix {
        true => format!("{token} x y"),
        false => format!("x y {token}"),
    };
    let (a, b) = if swapped { ("y", "x") } else { ("x", "y") };
    let mut task = format!(
        "Evaluate the expression given in {}: integers and the operators {}, separated by single \
         spaces. {} means {a} - {b}.",
        if prefix {
            "Polish notation, every operator before its two operands"
        } else {
            "Reverse Polish Notation, every operator after its two operands"
        },
        tokens.join(", "),
        form("-"),
    );
    for op in operators {
        match op {
            Op::Own(p, q) => {
                let own = form("@");
                task += &format!(" {own} means ({p}) * {a} + ({q}) * {b}.");
            }
            Op::Divide => {
                let divided = form("//");
                task +=
                    &format!(" {divided} means {a} / {b} rounded down (towards minus infinity).");
            }
            Op::Larger => task += " max gives the larger of its operands.",
            Op::Smaller => task += " min gives the smaller of its operands.",
            _ => {}
        }
    }
    task
}

/// Expressions over some operators.
struct Expressions {
    operators: Vec<Op>,
    prefix: bool,
}

impl Inputs for Expressions {
    fn size(&self, difficulty: u8, _: Class) -> BigUint {
        expression::tree_size(difficulty, &self.operators)
    }

    fn draw(&self, difficulty: u8, _: Class, index: &mut Index) -> Option<Vec<Value>> {
        let mut tokens = Vec::new();
        let tree = expression::tree(difficulty, &self.operators, index);
        write(&tree, self.prefix, &mut tokens);
        // What the other rules know nothing of is in every expression.
        let special = self.operators.last().filter(|op| **op != Op::Multiply);
        if special.is_some_and(|op| tokens.iter().all(|token| token != op.token())) {
            return None;
        }
        Some(vec![Value::Str(tokens.join(" "))])
    }
}

fn write(tree: &Tree, prefix: bool, tokens: &mut Vec<String>) {
    match tree {
        Tree::Number(n) => tokens.push(n.to_string()),
        Tree::Node(op, left, right) => {
            let place = tokens.len();
            write(left, prefix, tokens);
            write(right, prefix, tokens);
            let place = if prefix { place } else { tokens.len() };
            tokens.insert(place, op.token().to_owned());
        }
    }
}
