//! Fuzz target: whatever stands in an experiment file, reading it ends in an experiment that may
//! run or in an error that says where. `cargo test` runs it on random edits of a good file; `make
//! fuzz` lets coverage guide it.

use groklab_domain::experiment::{self, Error, Place, Source};

const GOOD: &str = r#"name = "good"
iterations = 3
seed = 7
[model]
source = "Qwen/Qwen2.5-Coder-1.5B-Instruct"
[problems]
families = ["arithmetic", "rpn"]
difficulty = [3, 7]
holdout = "rule"
held_out = ["rpn/notation=prefix"]
ood = 4
[generate]
temperature = 0.8
[train]
method = "rft"
targets = ["q_proj"]
[evaluate]
samples = 4
pass_at = [1, 4]
[stop]
target_accuracy = 0.9
"#;

/// Pieces that a file may plausibly hold where they do not belong.
const PIECES: [&str; 16] = [
    "[train]\n",
    "= ",
    "\"",
    "\n",
    "-1",
    "1e999",
    "nan",
    "inf",
    "99999999999999999999",
    "true",
    "[[",
    "]",
    "\u{0}",
    "é",
    "'''",
    "{ a = 1 }",
];

fn check(text: &str) {
    match experiment::parse(text) {
        Ok(parsed) => {
            assert!(parsed.check().is_empty(), "what is accepted may run");
            // What is stored and sent is this JSON.
            let json = serde_json::to_string(&parsed).expect("an experiment is JSON");
            assert_eq!(
                serde_json::from_str::<experiment::Experiment>(&json)
                    .expect("what was written can be read"),
                parsed
            );
        }
        Err(Error::Syntax { place, message }) => {
            let Place::Line { line, .. } = place else {
                panic!("it is no setting: {place}");
            };
            assert!(
                (1..=1 + text.matches('\n').count()).contains(&line),
                "line {line}"
            );
            assert!(!message.is_empty());
        }
        Err(Error::Invalid(found)) => assert!(!found.is_empty()),
    }
}

#[test]
fn any_bytes_are_an_experiment_or_an_error() {
    bolero::check!().for_each(|bytes: &[u8]| check(&String::from_utf8_lossy(bytes)));
}

#[test]
fn any_edit_of_a_good_file_is_an_experiment_or_an_error() {
    check(GOOD);
    bolero::check!()
        .with_type::<Vec<(u16, u8, u8)>>()
        .for_each(|edits: &Vec<(u16, u8, u8)>| {
            let mut text: Vec<char> = GOOD.chars().collect();
            // A few edits leave most of the file sound, so that they get past the parser.
            for &(at, remove, insert) in edits.iter().take(8) {
                let at = usize::from(at) % (text.len() + 1);
                let end = text.len().min(at + usize::from(remove % 24));
                text.splice(at..end, PIECES[usize::from(insert) % PIECES.len()].chars());
            }
            check(&text.into_iter().collect::<String>());
        });
}

#[test]
fn any_setting_is_taken_or_refused_by_its_text() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let setting = String::from_utf8_lossy(bytes);
        for setting in [
            setting.clone().into_owned(),
            format!("train.rank={setting}"),
        ] {
            let sources = [
                Source::File {
                    name: "good.toml",
                    text: GOOD,
                },
                Source::Set(&setting),
            ];
            match experiment::compose(&sources) {
                Ok(composed) => assert!(composed.experiment.check().is_empty()),
                // The file is good, so that only the setting can be no TOML or of a wrong type.
                Err(Error::Syntax { place, .. }) => assert_eq!(place, Place::Set(setting)),
                Err(Error::Invalid(found)) => assert!(!found.is_empty()),
            }
        }
    });
}
