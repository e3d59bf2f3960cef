//! Coin change: which coins, how often each may be used, and what is asked of the ways to pay.

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::Ints,
};

pub(super) const FAMILY: Family = Family {
    name: "coins",
    description: "pay amounts with coins of a set",
    version: 1,
    unit: Unit::Rule,
    ordered: None,
    size: (Index::choices(COINS.len(), 3) as usize * LIMITS.len() * ASKED.len()) as u32,
    rule,
};

const COINS: [i64; 7] = [2, 3, 4, 5, 7, 9, 11];
/// How often each coin may be used; 0: any number of times.
const LIMITS: [i64; 3] = [0, 2, 3];
/// What is asked: an id, and the words for it.
const ASKED: [(&str, &str); 3] = [
    (
        "ways",
        "count the ways to pay it; the order of the coins does not matter",
    ),
    (
        "orders",
        "count the ways to pay it; the same coins in another order are another way",
    ),
    (
        "fewest",
        "find the smallest number of coins that pays it, or -1 if it cannot be paid",
    ),
];
/// Amounts are 1 to this.
const LARGEST: i64 = 36;

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let coins = index.choose(&COINS, 3);
    let limit = *index.pick(&LIMITS);
    let (asked, question) = *index.pick(&ASKED);
    // Few amounts can then be paid with different numbers of coins.
    if asked == "fewest" && limit > 0 {
        return None;
    }
    let listed: Vec<String> = coins.iter().map(i64::to_string).collect();
    let often = match limit {
        0 => "each of them as often as you like".to_owned(),
        _ => format!("each of them at most {limit} times"),
    };
    let text = RuleText {
        id: RuleText::id_of(&[
            ("coins", &listed.join("-"), ""),
            ("limit", &limit, "0"),
            ("asked", &asked, "ways"),
        ]),
        signature: "def pay(amounts: list[int]) -> list[int]".to_owned(),
        task: format!(
            "There are coins of {}, {often}. For each amount of the list, {question}. Return \
             the list of the answers, in order.",
            listed.join(", ")
        ),
        parameters: vec![
            (
                "COINS",
                Value::List(coins.iter().copied().map(Value::int).collect()),
            ),
            ("LIMIT", Value::int(limit)),
            ("ASKED", Value::str(asked)),
        ],
        lowest_difficulty: 1,
    };
    let same_coins = coins.clone();
    let rule = Rule::new(text, Ints(1, LARGEST), move |args| {
        answers(args, &coins, limit, asked)
    });
    // Usual mistakes: the other of the two counts, and always the largest coin that fits.
    Some(rule.mistaken_for(move |args| match asked {
        "ways" => answers(args, &same_coins, limit, "orders"),
        "orders" => answers(args, &same_coins, limit, "ways"),
        _ => greedy(args, &same_coins),
    }))
}

fn answers(args: &[Value], coins: &[i64], limit: i64, asked: &str) -> Option<Value> {
    let amounts = args::ints(args, 0)?;
    let largest = *amounts.iter().max()?;
    if *amounts.iter().min()? < 0 || largest > 2 * LARGEST {
        return None;
    }
    let ways = ways(
        usize::try_from(largest).ok()?,
        coins,
        limit,
        asked == "orders",
    );
    let answer = |amount: i64| {
        let by_count = ways.get(usize::try_from(amount).ok()?)?;
        let place = match asked {
            "fewest" => by_count.iter().position(|ways| *ways > 0),
            _ => return Some(Value::int(by_count.iter().sum::<i64>())),
        };
        Some(place.map_or(Value::int(-1), Value::int))
    };
    let answers: Option<Vec<Value>> = amounts.into_iter().map(answer).collect();
    Some(Value::List(answers?))
}

fn greedy(args: &[Value], coins: &[i64]) -> Option<Value> {
    let paid = |amount: i64| {
        let (mut left, mut count) = (amount, 0);
        for coin in coins.iter().rev() {
            count += left / coin;
            left %= coin;
        }
        Value::int(if left == 0 { count } else { -1 })
    };
    let amounts = args::ints(args, 0)?;
    Some(Value::List(amounts.into_iter().map(paid).collect()))
}

/// Ways to pay, by the amount and the number of coins.
fn ways(largest: usize, coins: &[i64], limit: i64, ordered: bool) -> Vec<Vec<i64>> {
    // No coin is worth less than 2, so no way has more coins than half the amount.
    let mut ways = vec![vec![0; largest + 1]; largest + 1];
    ways[0][0] = 1;
    for coin in coins.iter().filter_map(|coin| usize::try_from(*coin).ok()) {
        let mut next = vec![vec![0; largest + 1]; largest + 1];
        for (amount, by_count) in ways.iter().enumerate() {
            for (count, known) in by_count.iter().enumerate().filter(|(_, ways)| **ways > 0) {
                let most = (largest - amount) / coin;
                let most = usize::try_from(limit).map_or(most, |limit| match limit {
                    0 => most,
                    limit => most.min(limit),
                });
                for used in 0..=most {
                    // Places that the new coins can have among all of them.
                    let orders = match ordered {
                        true => i64::try_from(Index::choices(count + used, used)).unwrap_or(0),
                        false => 1,
                    };
                    next[amount + used * coin][count + used] += known * orders;
                }
            }
        }
        ways = next;
    }
    ways
}
