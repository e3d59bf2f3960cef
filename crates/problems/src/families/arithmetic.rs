//! Expressions in the usual notation, "2 + 3 * 4", under several orders of evaluation.

use groklab_domain::Value;
use num_bigint::BigUint;

use super::{
    expression::{self, Op, Tree, python_apply},
    wrong::{FREE, TELLING},
};
use crate::{
    bucket::coin,
    family::{Class, Drawn, Family, Rule, RuleText, Solutions},
    index::Index,
};

pub(super) const FAMILY: Family = Family {
    name: "arithmetic",
    description: "evaluate expressions such as \"2 + 3 * 4\"",
    rules: &[
        &Arithmetic {
            about: STANDARD,
            operators: PLAIN,
            order: Order::Standard,
        },
        &Arithmetic {
            about: PARENTHESES,
            operators: PLAIN,
            order: Order::Parentheses,
        },
        &Arithmetic {
            about: LEFT,
            operators: PLAIN,
            order: Order::Left,
        },
        &Arithmetic {
            about: FLOOR,
            operators: &[Op::Add, Op::Subtract, Op::Multiply, Op::Divide],
            order: Order::Standard,
        },
        &Arithmetic {
            about: RIGHT,
            operators: PLAIN,
            order: Order::Right,
        },
        &Arithmetic {
            about: SUMS_FIRST,
            operators: PLAIN,
            order: Order::SumsFirst,
        },
    ],
};

const SIGNATURE: &str = "def evaluate(expression: str) -> int";
const PLAIN: &[Op] = &[Op::Add, Op::Subtract, Op::Multiply];
const STANDARD: RuleText = RuleText {
    id: "order=standard",
    lowest_difficulty: 1,
    signature: SIGNATURE,
    task: "Return the value of the expression. It has integers and the operators +, - and *, \
        separated by single spaces. * comes \
           before + and -, else it is read from left to right.",
};
const PARENTHESES: RuleText = RuleText {
    id: "order=parentheses",
    lowest_difficulty: 3,
    signature: SIGNATURE,
    task: "Return the value of the expression. It has integers, the operators +, - and * with \
        single spaces around them, and \
           parentheses around every operation but the outermost.",
};
const LEFT: RuleText = RuleText {
    id: "order=left",
    lowest_difficulty: 4,
    signature: SIGNATURE,
    task: "Return the value of the expression. It has integers and the operators +, - and *, \
        separated by single spaces. The operators \
           are applied strictly from left to right: * does not come first.",
};
const FLOOR: RuleText = RuleText {
    id: "division=floor",
    lowest_difficulty: 5,
    signature: SIGNATURE,
    task: "Return the value of the expression. It has integers and the operators +, -, * and // \
        (division rounded down), separated by \
           single spaces. * and // come before + and -, else it is read from left to right.",
};
const RIGHT: RuleText = RuleText {
    id: "order=right",
    lowest_difficulty: 6,
    signature: SIGNATURE,
    task: "Return the value of the expression. It has integers and the operators +, - and *, \
        separated by single spaces. The operators \
           are applied strictly from right to left: the last one first, without precedence.",
};
const SUMS_FIRST: RuleText = RuleText {
    id: "order=sums-first",
    lowest_difficulty: 7,
    signature: SIGNATURE,
    task: "Return the value of the expression. It has integers and the operators +, - and *, \
        separated by single spaces. + and - come \
           before *, from left to right.",
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Standard,
    Left,
    Right,
    SumsFirst,
    Parentheses,
}

struct Arithmetic {
    about: RuleText,
    operators: &'static [Op],
    order: Order,
}

