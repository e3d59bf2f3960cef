//! Subtraction games: what may be taken from a pile, who wins, and what is asked of each pile.

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::Ints,
};

pub(super) const FAMILY: Family = Family {
    name: "subtraction",
    description: "play games in which stones are taken from a pile",
    version: 1,
    unit: Unit::Rule,
    ordered: None,
    size: SETS * 2 * ASKED.len() as u32,
    rule,
};

const TAKEN: [i64; 9] = [1, 2, 3, 4, 5, 6, 7, 8, 9];
const SETS: u32 = Index::choices(TAKEN.len(), 3) as u32;
/// What is asked of the piles: an id, and the words for it.
const ASKED: [(&str, &str); 3] = [
    (
        "won",
        "Return the list of those piles, in order, with which the player who moves first wins if \
         both play as well as possible.",
    ),
    (
        "move",
        "For each pile, find the smallest number of stones that the player who moves first can \
         take so that this player wins if both play as well as possible; 0 if there is none. \
         Return the list of these numbers, in order.",
    ),
    (
        "moves",
        "For each pile, count the first moves after which the player who made it wins if both \
         play as well as possible. Return the list of these counts, in order.",
    ),
];
/// Piles have 1 stone up to this many.
const LARGEST: i64 = 40;

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let set = u32::try_from(index.take(SETS.into())).ok()?;
    let misere = index.take(2) == 1;
    let (asked, question) = *index.pick(&ASKED);
    // A set with which the same piles are won as with an earlier one.
    let won_with = |set: u32| won(&taken(set), misere, LARGEST);
    let own = won_with(set);
    if (0..set).any(|earlier| won_with(earlier) == own) {
        return None;
    }
    let taken = taken(set);
    let listed: Vec<String> = taken.iter().map(i64::to_string).collect();
    let text = RuleText {
        id: RuleText::id_of(&[
            ("taken", &listed.join("-"), ""),
            ("last", &if misere { "loses" } else { "wins" }, "wins"),
            ("asked", &asked, "won"),
        ]),
        signature: "def play(piles: list[int]) -> list[int]".to_owned(),
        task: format!(
            "Each number of the list is a game of its own: a pile of so many stones. Two players \
             take {} or {} stones from it in turn; a player who cannot move {}. {question}",
            listed[..2].join(", "),
            listed[2],
            if misere { "wins" } else { "loses" },
        ),
        parameters: vec![
            (
                "TAKEN",
                Value::List(taken.iter().copied().map(Value::int).collect()),
            ),
            ("STUCK_WINS", Value::Bool(misere)),
            ("ASKED", Value::str(asked)),
        ],
        lowest_difficulty: 1,
    };
    let other = taken.clone();
    let rule = Rule::new(text, Ints(1, LARGEST), move |args| {
        answer(args, &taken, misere, asked)
    });
    Some(rule.mistaken_for(move |args| answer(args, &other, !misere, asked)))
}

fn taken(set: u32) -> Vec<i64> {
    Index::new(set).choose(&TAKEN, 3)
}

fn answer(args: &[Value], taken: &[i64], misere: bool, asked: &str) -> Option<Value> {
    let piles = args::ints(args, 0)?;
    let largest = *piles.iter().max()?;
    if *piles.iter().min()? < 1 || largest > 10 * LARGEST {
        return None;
    }
    let won = won(taken, misere, largest);
    let is_won = |pile: i64| usize::try_from(pile).is_ok_and(|pile| won[pile]);
    let answers: Vec<i64> = match asked {
        "won" => piles.into_iter().filter(|pile| is_won(*pile)).collect(),
        _ => piles
            .into_iter()
            .map(|pile| {
                let mut moves = taken
                    .iter()
                    .filter(|taken| **taken <= pile && !is_won(pile - **taken));
                match asked {
                    "move" => moves.next().copied().unwrap_or(0),
                    _ => moves.fold(0, |count, _| count + 1),
                }
            })
            .collect(),
    };
    Some(Value::List(answers.into_iter().map(Value::int).collect()))
}

/// Whether the player who moves first wins, by the number of stones.
fn won(taken: &[i64], misere: bool, largest: i64) -> Vec<bool> {
    let mut won: Vec<bool> = Vec::new();
    for pile in 0..=largest {
        let left = taken.iter().map(|taken| pile - taken);
        let mut left = left
            .filter_map(|left| usize::try_from(left).ok())
            .peekable();
        let stuck = left.peek().is_none();
        won.push(if stuck {
            misere
        } else {
            left.any(|left| !won[left])
        });
    }
    won
}
