//! Numbers of a range with a property: how many there are, their sum, and so on.

use groklab_domain::Value;
use num_bigint::BigUint;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::{ANY, Between, Class, Inputs, Numbers},
};

pub(super) const FAMILY: Family = Family {
    name: "properties",
    description: "find the numbers of a range that have a property",
    version: 1,
    unit: Unit::Rule,
    ordered: None,
    size: (PROPERTIES.len() * RESULTS.len()) as u32,
    rule,
};

/// Each a kind and its number, 0 where it has none.
const PROPERTIES: [(&str, i64); 41] = [
    ("prime-factors", 1),
    ("prime-factors", 2),
    ("prime-factors", 3),
    ("prime-factors", 4),
    ("different-primes", 1),
    ("different-primes", 2),
    ("different-primes", 3),
    ("square-free", 0),
    ("cube-free", 0),
    ("coprime", 6),
    ("coprime", 10),
    ("coprime", 14),
    ("coprime", 15),
    ("coprime", 21),
    ("coprime", 30),
    ("either", 23),
    ("either", 35),
    ("either", 46),
    ("either", 47),
    ("either", 57),
    ("digit-sum", 2),
    ("digit-sum", 4),
    ("digit-sum", 5),
    ("digit-sum", 7),
    ("digit-sum", 11),
    ("ones", 2),
    ("ones", 3),
    ("divisors", 4),
    ("divisors", 6),
    ("divisors", 8),
    ("digit-sum-divides", 0),
    ("different-digits", 0),
    ("has-digit", 1),
    ("has-digit", 3),
    ("has-digit", 5),
    ("has-digit", 7),
    ("two-squares", 0),
    ("ends-higher", 0),
    ("square", 7),
    ("square", 15),
    ("square", 16),
];
/// What is asked of those numbers: an id, and the words before and after them.
const RESULTS: [(&str, &str, &str); 6] = [
    ("count", "Return how many", "."),
    ("sum", "Return the sum of those", "; 0 if there are none."),
    ("list", "Return the list, in rising order, of those", "."),
    (
        "smallest",
        "Return the smallest of those",
        "; -1 if there are none.",
    ),
    (
        "largest",
        "Return the largest of those",
        "; -1 if there are none.",
    ),
    (
        "second",
        "Return the second smallest of those",
        "; -1 if there are fewer than two.",
    ),
];
const LARGEST: i64 = 100_000;

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let (kind, k) = *index.pick(&PROPERTIES);
    let (result, before, after) = *index.pick(&RESULTS);
    let that = if result == "count" { "" } else { "that " };
    let returned = if result == "list" { "list[int]" } else { "int" };
    let text = RuleText {
        id: RuleText::id_of(&[
            ("property", &kind, ""),
            ("k", &k, "0"),
            ("result", &result, "count"),
        ]),
        signature: format!("def find_numbers(low: int, high: int) -> {returned}"),
        task: format!(
            "{before} whole numbers from low to high, both included, {that}{}{after}",
            words(kind, k)
        ),
        parameters: vec![
            ("PROPERTY", Value::str(kind)),
            ("K", Value::int(k)),
            ("RESULT", Value::str(result)),
        ],
        lowest_difficulty: 1,
    };
    let rule = Rule::new(text, Ranges, move |args| {
        let range = range(args)?;
        let found = range.filter(|n| has(*n, kind, k)).collect();
        Some(answer(result, found))
    });
    Some(rule.mistaken_for(move |args| Some(answer(result, range(args)?.collect()))))
}

fn range(args: &[Value]) -> Option<std::ops::RangeInclusive<i64>> {
    let (low, high) = (args::int(args, 0)?, args::int(args, 1)?);
    (1 <= low && low <= high && high <= LARGEST).then_some(low..=high)
}

fn answer(result: &str, found: Vec<i64>) -> Value {
    match result {
        "count" => Value::int(found.len()),
        "sum" => Value::int(found.iter().sum::<i64>()),
        "list" => Value::List(found.into_iter().map(Value::int).collect()),
        "smallest" => Value::int(found.first().copied().unwrap_or(-1)),
        "largest" => Value::int(found.last().copied().unwrap_or(-1)),
        _ => Value::int(found.get(1).copied().unwrap_or(-1)),
    }
}