impl Arithmetic {
    /// Flat orders of evaluation that this rule is mistaken for.
    fn mistaken(&self) -> &'static [(&'static str, Order)] {
        match self.order {
            Order::Standard => &[("left to right", Order::Left)],
            Order::Parentheses => &[("parentheses ignored", Order::Standard)],
            Order::Left => &[("usual precedence", Order::Standard)],
            Order::Right | Order::SumsFirst => &[
                ("left to right", Order::Left),
                ("usual precedence", Order::Standard),
            ],
        }
    }

    /// Whether all wrong solutions are wrong here.
    fn tells(&self, numbers: &[i128], ops: &[Op], value: i128, swapped: Option<i128>) -> bool {
        let mistaken = self
            .mistaken()
            .iter()
            .all(|(_, order)| flat(numbers, ops, *order, false) != Some(value));
        // With a true division anywhere the result is a float, which no int equals.
        let has_division = !self.operators.contains(&Op::Divide) || ops.contains(&Op::Divide);
        // The sum of the numbers is what the solution returns that ignores the operators.
        mistaken && has_division && swapped != Some(value) && numbers.iter().sum::<i128>() != value
    }
}

impl Rule for Arithmetic {
    fn about(&self) -> &RuleText {
        &self.about
    }

    fn classes(&self) -> &'static [Class] {
        // A quarter must tell. If all had to, difficulty 1 would be left with a single pattern
        // (`docs/log.md`).
        &[TELLING, FREE, FREE, FREE]
    }

    fn size(&self, difficulty: u8, _: Class) -> BigUint {
        match self.order {
            Order::Parentheses => expression::tree_size(difficulty, self.operators),
            _ => expression::flat_size(difficulty, self.operators),
        }
    }

    fn draw(&self, difficulty: u8, class: Class, mut index: Index) -> Option<Drawn> {
        let (text, numbers, ops, value, swapped);
        if self.order == Order::Parentheses {
            let tree;
            (tree, numbers, ops) = expression::tree(difficulty, self.operators, index);
            (text, value, swapped) = (
                infix(&tree, true),
                of_tree(&tree, false)?,
                of_tree(&tree, true),
            );
        } else {
            (numbers, ops) = expression::flat(difficulty, self.operators, &mut index);
            text = in_a_row(&numbers, &ops);
            (value, swapped) = (
                // Without a value it is no case: a division by zero, or beyond 127 bits.
                flat(&numbers, &ops, self.order, false)?,
                flat(&numbers, &ops, self.order, true),
            );
        }
        // Half of the space is kept for telling cases: free ones cannot use them up, and no case is
        // in two classes.
        let kept = coin(&text);
        let fits = if class == TELLING {
            kept && self.tells(&numbers, &ops, value, swapped)
        } else {
            !kept
        };
        fits.then(|| Drawn {
            args: vec![Value::Str(text)],
            expected: Value::int(value),
        })
    }

    fn solutions(&self) -> Solutions {
        let reference = |edit| {
            if self.order == Order::Parentheses {
                python_nested(edit)
            } else {
                python_flat(self.operators, self.order, edit)
            }
        };
        let mut wrong: Vec<_> = self
            .mistaken()
            .iter()
            .map(|(name, order)| (*name, python_ignoring_parentheses(self.operators, *order)))
            .collect();
        wrong.push(("operands swapped", reference(("a - b", "b - a"))));
        if self.operators.contains(&Op::Divide) {
            wrong.push(("true division", reference(("a // b", "a / b"))));
        }
        wrong.push(("operators ignored", SUM.to_owned()));
        Solutions {
            reference: reference(("", "")),
            wrong,
        }
    }
}

fn in_a_row(numbers: &[i128], ops: &[Op]) -> String {
    let rest = ops
        .iter()
        .zip(&numbers[1..])
        .map(|(op, n)| format!(" {} {n}", op.token()));
    numbers[0].to_string() + &rest.collect::<String>()
}

fn infix(tree: &Tree, outermost: bool) -> String {
    match tree {
        Tree::Number(n) => n.to_string(),
        Tree::Node(op, left, right) => {
            let text = format!(
                "{} {} {}",
                infix(left, false),
                op.token(),
                infix(right, false)
            );
            if outermost { text } else { format!("({text})") }
        }
    }
}

fn of_tree(tree: &Tree, swapped: bool) -> Option<i128> {
    match tree {
        Tree::Number(n) => Some(*n),
        Tree::Node(op, left, right) => apply(
            *op,
            of_tree(left, swapped)?,
            of_tree(right, swapped)?,
            swapped,
        ),
    }
}

