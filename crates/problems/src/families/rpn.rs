//! Expressions whose operators stand after (or before) their operands: "3 4 + 2 *".

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
    name: "rpn",
    description: "evaluate expressions in Reverse Polish Notation such as \"3 4 + 2 *\"",
    rules: &[
        &Rpn {
            about: POSTFIX,
            operators: PLAIN,
            way: Way::RULE,
        },
        &Rpn {
            about: FLOOR,
            operators: &[Op::Add, Op::Subtract, Op::Multiply, Op::Divide],
            way: Way::RULE,
        },
        &Rpn {
            about: SWAPPED,
            operators: PLAIN,
            way: Way {
                swapped: true,
                ..Way::RULE
            },
        },
        &Rpn {
            about: PREFIX,
            operators: PLAIN,
            way: Way {
                prefix: true,
                ..Way::RULE
            },
        },
        &Rpn {
            about: EXTREMES,
            operators: &[Op::Add, Op::Subtract, Op::Larger, Op::Smaller],
            way: Way::RULE,
        },
    ],
};

const PLAIN: &[Op] = &[Op::Add, Op::Subtract, Op::Multiply];
const POSTFIX: RuleText = RuleText {
    id: "notation=postfix",
    lowest_difficulty: 1,
    signature: "def evaluate_rpn(expression: str) -> int",
    task: "Evaluate the expression given in Reverse Polish Notation: integers and the operators +, \
        - and *, separated by spaces. \
           a b - means a - b.",
};
const FLOOR: RuleText = RuleText {
    id: "division=floor",
    lowest_difficulty: 3,
    signature: "def evaluate_rpn(expression: str) -> int",
    task: "Evaluate the expression given in Reverse Polish Notation: integers and the operators +, \
        -, * and //, separated by spaces. \
           a b - means a - b. a b // means a / b rounded down (towards minus infinity).",
};
const SWAPPED: RuleText = RuleText {
    id: "operands=swapped",
    lowest_difficulty: 4,
    signature: "def evaluate_swapped(expression: str) -> int",
    task: "Evaluate the expression given in Reverse Polish Notation with swapped operands: \
        integers and the operators +, - and *, \
           separated by spaces. a b - means b - a.",
};
const PREFIX: RuleText = RuleText {
    id: "notation=prefix",
    lowest_difficulty: 5,
    signature: "def evaluate_prefix(expression: str) -> int",
    task: "Evaluate the expression given in Polish notation, every operator before its two \
        operands: integers and the operators +, - \
           and *, separated by spaces. - a b means a - b.",
};
const EXTREMES: RuleText = RuleText {
    id: "operators=max-min",
    lowest_difficulty: 6,
    signature: "def evaluate_rpn(expression: str) -> int",
    task: "Evaluate the expression given in Reverse Polish Notation: integers and the operators +, \
        -, max and min, separated by spaces. \
           a b - means a - b. a b max is the larger of the two, a b min the smaller.",
};

/// A way to evaluate, right or wrong.
#[derive(Clone, Copy)]
struct Way {
    prefix: bool,
    swapped: bool,
    /// Operands are taken from the front: a queue in place of the stack.
    queue: bool,
    /// Division rounds towards zero.
    truncating: bool,
    /// max and min trade places.
    extremes_mixed: bool,
}

impl Way {
    const RULE: Self = Self {
        prefix: false,
        swapped: false,
        queue: false,
        truncating: false,
        extremes_mixed: false,
    };
}

struct Rpn {
    about: RuleText,
    operators: &'static [Op],
    way: Way,
}

impl Rpn {
    fn wrong(&self) -> Vec<(&'static str, Way)> {
        let mut ways = vec![
            (
                "operands swapped",
                Way {
                    swapped: !self.way.swapped,
                    ..self.way
                },
            ),
            (
                "queue for a stack",
                Way {
                    queue: true,
                    ..self.way
                },
            ),
        ];
        if self.operators.contains(&Op::Divide) {
            ways.push((
                "division towards zero",
                Way {
                    truncating: true,
                    ..self.way
                },
            ));
        }
        if self.operators.contains(&Op::Larger) {
            ways.push((
                "max and min mixed up",
                Way {
                    extremes_mixed: true,
                    ..self.way
                },
            ));
        }
        ways
    }