fn has(n: i64, kind: &str, k: i64) -> bool {
    let (mut primes, digits) = (prime_factors(n), n.to_string());
    let sum: i64 = digits.bytes().map(|digit| i64::from(digit - b'0')).sum();
    match kind {
        "prime-factors" => primes.len() as i64 == k,
        "different-primes" => {
            primes.dedup();
            primes.len() as i64 == k
        }
        "square-free" => primes.windows(2).all(|pair| pair[0] != pair[1]),
        "cube-free" => primes.windows(3).all(|three| three[0] != three[2]),
        "coprime" => primes.iter().all(|prime| k % prime != 0),
        "either" => (n % (k / 10) == 0) != (n % (k % 10) == 0),
        "digit-sum" => sum % k == 0,
        "ones" => i64::from(n.count_ones()) % k == 0,
        "divisors" => divisors(&primes) == k,
        "digit-sum-divides" => n % sum == 0,
        "different-digits" => digits.chars().all(|c| digits.matches(c).count() == 1),
        "has-digit" => digits.contains(&k.to_string()),
        "two-squares" => (0..=n.isqrt()).any(|a| (n - a * a).isqrt().pow(2) == n - a * a),
        "ends-higher" => digits.bytes().last() > digits.bytes().next(),
        _ => n * n % k == 1,
    }
}

/// In rising order, as often as they divide.
fn prime_factors(mut n: i64) -> Vec<i64> {
    let (mut primes, mut prime) = (Vec::new(), 2);
    while prime * prime <= n {
        while n % prime == 0 {
            primes.push(prime);
            n /= prime;
        }
        prime += 1;
    }
    if n > 1 {
        primes.push(n);
    }
    primes
}

fn divisors(primes: &[i64]) -> i64 {
    let same = primes.chunk_by(|one, other| one == other);
    same.map(|group| group.len() as i64 + 1).product()
}

/// What follows "numbers that".
fn words(kind: &str, k: i64) -> String {
    match (kind, k) {
        ("prime-factors", 1) => "are prime".to_owned(),
        ("prime-factors", _) => format!(
            "have exactly {k} prime factors, each counted as often as it divides (12 = 2 * 2 * 3 \
             has 3)"
        ),
        ("different-primes", 1) => {
            "have exactly one prime factor, however often it divides (8 = 2 * 2 * 2 has one)"
                .to_owned()
        }
        ("different-primes", _) => {
            format!("have exactly {k} different prime factors (12 has 2, which are 2 and 3)")
        }
        ("square-free", _) => "are divisible by no square above 1".to_owned(),
        ("cube-free", _) => "are divisible by no third power above 1".to_owned(),
        ("coprime", _) => format!("share no prime factor with {k}"),
        ("either", _) => format!(
            "are divisible by {} or by {} but not by both",
            k / 10,
            k % 10
        ),
        ("digit-sum", _) => format!("have a sum of digits that is divisible by {k}"),
        ("ones", _) => {
            format!("have, written in binary, a number of ones that is divisible by {k}")
        }
        ("divisors", _) => format!("have exactly {k} divisors, 1 and the number itself included"),
        ("digit-sum-divides", _) => "are divisible by the sum of their digits".to_owned(),
        ("different-digits", _) => "have no digit more than once".to_owned(),
        ("has-digit", _) => format!("have the digit {k} somewhere"),
        ("two-squares", _) => "are a sum of two squares, where 0 counts as a square".to_owned(),
        ("ends-higher", _) => "have a last digit that is larger than the first digit".to_owned(),
        _ => format!("have a square that leaves remainder 1 when divided by {k}"),
    }
}

/// A range of 21 to 61 numbers, further up with the difficulty.
struct Ranges;

impl Ranges {
    const LOW: Numbers = Numbers::growing(10, 100, 2);
    const LENGTH: Between = Between(20, 60);
}

impl Inputs for Ranges {
    fn size(&self, difficulty: u8, _: Class) -> BigUint {
        Self::LOW.size(difficulty, ANY) * Self::LENGTH.size(difficulty, ANY)
    }

    fn draw(&self, difficulty: u8, _: Class, index: &mut Index) -> Option<Vec<Value>> {
        let mut first = index.split(&Self::LOW.size(difficulty, ANY));
        let low = args::int(&Self::LOW.draw(difficulty, ANY, &mut first)?, 0)?;
        let length = args::int(&Self::LENGTH.draw(difficulty, ANY, index)?, 0)?;
        Some(vec![Value::int(low), Value::int(low + length)])
    }
}
