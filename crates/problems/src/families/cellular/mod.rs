//! Rows of cells, each of which becomes 0 or 1 by itself and its two neighbours.

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::Text,
};

pub(super) const FAMILY: Family = Family {
    name: "cellular",
    description: "compute the next rows of a cellular automaton",
    version: 1,
    unit: Unit::Rule,
    ordered: Some("STEPS"),
    size: 256 * 2 * STEPS.len() as u32,
    rule,
};

const STEPS: [usize; 3] = [1, 2, 4];
/// Those whose rows still differ after some steps.
const LIVELY: [u32; 23] = [
    18, 22, 26, 30, 41, 45, 54, 60, 62, 73, 75, 86, 89, 90, 97, 101, 102, 106, 110, 122, 126, 146,
    150,
];
/// All cells become 0, stay as they are, or become 1.
const TRIVIAL: [u32; 3] = [0, 204, 255];
/// The opposite of each cell: there are no neighbours, so no ends.
const OPPOSITE: u32 = 51;

/// Bit `4 * left + 2 * cell + right` of the number is what becomes of a cell.
#[derive(Debug, Clone, Copy)]
struct Automaton {
    number: u32,
    ring: bool,
    steps: usize,
}

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let number = u32::try_from(index.take(256)).ok()?;
    let ring = index.take(2) == 1;
    let steps = *index.pick(&STEPS);
    let is_other = TRIVIAL.contains(&number) || (number == OPPOSITE && ring);
    if is_other || (steps > 1 && !LIVELY.contains(&number)) {
        return None;
    }
    let automaton = Automaton {
        number,
        ring,
        steps,
    };
    let ends = if ring { "ring" } else { "zeros" };
    let text = RuleText {
        id: RuleText::id_of(&[
            ("rule", &number, ""),
            ("ends", &ends, "zeros"),
            ("steps", &steps, "1"),
        ]),
        signature: "def next_row(cells: str) -> str".to_owned(),
        task: automaton.task(),
        parameters: vec![
            ("RULE", Value::int(number)),
            ("ENDS", Value::str(ends)),
            ("STEPS", Value::int(steps)),
        ],
        lowest_difficulty: 1,
    };
    let other_ends = Automaton {
        ring: !ring,
        ..automaton
    };
    let rule = Rule::new(text, Text::of("01"), move |args| automaton.row(args))
        .mistaken_for(|args| Some(Value::str(args::text(args, 0)?)));
    Some(if number == OPPOSITE {
        rule
    } else {
        rule.mistaken_for(move |args| other_ends.row(args))
    })
}

impl Automaton {
    fn row(&self, args: &[Value]) -> Option<Value> {
        let mut cells = Vec::new();
        for c in args::text(args, 0)?.chars() {
            cells.push(c.to_digit(2)?);
        }
        for _ in 0..self.steps {
            cells = self.next(&cells);
        }
        let row = cells.iter().map(|cell| if *cell == 1 { '1' } else { '0' });
        Some(Value::Str(row.collect()))
    }

    fn next(&self, cells: &[u32]) -> Vec<u32> {
        let (first, last) = match (self.ring, cells) {
            (true, [first, .., last]) => (*first, *last),
            _ => (0, 0),
        };
        let mut row = vec![last];
        row.extend(cells);
        row.push(first);
        let three = row.windows(3);
        three
            .map(|three| self.number >> (4 * three[0] + 2 * three[1] + three[2]) & 1)
            .collect()
    }

    fn task(&self) -> String {
        let becomes_one = |three: &u32| self.number >> three & 1 == 1;
        let (ones, zeros): (Vec<u32>, Vec<u32>) = (0..8).rev().partition(becomes_one);
        // The shorter of the two lists says it all.
        let (named, becomes, other) = if ones.len() <= zeros.len() {
            (ones, 1, 0)
        } else {
            (zeros, 0, 1)
        };
        let named: Vec<String> = named.iter().map(|three| format!("{three:03b}")).collect();
        let which = match named.as_slice() {
            [one] => format!("are {one}"),
            several => format!("are one of {}", several.join(", ")),
        };
        let ends = if self.ring {
            "The row is a ring: the first and the last cell are neighbours."
        } else {
            "Beyond both ends of the row there are cells that are always 0."
        };
        let returned = match self.steps {
            1 => "the next row".to_owned(),
            steps => format!("the row after {steps} such steps"),
        };
        format!(
            "The string is a row of cells, each 0 or 1. In the next row a cell becomes {becomes} \
             if its left neighbour, itself and its right neighbour {which}; else it becomes \
             {other}. {ends} Return {returned}, as a string of the same length."
        )
    }
}
