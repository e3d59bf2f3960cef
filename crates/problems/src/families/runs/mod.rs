//! Run-length codes: how a run is written, from which length on, in which order, and what stands
//! between runs.

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::Text,
};

pub(super) const FAMILY: Family = Family {
    name: "runs",
    description: "write a string as a run-length code",
    version: 1,
    unit: Unit::Rule,
    ordered: Some("LEAST"),
    size: (FORMS.len() * LEAST.len() * BETWEEN.len()) as u32 * 2,
    rule,
};

/// How a run is written: an id, an example, and the same with places for the letter and the count.
const FORMS: [(&str, &str, &str); 7] = [
    ("count-letter", "4a", "{n}{c}"),
    ("letter-count", "a4", "{c}{n}"),
    ("times", "a*4", "{c}*{n}"),
    ("count-times", "4*a", "{n}*{c}"),
    ("round", "(4a)", "({n}{c})"),
    ("square", "a[4]", "{c}[{n}]"),
    ("capital", "A4", "{C}{n}"),
];
/// Shorter runs are written as they are.
const LEAST: [usize; 4] = [1, 2, 3, 4];
/// What stands between runs: a name, the text, and the words for it.
const BETWEEN: [(&str, &str, &str); 5] = [
    ("nothing", "", ""),
    ("hyphen", "-", " with '-' between them"),
    ("comma", ",", " with ',' between them"),
    ("bar", "|", " with '|' between them"),
    ("plus", "+", " with '+' between them"),
];

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let (form, example, written) = *index.pick(&FORMS);
    let least = *index.pick(&LEAST);
    let (named, between, joined) = *index.pick(&BETWEEN);
    let backwards = index.take(2) == 1;
    let order = if backwards {
        "last run first"
    } else {
        "in order"
    };
    let short = match least {
        1 => "Write a run of length 1 in this way as well.".to_owned(),
        2 => "Write a run of length 1 as it is.".to_owned(),
        _ => format!("Write runs of fewer than {least} letters as they are."),
    };
    let text = RuleText {
        id: RuleText::id_of(&[
            ("form", &form, ""),
            ("least", &least, "1"),
            ("between", &named, "nothing"),
            ("backwards", &backwards, "false"),
        ]),
        signature: "def encode_runs(s: str) -> str".to_owned(),
        task: format!(
            "Split the string s into runs of equal neighbouring letters. Write each run as in \
             'aaaa' to '{example}'. {short} Return the runs joined{joined}, {order}."
        ),
        parameters: vec![
            ("FORM", Value::str(form)),
            ("WRITTEN", Value::str(written)),
            ("LEAST", Value::int(least)),
            ("BETWEEN", Value::str(between)),
            ("BACKWARDS", Value::Bool(backwards)),
        ],
        lowest_difficulty: 1,
    };
    let answer = move |least: usize| {
        move |args: &[Value]| {
            let mut runs: Vec<String> = Vec::new();
            for (letter, count) in runs_of(args::text(args, 0)?) {
                runs.push(if count < least {
                    letter.to_string().repeat(count)
                } else {
                    code(written, letter, count)
                });
            }
            if backwards {
                runs.reverse();
            }
            Some(Value::Str(runs.join(between)))
        }
    };
    let inputs = Text::of("abcdefghijklmnopqrstuvwxyz")
        .sized(12, 5)
        .varied(2);
    let rule = Rule::new(text, inputs, answer(least));
    Some(match least {
        1 => rule.mistaken_for(answer(2)),
        _ => rule.mistaken_for(answer(1)).mistaken_for(answer(least + 1)),
    })
}

fn runs_of(s: &str) -> Vec<(char, usize)> {
    let mut runs: Vec<(char, usize)> = Vec::new();
    for letter in s.chars() {
        match runs.last_mut() {
            Some((last, count)) if *last == letter => *count += 1,
            _ => runs.push((letter, 1)),
        }
    }
    runs
}

fn code(written: &str, letter: char, count: usize) -> String {
    written
        .replace("{n}", &count.to_string())
        .replace("{C}", &letter.to_uppercase().to_string())
        .replace("{c}", &letter.to_string())
}
