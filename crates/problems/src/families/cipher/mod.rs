//! Affine ciphers: a factor and a shift over the small letters, ten of them, the vowels or digits.

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::Text,
};

pub(super) const FAMILY: Family = Family {
    name: "cipher",
    description: "encode a string with a Caesar or an affine cipher",
    version: 1,
    unit: Unit::Rule,
    ordered: Some("SHIFT"),
    size: (ALPHABETS.len() * FACTORS.len() * SHIFTS * 2) as u32,
    rule,
};

/// An id, the characters that are encoded, others that stand among them, and the words for the
/// alphabet.
const ALPHABETS: [(&str, &str, &str, &str); 4] = [
    ("small", SMALL, "_.,-27", "the small letters a to z"),
    ("ten", "abcdefghij", "kmnpst.", "the letters a to j"),
    ("vowels", "aeiou", "bdnst", "the vowels a, e, i, o, u"),
    ("digits", "0123456789", "abcde-.", "the digits"),
];
const SMALL: &str = "abcdefghijklmnopqrstuvwxyz";
const FACTORS: [usize; 8] = [1, 2, 3, 4, 5, 7, 9, 11];
const SHIFTS: usize = 14;

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let alphabet = *index.pick(&ALPHABETS);
    let (name, known, others, _) = alphabet;
    let factor = *index.pick(&FACTORS);
    let shift = usize::try_from(index.take(SHIFTS as u64)).ok()?;
    let drops = index.take(2) == 1;
    let size = known.len();
    let is_nothing = factor == 1 && shift == 0;
    // Only a factor without a divisor in common gives each letter a code of its own.
    if factor >= size || shift >= size || gcd(factor, size) > 1 || is_nothing {
        return None;
    }
    let rest = if drops { "drop" } else { "keep" };
    let text = RuleText {
        id: RuleText::id_of(&[
            ("alphabet", &name, "small"),
            ("factor", &factor, "1"),
            ("shift", &shift, "0"),
            ("others", &rest, "keep"),
        ]),
        signature: "def encode(s: str) -> str".to_owned(),
        task: task(alphabet, factor, shift, drops),
        parameters: vec![
            ("ALPHABET", Value::str(known)),
            ("FACTOR", Value::int(factor)),
            ("SHIFT", Value::int(shift)),
            ("OTHERS", Value::str(rest)),
        ],
        lowest_difficulty: 1,
    };
    let answer = move |factor: usize, drops: bool| {
        move |args: &[Value]| {
            let mut result = String::new();
            for letter in args::text(args, 0)?.chars() {
                match known.find(letter) {
                    Some(x) => result.extend(known.chars().nth((factor * x + shift) % size)),
                    None if drops => {}
                    None => result.push(letter),
                }
            }
            Some(Value::Str(result))
        }
    };
    let inputs = Text::of(&format!("{known}{others}"));
    let mut rule = Rule::new(text, inputs, answer(factor, drops));
    if drops {
        rule = rule.mistaken_for(answer(factor, false));
    }
    if factor > 1 && shift > 0 {
        rule = rule.mistaken_for(answer(1, drops));
    }
    Some(rule)
}

fn task(
    (name, known, _, words): (&str, &str, &str, &str),
    factor: usize,
    shift: usize,
    drops: bool,
) -> String {
    let size = known.len();
    let times = match factor {
        1 => "x".to_owned(),
        a => format!("{a} * x"),
    };
    let formula = match shift {
        0 => format!("({times}) % {size}"),
        b => format!("({times} + {b}) % {size}"),
    };
    let places = if shift == 1 { "place" } else { "places" };
    let encoded = match name {
        "digits" => format!("Replace each digit x of the string s by the digit {formula}."),
        "small" if factor == 1 => format!(
            "Replace each small letter of the string s by the letter {shift} {places} later in \
             the alphabet; after z comes a again."
        ),
        _ => format!(
            "Number {words} from 0 to {}. In the string s replace each of them, with number x, by \
             the one with number {formula}.",
            size - 1
        ),
    };
    let others = if drops {
        "Leave out all other characters."
    } else {
        "All other characters stay as they are."
    };
    format!("{encoded} {others} Return the result.")
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
