//! Moving slices of a string: rotate it, reverse a part, move or double one, swap two.

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::Uneven,
};

pub(super) const FAMILY: Family = Family {
    name: "slices",
    description: "rotate a string, reverse, move or swap slices of it",
    version: 1,
    unit: Unit::Rule,
    ordered: Some("LENGTH"),
    size: MOVES.len() as u32 * STARTS * LENGTHS * GAPS * SECONDS * 2,
    rule,
};

const MOVES: [&str; 11] = [
    "rotate-left",
    "rotate-right",
    "swap-ends",
    "reverse-first",
    "reverse-last",
    "reverse",
    "remove",
    "double",
    "to-front",
    "to-end",
    "swap",
];
/// Moves of the string's ends: they have a length, and no start.
const AT_ENDS: [&str; 5] = [
    "rotate-left",
    "rotate-right",
    "swap-ends",
    "reverse-first",
    "reverse-last",
];
const STARTS: u32 = 4;
const LENGTHS: u32 = 4;
/// Between two slices that are swapped.
const GAPS: u32 = 3;
/// Lengths of the second slice.
const SECONDS: u32 = 3;
/// The shortest string: no slice reaches beyond it.
const SHORTEST: usize = 12;

/// What is moved: where a slice starts and ends, and the same of a second one.
#[derive(Clone, Copy)]
struct Cut {
    start: usize,
    end: usize,
    other_start: usize,
    other_end: usize,
}

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let mut take = |radix: u32| usize::try_from(index.take(radix.into())).ok();
    let name = *MOVES.get(take(MOVES.len() as u32)?)?;
    let (start, length) = (take(STARTS)?, 1 + take(LENGTHS)?);
    let (gap, second) = (take(GAPS)?, 1 + take(SECONDS)?);
    let reversed = take(2)? == 1;
    if !is_its_own(name, (start, length), (gap, second)) {
        return None;
    }
    let end = start + length;
    let cut = Cut {
        start,
        end,
        other_start: end + gap,
        other_end: end + gap + second,
    };
    let others = if name == "swap" {
        (cut.other_start, cut.other_end)
    } else {
        (0, 0)
    };
    let mut task = task(name, cut);
    if reversed {
        task = task.replace("Return", "Take") + " Return the reverse of this.";
    }
    // Rotating and reversing ends needs no word about it.
    if name == "swap-ends" || !AT_ENDS.contains(&name) {
        task += " s has at least 12 characters.";
    }
    let text = RuleText {
        id: RuleText::id_of(&[
            ("move", &name, ""),
            ("start", &start, "0"),
            ("length", &length, ""),
            ("other", &format!("{}:{}", others.0, others.1), "0:0"),
            ("reversed", &reversed, "false"),
        ]),
        signature: "def move_parts(s: str) -> str".to_owned(),
        task,
        parameters: vec![
            ("MOVE", Value::str(name)),
            ("START", Value::int(start)),
            ("LENGTH", Value::int(length)),
            ("OTHER_START", Value::int(others.0)),
            ("OTHER_END", Value::int(others.1)),
            ("REVERSED", Value::Bool(reversed)),
        ],
        lowest_difficulty: 1,
    };
    let inputs = Uneven::text("abcdefghijklmnopqrstuvwxyz", SHORTEST, 3);
    Some(Rule::new(text, inputs, move |args| {
        let s: Vec<char> = args::text(args, 0)?.chars().collect();
        if s.len() < SHORTEST {
            return None;
        }
        let mut moved = moved(&s, name, cut);
        if reversed {
            moved.reverse();
        }
        Some(Value::Str(moved.into_iter().collect()))
    }))
}

/// Whether these numbers mean something to the move, and no other move is the same.
fn is_its_own(name: &str, (start, length): (usize, usize), (gap, second): (usize, usize)) -> bool {
    if name == "swap" {
        // Two characters next to each other, or with one between them, are a reversed slice; a
        // start swapped with what follows it is that one moved to the front.
        let is_reversed = length == 1 && second == 1 && gap < 2;
        return length < 4 && !is_reversed && (start, gap) != (0, 0);
    }
    // The first two characters, reversed.
    if (name, start, length) == ("to-front", 1, 1) {
        return false;
    }
    let alone = gap == 0 && second == 1;
    let has_start = match name {
        _ if AT_ENDS.contains(&name) => start == 0,
        "reverse" | "to-front" | "to-end" => start > 0,
        _ => true,
    };
    let has_length = length > 1 || !name.starts_with("reverse");
    alone && has_start && has_length
}

fn moved(s: &[char], name: &str, cut: Cut) -> Vec<char> {
    let (before, part, after) = (&s[..cut.start], &s[cut.start..cut.end], &s[cut.end..]);
    let (length, rest) = (cut.end - cut.start, s.len() - (cut.end - cut.start));
    let backwards = |part: &[char]| part.iter().rev().copied().collect::<Vec<char>>();
    match name {
        "rotate-left" => [after, part].concat(),
        "rotate-right" => [&s[rest..], &s[..rest]].concat(),
        "swap-ends" => [&s[rest..], &s[length..rest], part].concat(),
        "reverse-first" | "reverse" => [before, &backwards(part), after].concat(),
        "reverse-last" => [&s[..rest], &backwards(&s[rest..])].concat(),
        "remove" => [before, after].concat(),
        "double" => [before, part, part, after].concat(),
        "to-front" => [part, before, after].concat(),
        "to-end" => [before, after, part].concat(),
        _ => {
            let between = &s[cut.end..cut.other_start];
            let other = &s[cut.other_start..cut.other_end];
            [before, other, between, part, &s[cut.other_end..]].concat()
        }
    }
}

fn task(name: &str, cut: Cut) -> String {
    let Cut {
        start,
        end,
        other_start,
        other_end,
    } = cut;
    let count = match end - start {
        1 => "character".to_owned(),
        k => format!("{k} characters"),
    };
    let part = format!("s[{start}:{end}]");
    match name {
        "rotate-left" => format!("Return the string s with its first {count} moved to its end."),
        "rotate-right" => format!("Return the string s with its last {count} moved to its front."),
        "swap-ends" => {
            format!("Return the string s with its first {count} and its last {count} swapped.")
        }
        "reverse-first" => format!("Return the string s with its first {count} reversed."),
        "reverse-last" => format!("Return the string s with its last {count} reversed."),
        "reverse" => format!("Return the string s with its part {part} reversed."),
        "remove" => format!("Return the string s without its part {part}."),
        "double" => format!("Return the string s with its part {part} written twice in a row."),
        "to-front" => format!("Return the string s with its part {part} moved to the front."),
        "to-end" => format!("Return the string s with its part {part} moved to the end."),
        _ => format!(
            "Return the string s with its parts {part} and s[{other_start}:{other_end}] swapped."
        ),
    }
}
