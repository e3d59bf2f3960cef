//! Finding a pattern in a string: how often, overlapping or not, and where first or last.

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::Text,
};

pub(super) const FAMILY: Family = Family {
    name: "patterns",
    description: "count or find a pattern in a string, overlapping or not",
    version: 1,
    unit: Unit::Rule,
    ordered: Some("LENGTH"),
    size: LENGTHS * NUMBERS as u32 * WANTED.len() as u32,
    rule,
};

/// Patterns of 2, 3 and 4 characters.
const LENGTHS: u32 = 3;
/// Of each length there are at most so many.
const NUMBERS: usize = 64;
/// Characters of a pattern; the last stands for any. Only the first two are in long ones, which
/// would else hardly ever appear.
const CHARACTERS: [char; 4] = ['a', 'b', 'c', '?'];
const WANTED: [(&str, &str); 4] = [
    (
        "overlapping",
        "Return how often {} appears in the string s.",
    ),
    (
        "apart",
        "Return how often {} appears in the string s without overlap: search from the left, and \
         after each one found go on behind its end.",
    ),
    (
        "first",
        "Return the index (from 0) at which {} first appears in the string s, or -1 if it never \
         does.",
    ),
    (
        "last",
        "Return the index (from 0) at which the last appearance of {} in the string s starts, or \
         -1 if there is none.",
    ),
];

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let length = 2 + usize::try_from(index.take(LENGTHS.into())).ok()?;
    let mut which = index.split(&NUMBERS.into());
    let (wanted, words) = *index.pick(&WANTED);
    let pattern: Vec<char> = match length {
        4 => (0..length).map(|_| *which.pick(&CHARACTERS[..2])).collect(),
        _ => (0..length).map(|_| *which.pick(&CHARACTERS)).collect(),
    };
    // The pattern's number has digits left: it is another one's.
    let is_counted_twice = which != Index::new(0u32);
    if is_counted_twice || !is_its_own(&pattern, wanted) {
        return None;
    }
    let shown: String = pattern.iter().collect();
    let mut task = words.replace("{}", &format!("'{shown}'"));
    if wanted == "overlapping" && overlaps_itself(&pattern) {
        task += " Appearances may overlap.";
    }
    if shown.contains('?') {
        task += " Here '?' stands for any one character.";
    }
    let text = RuleText {
        id: RuleText::id_of(&[
            ("pattern", &shown.replace('?', "."), ""),
            ("wanted", &wanted, "overlapping"),
        ]),
        signature: "def find_pattern(s: str) -> int".to_owned(),
        task,
        parameters: vec![
            ("LENGTH", Value::int(length)),
            ("PATTERN", Value::str(&shown)),
            ("WANTED", Value::str(wanted)),
        ],
        lowest_difficulty: 1,
    };
    // No more letters than needed: the pattern is to appear more than once.
    let letters = match ['a', 'b', 'c'].map(|letter| shown.contains(letter)) {
        [true, true, true] => "abc",
        [false, true, true] => "bc",
        [_, false, true] => "ac",
        _ => "ab",
    };
    let answer = move |wanted: &'static str| {
        let pattern = pattern.clone();
        move |args: &[Value]| {
            let s: Vec<char> = args::text(args, 0)?.chars().collect();
            Some(Value::int(found(&s, &pattern, wanted)?))
        }
    };
    let inputs = Text::of(letters).sized(16, 4);
    let rule = Rule::new(text, inputs, answer(wanted));
    Some(match wanted {
        "apart" => rule.mistaken_for(answer("overlapping")),
        "first" => rule.mistaken_for(answer("last")),
        "last" => rule.mistaken_for(answer("first")),
        _ => rule,
    })
}

/// Whether the pattern is one that can be told from others: it begins and ends with a letter, and
/// where overlaps are to be left out there are some.
fn is_its_own(pattern: &[char], wanted: &str) -> bool {
    let has_ends = pattern.first() != Some(&'?') && pattern.last() != Some(&'?');
    has_ends && (wanted != "apart" || overlaps_itself(pattern))
}

fn overlaps_itself(pattern: &[char]) -> bool {
    let fits = |a: &char, b: &char| a == b || *a == '?' || *b == '?';
    let moved = |by: usize| pattern.iter().skip(by).zip(pattern);
    (1..pattern.len()).any(|by| moved(by).all(|(a, b)| fits(a, b)))
}

fn found(s: &[char], pattern: &[char], wanted: &str) -> Option<i64> {
    let fits = |window: &[char]| window.iter().zip(pattern).all(|(c, p)| c == p || *p == '?');
    let windows = s.windows(pattern.len()).enumerate();
    let places: Vec<usize> = windows
        .filter(|(_, w)| fits(w))
        .map(|(place, _)| place)
        .collect();
    let place_or_none = |place: Option<&usize>| place.map_or(Some(-1), |p| i64::try_from(*p).ok());
    match wanted {
        "overlapping" => i64::try_from(places.len()).ok(),
        "first" => place_or_none(places.first()),
        "last" => place_or_none(places.last()),
        _ => {
            let (mut count, mut end) = (0, 0);
            for place in places {
                if place >= end {
                    count += 1;
                    end = place + pattern.len();
                }
            }
            Some(count)
        }
    }
}
