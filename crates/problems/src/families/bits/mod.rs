//! Bits of whole numbers of a fixed width: rotations, Gray codes and masks, one after the other.

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::Ints,
};

pub(super) const FAMILY: Family = Family {
    name: "bits",
    description: "change the bits of numbers",
    version: 1,
    unit: Unit::Rule,
    ordered: Some("WIDTH"),
    size: 2 * (MOVES.len() * OPERATORS.len() * 3 * 2 * RESULTS.len()) as u32,
    rule,
};

/// How bits move.
const MOVES: [Move; 8] = [
    Move::None,
    Move::Left(1),
    Move::Left(3),
    Move::Right(1),
    Move::Right(2),
    Move::Gray,
    Move::Ungray,
    Move::Reverse,
];
const OPERATORS: [&str; 4] = ["none", "and", "or", "xor"];
/// Of 8 and of 16 bits; rotations and reversals change each of them.
const MASKS: [[i64; 3]; 2] = [[0x0f, 0x37, 0x65], [0x0f0f, 0x3737, 0x6a95]];
const RESULTS: [&str; 2] = ["numbers", "ones"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Move {
    None,
    Left(u32),
    Right(u32),
    Gray,
    Ungray,
    Reverse,
}

#[derive(Debug, Clone, Copy)]
struct Change {
    width: u32,
    moved: Move,
    operator: &'static str,
    mask: i64,
    mask_first: bool,
}

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let wide = usize::try_from(index.take(2)).ok()?;
    let moved = *index.pick(&MOVES);
    let (operator, mask) = (*index.pick(&OPERATORS), *index.pick(&MASKS[wide]));
    let mask_first = index.take(2) == 1;
    let result = *index.pick(&RESULTS);
    let change = Change {
        width: if wide == 1 { 16 } else { 8 },
        moved,
        operator,
        mask,
        mask_first,
    };
    let masks = operator != "none";
    let one_step = !masks || moved == Move::None;
    let keeps_count = !matches!(moved, Move::None | Move::Gray | Move::Ungray);
    // Two names of one function: an order of one step, a mask that is not there, and counts of
    // what only changes its place.
    let is_other = (one_step && mask_first)
        || (!masks && mask != MASKS[wide][0])
        || (result == "ones" && keeps_count && (!masks || mask_first));
    let changes_nothing = !masks && moved == Move::None && result == "numbers";
    if is_other || changes_nothing {
        return None;
    }
    let largest = (1 << change.width) - 1;
    let rule = Rule::new(change.text(result), Ints(0, largest), move |args| {
        let mut out = Vec::new();
        for n in args::ints(args, 0)? {
            if !(0..=largest).contains(&n) {
                return None;
            }
            let n = change.of(n);
            out.push(match result {
                "ones" => Value::int(n.count_ones()),
                _ => Value::int(n),
            });
        }
        Some(Value::List(out))
    });
    Some(rule)
}

impl Change {
    fn of(&self, n: i64) -> i64 {
        if self.mask_first {
            self.moved(self.masked(n))
        } else {
            self.masked(self.moved(n))
        }
    }

    fn masked(&self, n: i64) -> i64 {
        match self.operator {
            "and" => n & self.mask,
            "or" => n | self.mask,
            "xor" => n ^ self.mask,
            _ => n,
        }
    }

    fn moved(&self, n: i64) -> i64 {
        match self.moved {
            Move::None => n,
            Move::Left(places) => self.rotated_left(n, places),
            Move::Right(places) => self.rotated_left(n, self.width - places),
            Move::Gray => n ^ (n >> 1),
            Move::Ungray => (0..self.width).fold(0, |out, places| out ^ (n >> places)),
            Move::Reverse => (0..self.width).fold(0, |out, place| out << 1 | (n >> place & 1)),
        }
    }

    fn rotated_left(&self, n: i64, places: u32) -> i64 {
        let all = (1 << self.width) - 1;
        (n << places | n >> (self.width - places)) & all
    }

    fn text(&self, result: &str) -> RuleText {
        let moved = match self.moved {
            Move::None => "none".to_owned(),
            Move::Left(places) => format!("left-{places}"),
            Move::Right(places) => format!("right-{places}"),
            Move::Gray => "gray".to_owned(),
            Move::Ungray => "ungray".to_owned(),
            Move::Reverse => "reverse".to_owned(),
        };
        let order = if self.mask_first { "mask" } else { "move" };
        let mask = match self.operator {
            "none" => String::new(),
            _ => format!("{:#x}", self.mask),
        };
        let kind = (self.operator, mask.as_str());
        RuleText {
            id: RuleText::id_of(&[
                ("width", &self.width, ""),
                ("move", &moved, "none"),
                ("operator", &kind.0, "none"),
                ("mask", &kind.1, ""),
                ("first", &order, "move"),
                ("result", &result, "numbers"),
            ]),
            signature: "def change_bits(numbers: list[int]) -> list[int]".to_owned(),
            task: self.task(result),
            parameters: vec![
                ("WIDTH", Value::int(self.width)),
                ("MOVE", Value::str(moved)),
                ("OPERATOR", Value::str(self.operator)),
                ("MASK", Value::int(self.mask)),
                ("FIRST", Value::str(order)),
                ("RESULT", Value::str(result)),
            ],
            lowest_difficulty: 1,
        }
    }

    fn task(&self, result: &str) -> String {
        let (width, mut steps) = (self.width, Vec::new());
        let turned = |way: &str, other: &str, places: u32| {
            format!(
                "rotate its {width} bits by {places} to the {way} (bits that fall out on the {way} \
                 come in again on the {other})"
            )
        };
        steps.extend(match self.moved {
            Move::None => None,
            Move::Left(places) => Some(turned("left", "right", places)),
            Move::Right(places) => Some(turned("right", "left", places)),
            Move::Gray => Some("replace it by its Gray code n ^ (n >> 1)".to_owned()),
            Move::Ungray => Some(
                "replace it by the number m whose Gray code it is, the one with \
                 m ^ (m >> 1) == n"
                    .to_owned(),
            ),
            Move::Reverse => Some(format!("reverse the order of its {width} bits")),
        });
        if self.operator != "none" {
            let masked = format!("replace it by n {} {:#x}", self.sign(), self.mask);
            steps.insert(if self.mask_first { 0 } else { steps.len() }, masked);
        }
        let start = format!("Each number n of the list has {width} bits, leading zeros included.");
        let returned = match result {
            "ones" => "Return the list of how many 1 bits each number then has.",
            _ => "Return the list of the results.",
        };
        if steps.is_empty() {
            return format!("{start} Return the list of how many 1 bits each number has.");
        }
        format!("{start} With each n, {}. {returned}", steps.join(", then "))
    }

    fn sign(&self) -> &'static str {
        match self.operator {
            "and" => "&",
            "or" => "|",
            _ => "^",
        }
    }
}
