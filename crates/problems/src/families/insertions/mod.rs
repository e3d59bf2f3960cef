//! Inserting a text into a string: after each k-th character, between groups, or beside letters.

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::Uneven,
};

pub(super) const FAMILY: Family = Family {
    name: "insertions",
    description: "insert a text into a string, after each k-th character or beside vowels",
    version: 1,
    unit: Unit::Rule,
    ordered: None,
    size: (PLACES.len() * INSERTED.len()) as u32,
    rule,
};

/// Where: an id, the size of groups (0: there are none), and the letters beside which.
const PLACES: [(&str, usize, &str); 24] = [
    ("after", 1, ""),
    ("after", 2, ""),
    ("after", 3, ""),
    ("after", 4, ""),
    ("after", 5, ""),
    ("between", 1, ""),
    ("between", 2, ""),
    ("between", 3, ""),
    ("between", 4, ""),
    ("from-end", 2, ""),
    ("from-end", 3, ""),
    ("from-end", 4, ""),
    ("after-each", 0, VOWELS),
    ("before-each", 0, VOWELS),
    ("after-each", 0, CONSONANTS),
    ("before-each", 0, CONSONANTS),
    ("after-each", 0, "a"),
    ("before-each", 0, "a"),
    ("after-each", 0, "e"),
    ("before-each", 0, "e"),
    ("after-each", 0, "t"),
    ("before-each", 0, "t"),
    ("equal", 0, ""),
    ("different", 0, ""),
];
/// What: a name for ids, and the text.
const INSERTED: [(&str, &str); 10] = [
    ("hyphen", "-"),
    ("star", "*"),
    ("x", "x"),
    ("dot", "."),
    ("underscore", "_"),
    ("plus", "+"),
    ("hyphens", "--"),
    ("ab", "ab"),
    ("ten", "10"),
    ("angles", "<>"),
];
const VOWELS: &str = "aeiou";
const CONSONANTS: &str = "bdt";
/// Few letters, so that equal ones often stand beside each other.
const LETTERS: &str = "aeioubdt";

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let (place, size, letters) = *index.pick(&PLACES);
    let (named, inserted) = *index.pick(&INSERTED);
    let text = RuleText {
        id: RuleText::id_of(&[
            ("place", &place, ""),
            ("size", &size, "0"),
            ("letters", &letters, ""),
            ("inserted", &named, ""),
        ]),
        signature: "def insert_text(s: str) -> str".to_owned(),
        task: format!(
            "Return the string s with '{inserted}' inserted {}.",
            words(place, size, letters)
        ),
        parameters: vec![
            ("PLACE", Value::str(place)),
            ("SIZE", Value::int(size)),
            ("LETTERS", Value::str(letters)),
            ("INSERTED", Value::str(inserted)),
        ],
        lowest_difficulty: 1,
    };
    let answer = move |place: &'static str| {
        move |args: &[Value]| {
            let s: Vec<char> = args::text(args, 0)?.chars().collect();
            let mut result = String::new();
            for i in 0..=s.len() {
                if is_gap(&s, i, (place, size, letters)) {
                    result += inserted;
                }
                result.extend(s.get(i));
            }
            Some(Value::Str(result))
        }
    };
    // Five lengths in a row: whatever the size of groups, one of them has no rest.
    let rule = Rule::new(text, Uneven::text(LETTERS, 8, 5), answer(place));
    Some(match place {
        "after" => rule.mistaken_for(answer("between")),
        "between" => rule.mistaken_for(answer("after")),
        "from-end" => rule.mistaken_for(answer("between")),
        _ => rule,
    })
}

/// Whether the text is inserted before the character at `i`, or at the end.
fn is_gap(s: &[char], i: usize, (place, size, letters): (&str, usize, &str)) -> bool {
    let before = i.checked_sub(1).and_then(|i| s.get(i));
    let after = s.get(i);
    let is_one = |letter: Option<&char>| letter.is_some_and(|letter| letters.contains(*letter));
    let is_inside = before.is_some() && after.is_some();
    match place {
        "after" => i > 0 && i.is_multiple_of(size),
        "between" => is_inside && i.is_multiple_of(size),
        "from-end" => is_inside && (s.len() - i).is_multiple_of(size),
        "after-each" => is_one(before),
        "before-each" => is_one(after),
        "equal" => is_inside && before == after,
        _ => is_inside && before != after,
    }
}

fn words(place: &str, size: usize, letters: &str) -> String {
    let letter = match letters {
        VOWELS => "vowel (a, e, i, o, u)".to_owned(),
        CONSONANTS => "letter that is not a vowel (vowels are a, e, i, o, u)".to_owned(),
        one => format!("letter '{one}'"),
    };
    match (place, size) {
        ("after", 1) => "after every character, also after the last".to_owned(),
        ("after", 2) => {
            "after every second character, also at the end if the length of s is even".to_owned()
        }
        ("after", k) => format!(
            "after every {k} characters, also at the end if the length of s is divisible by {k}"
        ),
        ("between", 1) => {
            "between its characters, but not at the start and not at the end".to_owned()
        }
        ("between", k) => format!(
            "between its groups of {k} characters, counted from the start (the last group may be \
             shorter), but never at the start or the end of s"
        ),
        ("from-end", k) => format!(
            "between its groups of {k} characters, counted from the end (the first group may be \
             shorter), but never at the start or the end of s"
        ),
        ("after-each", _) => format!("after each {letter}"),
        ("before-each", _) => format!("before each {letter}"),
        ("equal", _) => "between any two neighbouring characters that are equal".to_owned(),
        _ => "between any two neighbouring characters that are different".to_owned(),
    }
}
