//! Merging intervals: which are joined, and what is asked of the groups.

use groklab_domain::Value;
use num_bigint::BigUint;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::{Class, Inputs},
};

pub(super) const FAMILY: Family = Family {
    name: "intervals",
    description: "merge intervals that overlap, touch or are near",
    version: 1,
    unit: Unit::Rule,
    ordered: Some("GAP"),
    size: (GAPS.len() * RESULTS.len()) as u32,
    rule,
};

/// The distance at which two are still joined; -1: they have to overlap.
const GAPS: [i64; 7] = [-1, 0, 1, 2, 3, 4, 6];
/// A distance at which none is joined: those that go as far as the inputs are never so near.
const NEVER: i64 = -1_000_000;
/// What is asked, the type of the answer, and the words for it.
const RESULTS: [(&str, &str, &str); 15] = [
    (
        "merged",
        "list[list[int]]",
        "the list of the joined intervals, by rising start",
    ),
    (
        "merged-backwards",
        "list[list[int]]",
        "the list of the joined intervals, by falling start",
    ),
    ("count", "int", "how many joined intervals there are"),
    (
        "total",
        "int",
        "the sum of the lengths (end minus start) of the joined intervals",
    ),
    (
        "longest",
        "int",
        "the largest length (end minus start) of a joined interval",
    ),
    (
        "shortest",
        "int",
        "the smallest length (end minus start) of a joined interval",
    ),
    (
        "longest-one",
        "list[int]",
        "the longest joined interval; if several are equally long, the one with the smallest start",
    ),
    (
        "gaps",
        "list[list[int]]",
        "the list of the gaps between neighbouring joined intervals, from left to right, each as \
         [end of the one, start of the next]",
    ),
    (
        "gaps-backwards",
        "list[list[int]]",
        "the list of the gaps between neighbouring joined intervals, from right to left, each as \
         [end of the one, start of the next]",
    ),
    (
        "widest-gap",
        "int",
        "the largest distance between a joined interval and the next; 0 if there is only one",
    ),
    (
        "sizes",
        "list[int]",
        "the list that says of each joined interval, by rising start, out of how many given \
         intervals it was made",
    ),
    (
        "sizes-backwards",
        "list[int]",
        "the list that says of each joined interval, by falling start, out of how many given \
         intervals it was made",
    ),
    (
        "most",
        "int",
        "the largest number of given intervals out of which one joined interval was made",
    ),
    (
        "alone",
        "list[list[int]]",
        "the list of the given intervals that were joined with no other, by rising start",
    ),
    (
        "alone-backwards",
        "list[list[int]]",
        "the list of the given intervals that were joined with no other, by falling start",
    ),
];
/// Between those that touch and are not joined there is no gap to speak of, and lengths add up to
/// the same as where they are.
const LEFT_OUT: [&str; 3] = ["total", "gaps", "gaps-backwards"];

/// Intervals that were joined.
struct Group {
    start: i64,
    end: i64,
    size: usize,
}

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let gap = *index.pick(&GAPS);
    let (result, kind, returned) = *index.pick(&RESULTS);
    if gap == -1 && LEFT_OUT.contains(&result) {
        return None;
    }
    // Whatever is joined, the widest gap of all mostly stays.
    if gap != 0 && result == "widest-gap" {
        return None;
    }
    let text = RuleText {
        id: RuleText::id_of(&[("gap", &gap, ""), ("result", &result, "merged")]),
        signature: format!("def merge(intervals: list[list[int]]) -> {kind}"),
        task: format!("{} Return {returned}.", joining(gap)),
        parameters: vec![("GAP", Value::int(gap)), ("RESULT", Value::str(result))],
        lowest_difficulty: 1,
    };
    let rule = Rule::new(text, Intervals, move |args| answer(args, gap, result));
    Some(rule.mistaken_for(move |args| answer(args, NEVER, result)))
}