    fn python(&self, way: Way) -> String {
        let edit = if way.truncating {
            ("a // b", "int(a / b)")
        } else {
            ("", "")
        };
        let mut body = python_apply(self.operators, 12, edit);
        if way.extremes_mixed {
            body = body
                // By a third word, or the second replacement would undo the first.
                .replace("max(", "most(")
                .replace("min(", "max(")
                .replace("most(", "min(");
        }
        let tokens = if way.prefix {
            "reversed(expression.split())"
        } else {
            "expression.split()"
        };
        // As `operate` does it, or the Python would not be wrong where the case was chosen for it.
        let pop = if way.queue { "pop(0)" } else { "pop()" };
        // The operand on top is the second one; read backwards or from the front, it is the first.
        let (first, second) = if way.prefix ^ way.swapped ^ way.queue {
            ("a", "b")
        } else {
            ("b", "a")
        };
        let known = self
            .operators
            .iter()
            .map(|op| format!("'{}'", op.token()))
            .collect::<Vec<_>>()
            .join(", ");
        format!(
            "{}:
    stack = []
    for op in {tokens}:
        if op in ({known}):
            {first} = stack.{pop}
            {second} = stack.{pop}
{body}            stack.append(value)
        else:
            stack.append(int(op))
    return stack[0]
",
            self.about.signature
        )
    }
}

impl Rule for Rpn {
    fn about(&self) -> &RuleText {
        &self.about
    }

    fn classes(&self) -> &'static [Class] {
        &[TELLING, FREE, FREE, FREE]
    }

    fn size(&self, difficulty: u8, _: Class) -> BigUint {
        expression::tree_size(difficulty, self.operators)
    }

    fn draw(&self, difficulty: u8, class: Class, index: Index) -> Option<Drawn> {
        let (tree, ..) = expression::tree(difficulty, self.operators, index);
        let mut tokens = Vec::new();
        write(&tree, self.way.prefix, &mut tokens);
        let value = evaluate(&tokens, self.way)?;
        let text = tokens.iter().map(Token::text).collect::<Vec<_>>().join(" ");
        // Half of the space is kept for telling cases, as in `arithmetic`.
        let kept = coin(&text);
        let tells = || {
            self.wrong()
                .iter()
                // A way that fails on these tokens is wrong here too: its Python raises.
                .all(|(_, way)| evaluate(&tokens, *way) != Some(value))
        };
        let fits = if class == TELLING {
            kept && tells()
        } else {
            !kept
        };
        fits.then(|| Drawn {
            args: vec![Value::Str(text)],
            expected: Value::int(value),
        })
    }

    fn solutions(&self) -> Solutions {
        let wrong = self
            .wrong()
            .into_iter()
            .map(|(name, way)| (name, self.python(way)))
            .collect();
        Solutions {
            reference: self.python(self.way),
            wrong,
        }
    }
}

enum Token {
    Number(i128),
    Op(Op),
}

impl Token {
    fn text(&self) -> String {
        match self {
            Self::Number(n) => n.to_string(),
            Self::Op(op) => op.token().to_owned(),
        }
    }
}

fn write(tree: &Tree, prefix: bool, tokens: &mut Vec<Token>) {
    match tree {
        Tree::Number(n) => tokens.push(Token::Number(*n)),
        Tree::Node(op, left, right) => {
            if prefix {
                tokens.push(Token::Op(*op));
            }
            write(left, prefix, tokens);
            write(right, prefix, tokens);
            if !prefix {
                tokens.push(Token::Op(*op));
            }
        }
    }
}

/// The value, or `None` where the way fails on these tokens.
fn evaluate(tokens: &[Token], way: Way) -> Option<i128> {
    let mut stack: Vec<i128> = Vec::new();
    let mut step = |token: &Token| {
        let value = match token {
            Token::Number(n) => *n,
            Token::Op(op) => operate(*op, &mut stack, way)?,
        };
        stack.push(value);
        Some(())
    };
    if way.prefix {
        // Read from its end, prefix notation has its operands before their operator.
        tokens.iter().rev().try_for_each(&mut step)?
    } else {
        tokens.iter().try_for_each(&mut step)?
    }
    stack.first().copied()
}

fn operate(op: Op, stack: &mut Vec<i128>, way: Way) -> Option<i128> {
    if stack.len() < 2 {
        return None;
    }
    let mut take = || {
        if way.queue {
            stack.remove(0)
        } else {
            stack.remove(stack.len() - 1)
        }
    };
    let (first, second) = (take(), take());
    let (a, b) = if way.prefix ^ way.swapped ^ way.queue {
        (first, second)
    } else {
        (second, first)
    };
    match op {
        Op::Divide if way.truncating => a.checked_div(b),
        Op::Larger if way.extremes_mixed => Some(a.min(b)),
        Op::Smaller if way.extremes_mixed => Some(a.max(b)),
        op => op.apply(a, b),
    }
}
