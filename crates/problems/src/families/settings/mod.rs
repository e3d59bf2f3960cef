//! Texts of settings, "a=1;b=2": how they are separated, what becomes of keys that come again and
//! of items without a value.

use std::collections::BTreeSet;

use groklab_domain::Value;
use num_bigint::BigUint;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::{Class, Inputs},
};

pub(super) const FAMILY: Family = Family {
    name: "settings",
    description: "read settings such as \"a=1;b=2\" into a dictionary",
    version: 1,
    unit: Unit::Rule,
    ordered: None,
    size: (SEPARATORS.len() * SIGNS.len() * AGAIN.len() * BARE.len()) as u32,
    rule,
};

/// What stands between items, and its name.
const SEPARATORS: [(&str, &str); 5] = [
    (";", "semicolon"),
    (",", "comma"),
    ("|", "bar"),
    ("&", "and"),
    (" ", "space"),
];
/// What stands between a key and its value, and its name.
const SIGNS: [(&str, &str); 4] = [
    ("=", "equals"),
    (":", "colon"),
    ("->", "arrow"),
    ("/", "slash"),
];
/// What becomes of a key that comes more than once: an id, and the words for it.
const AGAIN: [(&str, &str); 5] = [
    ("last", "its last value counts"),
    ("first", "its first value counts"),
    ("sum", "take the sum of its values"),
    ("largest", "take the largest of its values"),
    ("list", ""),
];
/// What becomes of an item that is a key alone: an id, and the words for it. `no`: there are none.
const BARE: [(&str, &str); 3] = [
    ("no", ""),
    (
        "ignored",
        " Ignore items that are a key alone, without \"{sign}\".",
    ),
    (
        "zero",
        " An item that is a key alone, without \"{sign}\", has the value 0.",
    ),
];
const KEYS: [&str; 6] = ["a", "b", "c", "x", "y", "z"];
/// Values are 1 to this.
const LARGEST: u64 = 40;

#[derive(Clone, Copy)]
struct Form {
    separator: &'static str,
    sign: &'static str,
    bare: &'static str,
}

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let (separator, separator_name) = *index.pick(&SEPARATORS);
    let (sign, sign_name) = *index.pick(&SIGNS);
    let (again, again_words) = *index.pick(&AGAIN);
    let (bare, bare_words) = *index.pick(&BARE);
    let result = match again {
        "list" => "the value of a key is the list of its values as integers, in order".to_owned(),
        _ => format!("values are integers; if a key comes more than once, {again_words}"),
    };
    let text = RuleText {
        id: RuleText::id_of(&[
            ("separator", &separator_name, ""),
            ("sign", &sign_name, "equals"),
            ("again", &again, "last"),
            ("bare", &bare, "no"),
        ]),
        signature: format!(
            "def read(s: str) -> dict[str, {}]",
            if again == "list" { "list[int]" } else { "int" }
        ),
        task: format!(
            "The text s has items such as \"{}{sign}5\", separated by {}. Return the dictionary of \
             keys and values: {result}.{}",
            KEYS[0],
            if separator == " " {
                "single spaces".to_owned()
            } else {
                format!("\"{separator}\"")
            },
            bare_words.replace("{sign}", sign)
        ),
        parameters: vec![
            ("SEPARATOR", Value::str(separator)),
            ("SIGN", Value::str(sign)),
            ("AGAIN", Value::str(again)),
            ("BARE", Value::str(bare)),
        ],
        lowest_difficulty: 1,
    };
    let form = Form {
        separator,
        sign,
        bare,
    };
    let mut rule = Rule::new(text, form, move |args| {
        read(args::text(args, 0)?, form, again)
    });
    let other = match bare {
        "ignored" => Some("zero"),
        "zero" => Some("ignored"),
        _ => None,
    };
    if let Some(bare) = other {
        let form = Form { bare, ..form };
        rule = rule.mistaken_for(move |args| read(args::text(args, 0)?, form, again));
    }
    if again == "list" {
        return Some(rule);
    }
    let other = if again == "last" { "first" } else { "last" };
    Some(rule.mistaken_for(move |args| read(args::text(args, 0)?, form, other)))
}

fn read(s: &str, form: Form, again: &str) -> Option<Value> {
    let mut found: Vec<(&str, Vec<i64>)> = Vec::new();
    for item in s.split(form.separator) {
        let (key, value) = match item.split_once(form.sign) {
            Some((key, value)) => (key, value.parse().ok()?),
            None if form.bare == "no" => return None,
            None => (item, 0),
        };
        if !KEYS.contains(&key) {
            return None;
        }
        if form.bare == "ignored" && key == item {
            continue;
        }
        match found.iter_mut().find(|(known, _)| *known == key) {
            Some((_, values)) => values.push(value),
            None => found.push((key, vec![value])),
        }
    }
    // Dictionaries are equal in any order; in one order equal ones are the same value.
    found.sort_by_key(|(key, _)| *key);
    let pairs = found.into_iter().map(|(key, values)| {
        let value = match again {
            "last" => Value::int(*values.last()?),
            "first" => Value::int(*values.first()?),
            "sum" => Value::int(values.iter().sum::<i64>()),
            "largest" => Value::int(*values.iter().max()?),
            _ => Value::List(values.into_iter().map(Value::int).collect()),
        };
        Some((Value::str(key), value))
    });
    Some(Value::Dict(pairs.collect::<Option<_>>()?))
}

/// Texts of `d + 3` items, in which a key comes again with another value and, where there are any,
/// one item or two are keys alone.
impl Inputs for Form {
    fn size(&self, difficulty: u8, _: Class) -> BigUint {
        BigUint::from(KEYS.len() as u64 * self.values()).pow(u32::from(difficulty) + 3)
    }

    fn draw(&self, difficulty: u8, _: Class, index: &mut Index) -> Option<Vec<Value>> {
        let (mut items, mut keys, mut bare) = (Vec::new(), BTreeSet::new(), 0);
        for _ in 0..difficulty + 3 {
            let key = *index.pick(&KEYS);
            let value = index.take(self.values()) + 1;
            if value > LARGEST {
                bare += 1;
                items.push(key.to_owned());
            } else {
                keys.insert(key);
                items.push(format!("{key}{}{value}", self.sign));
            }
        }
        let again = keys.len() + bare < items.len();
        let fits = again && (self.bare == "no" || bare > 0);
        fits.then(|| vec![Value::Str(items.join(self.separator))])
    }
}

impl Form {
    /// How many values there are, the missing one included where there is one.
    fn values(self) -> u64 {
        LARGEST + u64::from(self.bare != "no")
    }
}
