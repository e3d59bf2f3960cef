//! Languages of words that are a's, then b's, then c's, as in aⁿbᵐcᵏ: which counts belong together.

use std::{collections::BTreeSet, sync::LazyLock};

use groklab_domain::Value;
use num_bigint::BigUint;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::{Class, Inputs},
};

pub(super) const FAMILY: Family = Family {
    name: "languages",
    description: "keep the words whose numbers of a, b and c belong together",
    version: 1,
    unit: Unit::Rule,
    ordered: None,
    size: (CONDITIONS.len() + Index::choices(CONDITIONS.len(), 2) as usize) as u32,
    rule,
};

/// What n times one number, m times another and k times a third must do.
#[derive(Clone, Copy)]
struct Condition {
    text: &'static str,
    factors: [i64; 3],
    /// The sum is 0, below 0, or a multiple of a number.
    relation: Relation,
}

#[derive(Clone, Copy)]
enum Relation {
    Zero,
    Negative,
    Multiple(i64),
}
use Relation::{Multiple, Negative, Zero};

const fn when(text: &'static str, factors: [i64; 3], relation: Relation) -> Condition {
    Condition {
        text,
        factors,
        relation,
    }
}

const CONDITIONS: [Condition; 27] = [
    when("n = m", [1, -1, 0], Zero),
    when("n = k", [1, 0, -1], Zero),
    when("m = k", [0, 1, -1], Zero),
    when("n < m", [1, -1, 0], Negative),
    when("n < k", [1, 0, -1], Negative),
    when("m < k", [0, 1, -1], Negative),
    when("n > m", [-1, 1, 0], Negative),
    when("n > k", [-1, 0, 1], Negative),
    when("m > k", [0, -1, 1], Negative),
    when("n + m = k", [1, 1, -1], Zero),
    when("n + k = m", [1, -1, 1], Zero),
    when("m + k = n", [-1, 1, 1], Zero),
    when("n + m < 2 * k", [1, 1, -2], Negative),
    when("m + k < 2 * n", [-2, 1, 1], Negative),
    when("n is even", [1, 0, 0], Multiple(2)),
    when("m is even", [0, 1, 0], Multiple(2)),
    when("k is even", [0, 0, 1], Multiple(2)),
    when("n is divisible by 3", [1, 0, 0], Multiple(3)),
    when("m is divisible by 3", [0, 1, 0], Multiple(3)),
    when("k is divisible by 3", [0, 0, 1], Multiple(3)),
    when("n + m is even", [1, 1, 0], Multiple(2)),
    when("m + k is even", [0, 1, 1], Multiple(2)),
    when("n + k is even", [1, 0, 1], Multiple(2)),
    when("n + m is divisible by 3", [1, 1, 0], Multiple(3)),
    when("n + k is divisible by 3", [1, 0, 1], Multiple(3)),
    when("n + m + k is even", [1, 1, 1], Multiple(2)),
    when("n + m + k is divisible by 3", [1, 1, 1], Multiple(3)),
];
/// Counts are 1 to this; in words that are in disorder one less, so that no word is made twice.
const LARGEST: i64 = 6;

impl Condition {
    fn holds(&self, counts: [i64; 3]) -> bool {
        let sum: i64 = self.factors.iter().zip(counts).map(|(f, c)| f * c).sum();
        match self.relation {
            Zero => sum == 0,
            Negative => sum < 0,
            Multiple(of) => sum % of == 0,
        }
    }

    fn value(&self) -> Value {
        let mut parts: Vec<Value> = self.factors.iter().copied().map(Value::int).collect();
        parts.push(match self.relation {
            Zero => Value::str("zero"),
            Negative => Value::str("negative"),
            Multiple(of) => Value::int(of),
        });
        Value::List(parts)
    }
}

