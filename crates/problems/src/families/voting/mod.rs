//! Votes by ballots that rank four candidates: what places are worth, whose ballot counts twice,
//! and how ties are broken.

use groklab_domain::Value;
use num_bigint::BigUint;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::{Class, Classed, Inputs},
};

pub(super) const FAMILY: Family = Family {
    name: "voting",
    description: "count ballots that rank candidates",
    version: 1,
    unit: Unit::Rule,
    ordered: None,
    size: (WEIGHTS.len() * TWICE.len() * TIES.len() * ASKED.len()) as u32,
    rule,
};

/// What a candidate gets for each place on a ballot.
const WEIGHTS: [[i64; 4]; 10] = [
    [1, 0, 0, 0],
    [1, 1, 0, 0],
    [1, 1, 1, 0],
    [2, 1, 0, 0],
    [3, 1, 0, 0],
    [3, 2, 1, 0],
    [4, 2, 1, 0],
    [5, 3, 1, 0],
    [5, 2, 1, 1],
    [1, 0, 0, -1],
];
/// Which ballot counts twice: an id, and the words for it.
const TWICE: [(&str, &str); 3] = [
    ("none", ""),
    ("first", " The first ballot counts twice."),
    ("last", " The last ballot counts twice."),
];
/// Who of those with equal points is put first: an id, and the words for it.
const TIES: [(&str, &str); 4] = [
    ("alphabet", "the one that comes first in the alphabet"),
    ("backwards", "the one that comes last in the alphabet"),
    ("opening", "the one that stands higher on the first ballot"),
    ("closing", "the one that stands higher on the last ballot"),
];
/// What is asked: an id, and the words for it.
const ASKED: [(&str, &str); 3] = [
    (
        "winner",
        "Return the letter of the candidate that is first in this order.",
    ),
    (
        "loser",
        "Return the letter of the candidate that is last in this order.",
    ),
    (
        "order",
        "Return the letters of the candidates in this order, as a string.",
    ),
];
const CANDIDATES: [char; 4] = ['A', 'B', 'C', 'D'];
const CLEAR: Class = "clear";
/// The answer hangs on how ties are broken.
const TIED: Class = "tied";

#[derive(Clone, Copy)]
struct Vote {
    weights: [i64; 4],
    twice: &'static str,
    ties: &'static str,
    asked: &'static str,
}

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let (asked, question) = *index.pick(&ASKED);
    let (ties, first_of_equals) = *index.pick(&TIES);
    let (twice, about_twice) = *index.pick(&TWICE);
    let weights = *index.pick(&WEIGHTS);
    // With two kinds of points some candidates are nearly always equal.
    if asked == "order" && [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]].contains(&weights) {
        return None;
    }
    let vote = Vote {
        weights,
        twice,
        ties,
        asked,
    };
    let listed = weights.map(|weight| weight.to_string());
    let text = RuleText {
        id: RuleText::id_of(&[
            ("weights", &listed.join(","), ""),
            ("twice", &twice, "none"),
            ("ties", &ties, "alphabet"),
            ("asked", &asked, "winner"),
        ]),
        signature: "def count_votes(ballots: list[str]) -> str".to_owned(),
        task: format!(
            "Each ballot is a string of the candidates A, B, C and D, the best first. On each \
             ballot, the first place is worth {}, the second {}, the third {} and the fourth {} \
             points.{about_twice} Order the candidates by their points, the most first; of those \
             with equal points, put {first_of_equals} first. {question}",
            listed[0], listed[1], listed[2], listed[3],
        ),
        parameters: vec![
            ("WEIGHTS", Value::List(weights.map(Value::int).to_vec())),
            ("TWICE", Value::str(twice)),
            ("TIES", Value::str(ties)),
            ("ASKED", Value::str(asked)),
        ],
        lowest_difficulty: 1,
    };
    let otherwise = Vote {
        ties: match ties {
            "alphabet" => "backwards",
            "backwards" => "alphabet",
            "opening" => "closing",
            _ => "opening",
        },
        ..vote
    };
    let inputs = Classed::new(Ballots, &[CLEAR, TIED], move |args| {
        let is_tied = answer(args, vote)? != answer(args, otherwise)?;
        Some(if is_tied { TIED } else { CLEAR })
    });
    let rule = Rule::new(text, inputs, move |args| answer(args, vote));
    Some(rule.mistaken_for(move |args| answer(args, otherwise)))
}

fn answer(args: &[Value], vote: Vote) -> Option<Value> {
    let ballots = args::texts(args, 0)?;
    let last = ballots.len().checked_sub(1)?;
    let mut points = [0; 4];
    for (number, ballot) in ballots.iter().enumerate() {
        let is_twice = match vote.twice {
            "first" => number == 0,
            "last" => number == last,
            _ => false,
        };
        for (candidate, points) in CANDIDATES.iter().zip(&mut points) {
            let place = ballot.find(*candidate).filter(|_| ballot.len() == 4)?;
            *points += vote.weights[place] * if is_twice { 2 } else { 1 };
        }
    }
    let mut order = [0, 1, 2, 3];
    let place = |ballot: &str, candidate: usize| ballot.find(CANDIDATES[candidate]);
    order.sort_by_key(|candidate| match vote.ties {
        "alphabet" => Some(*candidate),
        "backwards" => Some(3 - *candidate),
        "opening" => place(ballots[0], *candidate),
        _ => place(ballots[last], *candidate),
    });
    // A stable sort: equal points stay in the order of the tie.
    order.sort_by_key(|candidate| -points[*candidate]);
    let letters = order.map(|candidate| CANDIDATES[candidate]);
    Some(match vote.asked {
        "winner" => Value::str(letters[0]),
        "loser" => Value::str(letters[3]),
        _ => Value::Str(letters.iter().collect()),
    })
}

/// Lists of `d + 3` ballots.
struct Ballots;

impl Inputs for Ballots {
    fn size(&self, difficulty: u8, _: Class) -> BigUint {
        BigUint::from(24u8).pow(u32::from(difficulty) + 3)
    }

    fn draw(&self, difficulty: u8, _: Class, index: &mut Index) -> Option<Vec<Value>> {
        let ballots = (0..difficulty + 3).map(|_| {
            let mut left = CANDIDATES.to_vec();
            let mut ballot = String::new();
            while !left.is_empty() {
                let place = index.take(left.len() as u64);
                ballot.push(left.remove(usize::try_from(place).unwrap_or(0)));
            }
            Value::Str(ballot)
        });
        Some(vec![Value::List(ballots.collect())])
    }
}
