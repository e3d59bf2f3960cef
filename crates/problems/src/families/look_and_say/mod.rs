//! Saying what a string of digits shows: groups of equal digits, each by its length and its digit.

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::Text,
};

pub(super) const FAMILY: Family = Family {
    name: "look_and_say",
    description: "say which digits stand in a string, group by group",
    version: 1,
    unit: Unit::Rule,
    ordered: Some("STEPS"),
    size: (STEPS.len() * CAPS.len() * LENGTHS.len()) as u32 * 4,
    rule,
};

const STEPS: [usize; 3] = [1, 2, 3];
/// Digits of a group at most; 0: any number.
const CAPS: [usize; 3] = [0, 2, 3];
/// How the length of a group is said.
const LENGTHS: [&str; 3] = ["said", "left-out", "less-one"];

#[derive(Debug, Clone, Copy)]
struct Saying {
    steps: usize,
    cap: usize,
    lengths: &'static str,
    digit_first: bool,
    from_right: bool,
}

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let (steps, cap) = (*index.pick(&STEPS), *index.pick(&CAPS));
    let lengths = *index.pick(&LENGTHS);
    let saying = Saying {
        steps,
        cap,
        lengths,
        digit_first: index.take(2) == 1,
        from_right: index.take(2) == 1,
    };
    // Pairs that are said as two digits soon say themselves.
    if saying.steps > 1 && saying.cap == 2 && saying.lengths == "left-out" {
        return None;
    }
    let order = if saying.digit_first {
        "digit"
    } else {
        "length"
    };
    let from = if saying.from_right { "right" } else { "left" };
    let text = RuleText {
        id: RuleText::id_of(&[
            ("first", &order, ""),
            ("from", &from, "left"),
            ("lengths", &saying.lengths, "said"),
            ("cap", &saying.cap, "0"),
            ("steps", &saying.steps, "1"),
        ]),
        signature: "def look_and_say(s: str) -> str".to_owned(),
        task: saying.task(),
        parameters: vec![
            ("FIRST", Value::str(order)),
            ("START", Value::str(from)),
            ("LENGTHS", Value::str(saying.lengths)),
            ("CAP", Value::int(saying.cap)),
            ("STEPS", Value::int(saying.steps)),
        ],
        lowest_difficulty: 1,
    };
    let swapped = Saying {
        digit_first: !saying.digit_first,
        ..saying
    };
    let digits = Text::of("123456789").varied(3);
    let rule = Rule::new(text, digits, move |args| saying.said(args));
    let rule = rule.mistaken_for(move |args| swapped.said(args));
    if saying.steps == 1 {
        return Some(rule);
    }
    let once = Saying { steps: 1, ..saying };
    Some(rule.mistaken_for(move |args| once.said(args)))
}

impl Saying {
    fn said(&self, args: &[Value]) -> Option<Value> {
        let mut digits: Vec<char> = args::text(args, 0)?.chars().collect();
        if !digits.iter().all(char::is_ascii_digit) {
            return None;
        }
        for _ in 0..self.steps {
            digits = self.next(digits);
        }
        Some(Value::Str(digits.into_iter().collect()))
    }

    fn next(&self, mut digits: Vec<char>) -> Vec<char> {
        if self.from_right {
            digits.reverse();
        }
        let mut said = String::new();
        for equal in digits.chunk_by(|one, other| one == other) {
            let most = if self.cap == 0 { equal.len() } else { self.cap };
            for group in equal.chunks(most) {
                let digit: String = group.iter().take(1).collect();
                let length = match (self.lengths, group.len()) {
                    ("left-out", 1) => String::new(),
                    ("less-one", length) => (length - 1).to_string(),
                    (_, length) => length.to_string(),
                };
                said += &if self.digit_first {
                    digit + &length
                } else {
                    length + &digit
                };
            }
        }
        said.chars().collect()
    }

    fn task(&self) -> String {
        let way = if self.from_right {
            "from right to left"
        } else {
            "from left to right"
        };
        let cap = match self.cap {
            0 => String::new(),
            cap => format!(
                " A group has at most {cap} digits: after so many, equal digits begin the next \
                 group."
            ),
        };
        let length = match self.lengths {
            "less-one" => "its length less one",
            _ => "its length",
        };
        let written = if self.digit_first {
            format!("its digit and then {length}")
        } else {
            format!("{length} and then its digit")
        };
        let single = match self.lengths {
            "left-out" => " Of a group of one digit write the digit alone.",
            _ => "",
        };
        let returned = match self.steps {
            1 => "Return the written string.".to_owned(),
            steps => format!(
                "Do this {steps} times, each time with the string that was written before, and \
                 return the last one."
            ),
        };
        format!(
            "Read the string of digits {way} in groups of equal neighbouring digits, as long as \
             possible.{cap} For each group, in the order of reading, write {written}.{single} \
             {returned}"
        )
    }
}