/// The conditions of each rule.
static RULES: LazyLock<Vec<Vec<Condition>>> = LazyLock::new(|| {
    let mut rules: Vec<Vec<Condition>> = Vec::new();
    let mut known = BTreeSet::new();
    let single = CONDITIONS.iter().map(|condition| vec![*condition]);
    let pairs = 0..Index::choices(CONDITIONS.len(), 2);
    let pairs = pairs.map(|pair| Index::new(pair).choose(&CONDITIONS, 2));
    for conditions in single.chain(pairs) {
        // Some words are right, and the same ones as by no other rule; some would be but for their
        // order.
        let right = right_counts(&conditions);
        let disordered = right
            .iter()
            .filter(|[n, m, k]| *n > 1 && *m.max(k) < LARGEST);
        if right.len() >= 12 && disordered.count() >= 6 && known.insert(right) {
            rules.push(conditions);
        }
    }
    rules
});

fn right_counts(conditions: &[Condition]) -> Vec<[i64; 3]> {
    let numbers = (0..LARGEST * LARGEST * LARGEST).map(|number| {
        let counts = [number, number / LARGEST, number / (LARGEST * LARGEST)];
        counts.map(|count| count % LARGEST + 1)
    });
    numbers
        .filter(|counts| conditions.iter().all(|one| one.holds(*counts)))
        .collect()
}

fn rule(number: u32) -> Option<Rule> {
    let conditions = RULES.get(number as usize)?.clone();
    let texts: Vec<&str> = conditions.iter().map(|condition| condition.text).collect();
    let text = RuleText {
        id: texts
            .join(",")
            .replace(" is divisible by ", "%")
            .replace(" is even", "%2")
            .replace(' ', ""),
        signature: "def keep(words: list[str]) -> list[str]".to_owned(),
        task: format!(
            "A word is right if it is n times the letter a, then m times b, then k times c and \
             nothing else, n, m and k are at least 1, and {}. Return the list of the right words, \
             in order.",
            texts.join(" and ")
        ),
        parameters: vec![(
            "CONDITIONS",
            Value::List(conditions.iter().map(Condition::value).collect()),
        )],
        lowest_difficulty: 1,
    };
    let same_conditions = conditions.clone();
    let rule = Rule::new(text, Lists, move |args| kept(args, &conditions, true));
    Some(rule.mistaken_for(move |args| kept(args, &same_conditions, false)))
}

/// The words that are right; without regard to the order of letters where `ordered` is false.
fn kept(args: &[Value], conditions: &[Condition], ordered: bool) -> Option<Value> {
    let mut kept = Vec::new();
    for word in args::texts(args, 0)? {
        let counts = ["a", "b", "c"].map(|letter| word.matches(letter).count());
        if counts.iter().sum::<usize>() != word.len() {
            return None;
        }
        let in_order = word.as_bytes().is_sorted() || !ordered;
        let counts = counts.map(|count| i64::try_from(count).unwrap_or(0));
        let fit = conditions.iter().all(|condition| condition.holds(counts));
        if in_order && counts.iter().all(|count| *count > 0) && fit {
            kept.push(Value::str(word));
        }
    }
    Some(Value::List(kept))
}

/// Lists of `d + 3` words, in about a third of which an `a` stands behind the last letter.
struct Lists;

const IN_ORDER: u64 = (LARGEST * LARGEST * LARGEST) as u64;
const IN_DISORDER: u64 = ((LARGEST - 1) * (LARGEST - 1) * (LARGEST - 1)) as u64;

impl Inputs for Lists {
    fn size(&self, difficulty: u8, _: Class) -> BigUint {
        BigUint::from(IN_ORDER + IN_DISORDER).pow(u32::from(difficulty) + 3)
    }

    fn draw(&self, difficulty: u8, _: Class, index: &mut Index) -> Option<Vec<Value>> {
        let words =
            (0..difficulty + 3).map(|_| Value::Str(word(index.take(IN_ORDER + IN_DISORDER))));
        Some(vec![Value::List(words.collect())])
    }
}

fn word(number: u64) -> String {
    let (mut index, largest, end) = match number.checked_sub(IN_ORDER) {
        None => (Index::new(number), LARGEST, ""),
        Some(rest) => (Index::new(rest), LARGEST - 1, "a"),
    };
    let letters = ["a", "b", "c"].map(|letter| {
        let count = index.take(largest.unsigned_abs()) + 1;
        letter.repeat(usize::try_from(count).unwrap_or(1))
    });
    letters.concat() + end
}
