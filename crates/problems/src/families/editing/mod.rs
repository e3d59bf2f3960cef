//! Edit distance with costs of its own: of an insertion, a removal, a replacement, of vowels, and
//! of two neighbours that change places.

use groklab_domain::Value;
use num_bigint::BigUint;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::{Class, Inputs},
};

pub(super) const FAMILY: Family = Family {
    name: "editing",
    description: "find the lowest cost of making one string into another",
    version: 1,
    unit: Unit::Rule,
    ordered: Some("REPLACE"),
    size: (COSTS.len() * COSTS.len() * REPLACE.len() * 4) as u32,
    rule,
};

/// Costs of an insertion, and of a removal.
const COSTS: [i64; 4] = [1, 2, 3, 4];
const REPLACE: [i64; 7] = [1, 2, 3, 4, 5, 6, 7];
const VOWELS: &str = "aeiou";
/// Vowels are many, so that they often meet.
const LETTERS: [char; 7] = ['a', 'e', 'i', 'o', 'b', 'c', 'd'];

#[derive(Clone, Copy)]
struct Costs {
    insert: i64,
    remove: i64,
    replace: i64,
    /// To replace a vowel by another one.
    vowel: i64,
    /// Two neighbours may change places, for 1.
    exchange: bool,
}

const USUAL: Costs = Costs {
    insert: 1,
    remove: 1,
    replace: 1,
    vowel: 1,
    exchange: false,
};

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let (insert, remove) = (*index.pick(&COSTS), *index.pick(&COSTS));
    let replace = *index.pick(&REPLACE);
    let (cheap_vowels, exchange) = (index.take(2) == 1, index.take(2) == 1);
    // A replacement that costs as much as a removal and an insertion is not needed; one that costs
    // 1 is as cheap for vowels, and two of them nearly as cheap as an exchange.
    if replace >= insert + remove || (replace == 1 && (cheap_vowels || exchange)) {
        return None;
    }
    let costs = Costs {
        insert,
        remove,
        replace,
        vowel: if cheap_vowels { 1 } else { replace },
        exchange,
    };
    let text = RuleText {
        id: RuleText::id_of(&[
            ("insert", &insert, ""),
            ("remove", &remove, ""),
            ("replace", &replace, ""),
            (
                "vowels",
                &if cheap_vowels { "cheap" } else { "as-others" },
                "as-others",
            ),
            ("exchange", &if exchange { "yes" } else { "no" }, "no"),
        ]),
        signature: "def edit_cost(a: str, b: str) -> int".to_owned(),
        task: task(costs, cheap_vowels),
        parameters: vec![
            ("INSERT", Value::int(insert)),
            ("REMOVE", Value::int(remove)),
            ("REPLACE", Value::int(replace)),
            ("VOWEL", Value::int(costs.vowel)),
            ("EXCHANGE", Value::Bool(exchange)),
        ],
        lowest_difficulty: 1,
    };
    let mut rule = Rule::new(text, Pairs, move |args| answer(args, costs));
    if exchange {
        let without = Costs {
            exchange: false,
            ..costs
        };
        rule = rule.mistaken_for(move |args| answer(args, without));
    }
    if cheap_vowels {
        let without = Costs {
            vowel: replace,
            ..costs
        };
        rule = rule.mistaken_for(move |args| answer(args, without));
    }
    // The edit distance that everybody knows, which is a rule too.
    if [insert, remove, replace] != [1, 1, 1] {
        rule = rule.mistaken_for(move |args| answer(args, USUAL));
    }
    Some(rule)
}

fn task(costs: Costs, cheap_vowels: bool) -> String {
    let Costs {
        insert,
        remove,
        replace,
        ..
    } = costs;
    let mut task = format!(
        "Return the lowest total cost of making the string a into the string b. Inserting a letter \
         anywhere costs {insert}, removing a letter costs {remove}, replacing a letter by another \
         one costs {replace}"
    );
    task += if cheap_vowels {
        ", but only 1 if both are vowels (a, e, i, o, u)."
    } else {
        "."
    };
    if costs.exchange {
        task += " Exchanging two neighbouring letters costs 1; nothing else may be done to these \
                 two, nor between them.";
    }
    task
}

fn answer(args: &[Value], costs: Costs) -> Option<Value> {
    let (a, b) = (args::text(args, 0)?, args::text(args, 1)?);
    let is_legal = |s: &str| s.len() <= 60 && s.bytes().all(|letter| letter.is_ascii_lowercase());
    (is_legal(a) && is_legal(b)).then(|| Value::int(lowest(a.as_bytes(), b.as_bytes(), costs)))
}

fn lowest(a: &[u8], b: &[u8], costs: Costs) -> i64 {
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            let mut ways = Vec::new();
            if i > 0 {
                ways.push(table[i - 1][j] + costs.remove);
            }
            if j > 0 {
                ways.push(table[i][j - 1] + costs.insert);
            }
            if i > 0 && j > 0 {
                ways.push(table[i - 1][j - 1] + replacement(a[i - 1], b[j - 1], costs));
            }
            let crossed = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if costs.exchange && crossed {
                ways.push(table[i - 2][j - 2] + 1);
            }
            table[i][j] = ways.into_iter().min().unwrap_or(0);
        }
    }
    table[a.len()][b.len()]
}

fn replacement(from: u8, to: u8, costs: Costs) -> i64 {
    let is_vowel = |letter: u8| VOWELS.as_bytes().contains(&letter);
    match from == to {
        true => 0,
        false if is_vowel(from) && is_vowel(to) => costs.vowel,
        false => costs.replace,
    }
}

/// Two strings: the first of `d + 4` letters, the second sometimes shorter and sometimes longer, so
/// that insertions and removals are told from each other.
struct Pairs;

impl Pairs {
    /// Lengths of the second string.
    fn lengths(difficulty: u8) -> [u32; 3] {
        let first = u32::from(difficulty) + 4;
        [first - 2, first, first + 2]
    }

    fn count(length: u32) -> BigUint {
        BigUint::from(LETTERS.len()).pow(length)
    }
}

impl Inputs for Pairs {
    fn size(&self, difficulty: u8, _: Class) -> BigUint {
        let seconds = Self::lengths(difficulty).map(Self::count);
        Self::count(u32::from(difficulty) + 4) * seconds.iter().sum::<BigUint>()
    }

    fn draw(&self, difficulty: u8, _: Class, index: &mut Index) -> Option<Vec<Value>> {
        let word = |index: &mut Index, length: u32| {
            let letters = (0..length).map(|_| *index.pick(&LETTERS));
            Value::Str(letters.collect())
        };
        let first = word(index, u32::from(difficulty) + 4);
        for length in Self::lengths(difficulty) {
            let size = Self::count(length);
            if index.below(&size) {
                return Some(vec![first, word(index, length)]);
            }
            index.subtract(&size);
        }
        None
    }
}
