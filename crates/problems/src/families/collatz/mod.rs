//! Walks like Collatz's: a number is divided where it can be, and else multiplied and added to.

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::Numbers,
};

pub(super) const FAMILY: Family = Family {
    name: "collatz",
    description: "follow a number that is divided or multiplied by its remainder",
    version: 1,
    unit: Unit::Rule,
    ordered: Some("STEPS"),
    size: 2 * 4 * 4 * (STEPS.len() * RESULTS.len()) as u32,
    rule,
};

/// What becomes of an odd number: a factor, and what is added. Both are odd, so that it is halved
/// next.
const FACTORS: [i64; 4] = [1, 3, 5, 7];
const ADDED: [i64; 4] = [1, 3, 5, 7];
/// Where 3 is what divides: factor and what is added for a number with remainder 1, and for one
/// with remainder 2. It can be divided next.
const REMAINDER_1: [(i64, i64); 4] = [(1, 2), (1, 5), (2, 1), (2, 4)];
const REMAINDER_2: [(i64, i64); 4] = [(1, 1), (1, 4), (2, 2), (2, 5)];
const STEPS: [u32; 3] = [5, 8, 12];
const RESULTS: [(&str, &str); 5] = [
    ("last", "Return the number that comes out at the end."),
    (
        "peak",
        "Return the largest number that appears, n itself included.",
    ),
    ("divided", "Return how many of the steps are divisions."),
    (
        "sum",
        "Return the sum of n itself and of the numbers after each step.",
    ),
    (
        "peak-step",
        "Return after how many steps the largest number first appears; 0 if it is n itself.",
    ),
];

/// A step divides by as many as there are remainders; the others have a factor and what is added.
#[derive(Debug, Clone)]
struct Walk {
    others: Vec<(i64, i64)>,
    steps: u32,
}

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let others = if index.take(2) == 0 {
        vec![(*index.pick(&FACTORS), *index.pick(&ADDED))]
    } else {
        vec![*index.pick(&REMAINDER_1), *index.pick(&REMAINDER_2)]
    };
    let steps = *index.pick(&STEPS);
    let (result, returned) = *index.pick(&RESULTS);
    // Where numbers soon fall the largest is at the beginning, however many steps are made.
    let falls = others.len() == 2 || others[0].0 == 1;
    if falls && (result == "peak-step" || (result == "peak" && steps != STEPS[0])) {
        return None;
    }
    // In so few steps many walks divide as often.
    if result == "divided" && steps == STEPS[0] {
        return None;
    }
    let walk = Walk { others, steps };
    let mut named = Vec::new();
    let mut pairs = Vec::new();
    for (factor, added) in &walk.others {
        named.push(format!("{factor}n+{added}"));
        pairs.push(Value::List(vec![Value::int(*factor), Value::int(*added)]));
    }
    let text = RuleText {
        id: RuleText::id_of(&[
            ("divisor", &(walk.others.len() + 1), ""),
            ("else", &named.join("|"), ""),
            ("steps", &steps, ""),
            ("result", &result, "last"),
        ]),
        signature: "def walk(n: int) -> int".to_owned(),
        task: format!("{} {returned}", walk.task()),
        parameters: vec![
            ("OTHERS", Value::List(pairs)),
            ("STEPS", Value::int(steps)),
            ("RESULT", Value::str(result)),
        ],
        lowest_difficulty: 1,
    };
    Some(Rule::new(text, Numbers::LARGE, move |args| {
        walk.answer(args::int(args, 0)?, result)
    }))
}

impl Walk {
    /// `None` beyond 64 bits.
    fn answer(&self, n: i64, result: &str) -> Option<Value> {
        let mut numbers = vec![n];
        let (mut last, mut divided) = (n, 0);
        let divisor = i64::try_from(self.others.len()).ok()? + 1;
        for _ in 0..self.steps {
            let remainder = usize::try_from(last.rem_euclid(divisor)).ok()?;
            last = match remainder.checked_sub(1) {
                None => {
                    divided += 1;
                    last / divisor
                }
                Some(place) => {
                    let (factor, added) = self.others[place];
                    last.checked_mul(factor)?.checked_add(added)?
                }
            };
            numbers.push(last);
        }
        let peak = *numbers.iter().max()?;
        Some(match result {
            "last" => Value::int(last),
            "peak" => Value::int(peak),
            "divided" => Value::int(divided),
            "sum" => Value::int(numbers.iter().sum::<i64>()),
            _ => Value::int(numbers.iter().position(|number| *number == peak)?),
        })
    }

    fn task(&self) -> String {
        let step = match self.others.as_slice() {
            [odd] => format!("if x is even, halve it; if x is odd, {}", becomes(*odd)),
            others => {
                let mut step = "if x is divisible by 3, divide it by 3".to_owned();
                for (other, remainder) in others.iter().zip(1..) {
                    let becomes = becomes(*other);
                    step += &format!("; if its remainder by 3 is {remainder}, {becomes}");
                }
                step
            }
        };
        format!("Start with x = n and do this {} times: {step}.", self.steps)
    }
}

fn becomes((factor, added): (i64, i64)) -> String {
    match factor {
        1 => format!("add {added}"),
        _ => format!("replace it by {factor} * x + {added}"),
    }
}