fn joining(gap: i64) -> String {
    let which = match gap {
        -1 => "that overlap, but not those that only touch, such as [1, 3] and [3, 5]".to_owned(),
        0 => "that overlap or touch, such as [1, 3] and [3, 5]".to_owned(),
        _ => format!(
            "that overlap or touch, or between which there is a distance of at most {gap}, such as \
             [1, 3] and [{}, 20]",
            3 + gap
        ),
    };
    format!(
        "Each interval is a list [start, end] with start < end; they are in no order. Join all \
         intervals {which}; go on until nothing more can be joined. A joined interval \
         goes from the smallest start to the largest end; one that is joined with no other stays \
         as it is."
    )
}

fn answer(args: &[Value], gap: i64, result: &str) -> Option<Value> {
    let mut groups = groups(args, gap)?;
    if result.ends_with("backwards") {
        groups.reverse();
    }
    let pair = |start: i64, end: i64| Value::List(vec![Value::int(start), Value::int(end)]);
    let lengths = || groups.iter().map(|group| group.end - group.start);
    let listed = |group: &Group| pair(group.start, group.end);
    Some(match result {
        "merged" | "merged-backwards" => Value::List(groups.iter().map(listed).collect()),
        "count" => Value::int(groups.len()),
        "total" => Value::int(lengths().sum::<i64>()),
        "longest" => Value::int(lengths().max()?),
        "shortest" => Value::int(lengths().min()?),
        "longest-one" => {
            let longest = lengths().max()?;
            listed(
                groups
                    .iter()
                    .find(|group| group.end - group.start == longest)?,
            )
        }
        "gaps" | "gaps-backwards" => {
            let gap =
                |two: &[Group]| pair(two[0].end.min(two[1].end), two[0].start.max(two[1].start));
            Value::List(groups.windows(2).map(gap).collect())
        }
        "widest-gap" => {
            let gaps = groups.windows(2).map(|two| two[1].start - two[0].end);
            Value::int(gaps.max().unwrap_or(0))
        }
        "sizes" | "sizes-backwards" => {
            Value::List(groups.iter().map(|group| Value::int(group.size)).collect())
        }
        "most" => Value::int(groups.iter().map(|group| group.size).max()?),
        _ => {
            let alone = groups.iter().filter(|group| group.size == 1);
            Value::List(alone.map(listed).collect())
        }
    })
}

/// By rising start.
fn groups(args: &[Value], gap: i64) -> Option<Vec<Group>> {
    let given = args::items(args, 0)?;
    let mut intervals = Vec::new();
    for place in 0..given.len() {
        match args::ints(given, place)?.as_slice() {
            [start, end] if start < end => intervals.push((*start, *end)),
            _ => return None,
        }
    }
    intervals.sort_unstable();
    let mut groups: Vec<Group> = Vec::new();
    for (start, end) in intervals {
        match groups.last_mut() {
            Some(group) if start <= group.end + gap => {
                group.end = group.end.max(end);
                group.size += 1;
            }
            _ => groups.push(Group {
                start,
                end,
                size: 1,
            }),
        }
    }
    Some(groups)
}

/// Four intervals at difficulty 1 and one more at each further one, as dense at each.
struct Intervals;

impl Intervals {
    const ROOM: u64 = 12;
    const LENGTHS: u64 = 10;

    fn count(difficulty: u8) -> u32 {
        u32::from(difficulty) + 3
    }
}

impl Inputs for Intervals {
    fn size(&self, difficulty: u8, _: Class) -> BigUint {
        let count = Self::count(difficulty);
        BigUint::from(Self::ROOM * u64::from(count) * Self::LENGTHS).pow(count)
    }

    fn draw(&self, difficulty: u8, _: Class, index: &mut Index) -> Option<Vec<Value>> {
        let count = Self::count(difficulty);
        let mut intervals = Vec::new();
        for _ in 0..count {
            let start = index.take(Self::ROOM * u64::from(count));
            let end = start + 1 + index.take(Self::LENGTHS);
            intervals.push(Value::List(vec![Value::int(start), Value::int(end)]));
        }
        Some(vec![Value::List(intervals)])
    }
}