/// Subtraction with its operands in the wrong order, where `swapped`; every other operator as it
/// is.
fn apply(op: Op, a: i128, b: i128, swapped: bool) -> Option<i128> {
    if swapped && op == Op::Subtract {
        op.apply(b, a)
    } else {
        op.apply(a, b)
    }
}

/// The value of `numbers` with `ops` between them, level of precedence by level.
fn flat(numbers: &[i128], ops: &[Op], order: Order, swapped: bool) -> Option<i128> {
    let (mut numbers, mut ops) = (numbers.to_vec(), ops.to_vec());
    if order == Order::Right {
        // What stands to the right is worked out first.
        let (first, rest) = numbers.split_first()?;
        let Some((op, later)) = ops.split_first() else {
            return Some(*first);
        };
        return apply(*op, *first, flat(rest, later, order, swapped)?, swapped);
    }
    let sums = [Op::Add, Op::Subtract];
    // Two levels of precedence; where there is none, the first takes all.
    for level in 0..2 {
        let mut i = 0;
        while i < ops.len() {
            let now = match order {
                Order::SumsFirst => (level == 0) == sums.contains(&ops[i]),
                Order::Left => true,
                _ => (level == 1) == sums.contains(&ops[i]),
            };
            if now {
                numbers[i] = apply(ops.remove(i), numbers[i], numbers.remove(i + 1), swapped)?;
            } else {
                i += 1;
            }
        }
    }
    numbers.first().copied()
}

const SUM: &str = "\
def evaluate(expression: str) -> int:
    digits = ''.join(c if c.isdigit() else ' ' for c in expression)
    return sum(int(word) for word in digits.split())
";

fn python_flat(operators: &[Op], order: Order, edit: (&str, &str)) -> String {
    let head = "def evaluate(expression: str) -> int:
    tokens = expression.split()
    numbers = [int(token) for token in tokens[::2]]
    ops = tokens[1::2]
";
    if order == Order::Right {
        let body = python_apply(operators, 8, edit);
        return format!(
            "{head}    while ops:
        op = ops.pop()
        b = numbers.pop()
        a = numbers.pop()
{body}        numbers.append(value)
    return numbers[0]
"
        );
    }
    let levels = match order {
        Order::Left => "[['+', '-', '*', '//']]",
        Order::SumsFirst => "[['+', '-'], ['*', '//']]",
        _ => "[['*', '//'], ['+', '-']]",
    };
    let body = python_apply(operators, 16, edit);
    format!(
        "{head}    for level in {levels}:
        i = 0
        while i < len(ops):
            if ops[i] in level:
                op = ops.pop(i)
                a = numbers[i]
                b = numbers.pop(i + 1)
{body}                numbers[i] = value
            else:
                i += 1
    return numbers[0]
"
    )
}

fn python_ignoring_parentheses(operators: &[Op], order: Order) -> String {
    // One rule alone has parentheses; in the others this changes nothing.
    python_flat(operators, order, ("", "")).replace(
        "expression.split()",
        "expression.replace('(', '').replace(')', '').split()",
    )
}

fn python_nested(edit: (&str, &str)) -> String {
    let body = python_apply(PLAIN, 12, edit);
    format!(
        "def evaluate(expression: str) -> int:
    tokens = expression.replace('(', '( ').replace(')', ' )').split()

    def term():
        token = tokens.pop(0)
        if token != '(':
            return int(token)
        value = chain()
        tokens.pop(0)
        return value

    def chain():
        value = term()
        while tokens and tokens[0] != ')':
            op = tokens.pop(0)
            a, b = value, term()
{body}        return value

    return chain()
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_differ() {
        let (numbers, ops) = ([2, 3, 4, 5], [Op::Add, Op::Multiply, Op::Subtract]);
        let values = [Order::Standard, Order::Left, Order::Right, Order::SumsFirst]
            .map(|order| flat(&numbers, &ops, order, false));
        assert_eq!(values, [Some(9), Some(15), Some(-1), Some(-5)]);
    }
}
