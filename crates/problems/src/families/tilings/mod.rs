//! Tilings of a strip: which tiles there are, in how many colours, and which may be neighbours.

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::Ints,
};

pub(super) const FAMILY: Family = Family {
    name: "tilings",
    description: "count the ways to cover a strip with tiles",
    version: 1,
    unit: Unit::Rule,
    ordered: Some("COLOURS"),
    size: (SETS * COLOURS.len() * APART.len()) as u32,
    rule,
};

const LENGTHS: [usize; 6] = [1, 2, 3, 4, 5, 6];
const PAIRS: usize = Index::choices(LENGTHS.len(), 2) as usize;
const SETS: usize = PAIRS + Index::choices(LENGTHS.len(), 3) as usize;
const COLOURS: [usize; 3] = [1, 2, 3];
/// Which tiles must not be neighbours: an id, and the words for it.
const APART: [(&str, &str); 4] = [
    ("none", ""),
    (
        "length",
        " Neighbouring tiles must not have the same length.",
    ),
    (
        "colour",
        " Neighbouring tiles must not have the same colour.",
    ),
    (
        "both",
        " Neighbouring tiles must not be alike in both length and colour; alike in one is fine.",
    ),
];
/// Strips have a length of 1 to this.
const LONGEST: i64 = 16;

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let (apart, about_neighbours) = *index.pick(&APART);
    let colours = *index.pick(&COLOURS);
    // With one colour, tiles of one length are all alike.
    if colours == 1 && (apart == "colour" || apart == "both") {
        return None;
    }
    let set = index.take(SETS as u64);
    let lengths = match set.checked_sub(PAIRS as u64) {
        None => Index::new(set).choose(&LENGTHS, 2),
        Some(rest) => Index::new(rest).choose(&LENGTHS, 3),
    };
    let listed: Vec<String> = lengths.iter().map(usize::to_string).collect();
    let (last, first) = listed.split_last()?;
    let in_colours = match colours {
        1 => String::new(),
        _ => format!(", each in {colours} colours"),
    };
    let text = RuleText {
        id: RuleText::id_of(&[
            ("lengths", &listed.join("-"), ""),
            ("colours", &colours, "1"),
            ("apart", &apart, "none"),
        ]),
        signature: "def tilings(strips: list[int]) -> list[int]".to_owned(),
        task: format!(
            "There are tiles of the lengths {} and {last}{in_colours}, as many as needed. A strip \
             is covered from end to end by tiles in a row; another order is another way.\
             {about_neighbours} For each length of a strip in the list, count the ways to cover \
             it. Return the list of these counts, in order.",
            first.join(", ")
        ),
        parameters: vec![
            (
                "LENGTHS",
                Value::List(lengths.iter().copied().map(Value::int).collect()),
            ),
            ("COLOURS", Value::int(colours)),
            ("APART", Value::str(apart)),
        ],
        lowest_difficulty: 1,
    };
    Some(Rule::new(text, Ints(1, LONGEST), move |args| {
        let strips = args::ints(args, 0)?;
        let is_legal = |strip: &i64| (0..=2 * LONGEST).contains(strip);
        if !strips.iter().all(is_legal) {
            return None;
        }
        let longest = usize::try_from(*strips.iter().max()?).ok()?;
        let ways = ways(longest, &lengths, colours, apart);
        let count = |strip: i64| ways.get(usize::try_from(strip).ok()?).copied();
        let counts: Option<Vec<i64>> = strips.into_iter().map(count).collect();
        Some(Value::List(counts?.into_iter().map(Value::int).collect()))
    }))
}

/// Ways to cover strips of each length up to the longest.
fn ways(longest: usize, lengths: &[usize], colours: usize, apart: &str) -> Vec<i64> {
    let tiles: Vec<(usize, usize)> = lengths
        .iter()
        .flat_map(|length| (0..colours).map(move |colour| (*length, colour)))
        .collect();
    // By the strip's length and its last tile.
    let mut ending = vec![vec![0; tiles.len()]; longest + 1];
    for strip in 1..=longest {
        for (place, tile) in tiles.iter().enumerate() {
            let Some(rest) = strip.checked_sub(tile.0) else {
                continue;
            };
            let before = tiles.iter().zip(&ending[rest]);
            let fitting = before.filter(|(other, _)| may_meet(tile, other, apart));
            ending[strip][place] = match rest {
                0 => 1,
                _ => fitting.map(|(_, ways)| ways).sum(),
            };
        }
    }
    let mut ways: Vec<i64> = ending.iter().map(|by_tile| by_tile.iter().sum()).collect();
    ways[0] = 1;
    ways
}

fn may_meet(one: &(usize, usize), other: &(usize, usize), apart: &str) -> bool {
    match apart {
        "length" => one.0 != other.0,
        "colour" => one.1 != other.1,
        "both" => one != other,
        _ => true,
    }
}
