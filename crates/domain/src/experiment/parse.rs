//! From the text of an experiment file to an [`Experiment`]: every error names the key, the value,
//! the line and the fix.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    Experiment, Invalid,
    check::DIFFICULTY,
    plain::{TEXT, plain, wanted},
};

/// The keys whose value is a table.
const TABLES: [&str; 7] = [
    "model", "problems", "generate", "verify", "train", "evaluate", "stop",
];

/// What is wrong with an experiment file, at most one entry per key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not TOML, an unknown key, or a value of the wrong type.
    #[error("line {line}: {message}")]
    Syntax { line: usize, message: String },
    /// Values out of range or contradictory, each with the line of its key where the file has it.
    #[error("{}", describe(.0))]
    Invalid(Vec<(Option<usize>, Invalid)>),
}

/// Parses and checks the text of an experiment file.
pub fn parse(text: &str) -> Result<Experiment, Error> {
    // Read twice: this table knows the place of every key, serde's structure the meaning.
    let table = DeTable::parse(text).map_err(|error| syntax(text, None, &error))?;
    if let Some(misplaced) = no_table(text, table.get_ref()) {
        return Err(misplaced);
    }
    let mut experiment: Experiment =
        toml::from_str(text).map_err(|error| syntax(text, Some(table.get_ref()), &error))?;
    let invalid = experiment.check();
    if invalid.is_empty() {
        // Filled in, so that config.json says which k were counted.
        experiment.evaluate.pass_at = Some(experiment.evaluate.pass_at());
        return Ok(experiment);
    }
    Err(Error::Invalid(
        invalid
            .into_iter()
            .map(|bad| (line_of_key(text, table.get_ref(), bad.key), bad))
            .collect(),
    ))
}

fn describe(invalid: &[(Option<usize>, Invalid)]) -> String {
    let line = |(line, bad): &(Option<usize>, Invalid)| match line {
        Some(line) => format!("line {line}: {bad}"),
        // The key is not in the file, so there is no line to name.
        None => format!("{bad} (a default)"),
    };
    invalid.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn syntax(text: &str, table: Option<&DeTable<'_>>, error: &toml::de::Error) -> Error {
    let span = error.span().unwrap_or(0..0);
    let mut message = error.message().trim().replace('\n', ", ");
    if let Some((unknown, known)) = unknown_field(&message) {
        message = match nearest(unknown, &known) {
            Some(near) => format!("unknown key `{unknown}`; did you mean `{near}`?"),
            None => format!(
                "unknown key `{unknown}`; known here are {}",
                known.join(", ")
            ),
        };
    } else if message == "duplicate key" {
        message = format!(
            "`{}` is given twice",
            text.get(span.clone()).unwrap_or_default()
        );
    } else if message == "missing field `model`" {
        message =
            "missing table [model]: write [model] on a line of its own, and `source = \"…\"` \
            below it"
                .to_owned();
    } else if let Some((key, value)) = table.and_then(|table| key_at(table, &span, String::new())) {
        let written = text.get(value.span()).unwrap_or_default();
        message = format!(
            "`{key}` = {written}: {}",
            fix(&key, value.get_ref(), written, &message)
        );
    } else {
        message = plain(&message);
    }
    Error::Syntax {
        line: line_at(text, span.start),
        message,
    }
}

/// What to write instead of a value that serde refuses with `message`.
fn fix(key: &str, value: &DeValue<'_>, written: &str, message: &str) -> String {
    let within = !message.contains("type: sequence");
    match value {
        _ if key == "problems.difficulty" => DIFFICULTY.to_owned(),
        DeValue::Array(_) if within => format!("in the list {}", plain(message)),
        DeValue::Array(_) | DeValue::Table(_) | DeValue::String(_) => plain(message),
        _ if wanted(message).as_deref() == Some(TEXT) => format!("use {TEXT}: \"{written}\""),
        _ => plain(message),
    }
}

/// The first key that wants a table and has something else. serde would take a list's values for
/// the table's keys in their order.
fn no_table(text: &str, table: &DeTable<'_>) -> Option<Error> {
    let (key, value) = table.iter().find(|(key, value)| {
        TABLES.contains(&key.get_ref().as_ref()) && !matches!(value.get_ref(), DeValue::Table(_))
    })?;
    let name = key.get_ref();
    let fix = match value.get_ref() {
        DeValue::String(source) if name == "model" => {
            format!("write [model] on a line of its own, and `source = \"{source}\"` below it")
        }
        DeValue::Array(_) => {
            format!("write [{name}] once, on a line of its own, and its keys below it")
        }
        _ => format!("write [{name}] on a line of its own, and its keys below it"),
    };
    Some(Error::Syntax {
        line: line_at(text, key.span().start),
        message: format!("`{name}` is a table: {fix}"),
    })
}

/// Takes serde's ``unknown field `x`, expected one of `a`, `b` `` apart.
fn unknown_field(message: &str) -> Option<(&str, Vec<&str>)> {
    let rest = message.strip_prefix("unknown field ")?;
    // Every second piece stands between backticks: the unknown name, then the known ones.
    let mut names = rest.split('`').skip(1).step_by(2);
    Some((names.next()?, names.collect()))
}

fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let scored = known
        .iter()
        .map(|k| (strsim::damerau_levenshtein(word, k), *k));
    scored
        .min()
        // Beyond about a third of its letters it is another word and no slip.
        .filter(|(distance, k)| *distance <= 1 + k.len() / 3)
        .map(|(_, k)| k)
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|&b| b == b'\n').count()
}

/// The dotted key whose value covers `span`, and the value.
fn key_at<'a, 'i>(
    table: &'a DeTable<'i>,
    span: &Range<usize>,
    prefix: String,
) -> Option<(String, &'a Spanned<DeValue<'i>>)> {
    table.iter().find_map(|(key, value)| {
        let name = format!("{prefix}{}", key.get_ref());
        if let DeValue::Table(inner) = value.get_ref()
            && let Some(found) = key_at(inner, span, format!("{name}."))
        {
            return Some(found);
        }
        let covers =
            value.span().start <= span.start && span.end <= value.span().end && !span.is_empty();
        // What is wrong in a table that belongs there is wrong in one of its keys, or it is a key
        // that is missing.
        (covers && !TABLES.contains(&name.as_str())).then_some((name, value))
    })
}

fn line_of_key(text: &str, table: &DeTable<'_>, dotted: &str) -> Option<usize> {
    let (head, rest) = dotted
        .split_once('.')
        .map_or((dotted, None), |(head, rest)| (head, Some(rest)));
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == head)?;
    match (rest, value.get_ref()) {
        (None, _) => Some(line_at(text, key.span().start)),
        (Some(rest), DeValue::Table(inner)) => line_of_key(text, inner, rest),
        (Some(_), _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: &str = "name = \"short\"\n[model]\nsource = \"model.gguf\"\n";

    #[test]
    fn defaults_make_a_short_file_run() {
        let experiment = parse(SHORT).unwrap();
        assert_eq!((experiment.iterations, experiment.train.rank), (3, 16));
        let kept = |text: &str| parse(text).unwrap().train.gradient_checkpointing;
        assert!(!kept(SHORT) && kept(&format!("{SHORT}[train]\ngradient_checkpointing = true\n")));
    }

    #[test]
    fn at_least_one_checkpoint_is_kept() {
        let with = |keep: u32| parse(&format!("keep_checkpoints = {keep}\n{SHORT}"));
        assert_eq!(with(1).unwrap().keep_checkpoints, Some(1));
        assert_eq!(
            with(0).unwrap_err().to_string(),
            "line 1: `keep_checkpoints` = 0: use 1 to 100000"
        );
    }

    #[test]
    fn pass_at_follows_the_samples() {
        let ks = |tail: &str| {
            parse(&format!("{SHORT}[evaluate]\n{tail}"))
                .unwrap()
                .evaluate
                .pass_at()
        };
        assert_eq!(
            (
                ks("samples = 2\n"),
                ks("samples = 0\n"),
                ks("samples = 1\n")
            ),
            (vec![1, 2], vec![], vec![1])
        );
        assert_eq!(ks("pass_at = [4, 1, 2]\n"), [1, 2, 4]);
    }

    #[test]
    fn defaults_survive_json() {
        let experiment = parse(SHORT).unwrap();
        let json = serde_json::to_string(&experiment).unwrap();
        assert_eq!(
            serde_json::from_str::<Experiment>(&json).unwrap(),
            experiment
        );
    }

    #[test]
    fn errors_name_key_value_line_and_fix() {
        let table = [
            (
                "[train]\nrnak = 8\n",
                "line 5: unknown key `rnak`; did you mean `rank`?",
            ),
            (
                "[train]\nrank = \"eight\"\n",
                "line 5: `train.rank` = \"eight\": use a whole number from 0 to 4294967295",
            ),
            (
                "[train]\nrank = 0\n",
                "line 5: `train.rank` = 0: use 1 to 512",
            ),
            (
                "[train]\ngradient_checkpointing = \"yes\"\n",
                "line 5: `train.gradient_checkpointing` = \"yes\": use true or false",
            ),
            (
                "[train]\nmethod = \"grpo\"\n",
                "line 5: `train.method` = \"grpo\": use `rft` or `none`",
            ),
            (
                "[evaluate]\nsamples = 2\npass_at = [1, 4]\n",
                "line 6: `evaluate.pass_at` = 4: use 1 to `evaluate.samples` = 2",
            ),
            (
                "[problems]\nfamilies = []\n",
                "line 5: `problems.families` = []: name at least one family",
            ),
            (
                "[problems]\ndifficulty = [7, 3]\n",
                "line 5: `problems.difficulty` = [7, 3]: use [lowest, highest] between 1 and 10",
            ),
        ];
        for (tail, expected) in table {
            assert_eq!(
                parse(&format!("{SHORT}{tail}")).unwrap_err().to_string(),
                expected
            );
        }
    }

    #[test]
    fn a_missing_key_is_named() {
        let message = |text: &str| parse(text).unwrap_err().to_string();
        let table = "line 1: missing table [model]: write [model] on a line of its own, and \
            `source = \"…\"` below it";
        assert_eq!(message("name = \"x\"\n"), table);
        assert_eq!(
            message("name = \"x\"\n[model]\n"),
            "line 2: missing key `source`"
        );
        assert_eq!(
            message("[model]\nsource = \"m.gguf\"\n"),
            "line 1: missing key `name`"
        );
    }

    #[test]
    fn a_key_that_is_given_twice_is_named() {
        let message = |tail: &str| parse(&format!("{SHORT}{tail}")).unwrap_err().to_string();
        assert_eq!(
            message("[train]\nrank = 8\nrank = 16\n"),
            "line 6: `rank` is given twice"
        );
        assert_eq!(
            message("[train]\nrank = 8\n[train]\nepochs = 1\n"),
            "line 6: `train` is given twice"
        );
    }

    #[test]
    fn a_range_of_difficulties_has_two_ends() {
        for value in [
            "[1, 2, 3]",
            "[3]",
            "[]",
            "3",
            "\"1-5\"",
            "[\"1\", \"5\"]",
            "[1.0, 5.0]",
            "[-1, 5]",
            "[1, 300]",
            "{ lowest = 1 }",
            "[0, 5]",
        ] {
            let message = parse(&format!("{SHORT}[problems]\ndifficulty = {value}\n"))
                .unwrap_err()
                .to_string();
            assert_eq!(
                message,
                format!(
                    "line 5: `problems.difficulty` = {value}: use [lowest, highest] between 1 and \
                        10"
                )
            );
        }
    }

    #[test]
    fn a_name_can_be_named_on_the_command_line() {
        let message = |name: &str| {
            parse(&SHORT.replace("\"short\"", name))
                .unwrap_err()
                .to_string()
        };
        for name in [
            "\"--help\"",
            "\"-x\"",
            "\"-\"",
            "\".x\"",
            "\"\"",
            "\"a b\"",
            "\"a@1\"",
        ] {
            let fix = "use 1 to 64 letters, digits, `-`, `_` or `.`, not starting with `-` or `.`";
            assert_eq!(message(name), format!("line 1: `name` = {name}: {fix}"));
        }
        assert!(message("\"0198c0de-0000-7000-8000-000000000000\"").contains("it reads as an id"));
        for unquoted in ["2024-01-01", "2024-01-01T00:00:00Z", "7", "1.5", "true"] {
            assert_eq!(
                message(unquoted),
                format!("line 1: `name` = {unquoted}: use a text in quotes: \"{unquoted}\"")
            );
        }
        for good in ["a-b", "2024-01-01", "deadbeef", "_x"] {
            assert_eq!(parse(&SHORT.replace("short", good)).unwrap().name, good);
        }
    }

    #[test]
    fn a_table_is_nothing_else() {
        let message = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(
            message("name = \"x\"\nmodel = \"m.gguf\"\n"),
            "line 2: `model` is a table: write [model] on a line of its own, and `source = \
                \"m.gguf\"` below it"
        );
        // A list would be taken for the table's values in their order.
        let once = "write [model] once, on a line of its own, and its keys below it";
        assert_eq!(
            message("name = \"x\"\nmodel = [\"m.gguf\"]\n"),
            format!("line 2: `model` is a table: {once}")
        );
        assert_eq!(
            message("name = \"x\"\n[[model]]\nsource = \"m.gguf\"\n"),
            format!("line 2: `model` is a table: {once}")
        );
        for table in TABLES {
            let text = SHORT.replace("[model]\nsource = \"model.gguf\"\n", "");
            for value in ["3", "[]", "true", "\"x\"", "1979-05-27"] {
                let refused = message(&format!("{text}{table} = {value}\n"));
                assert!(
                    refused.starts_with(&format!("line 2: `{table}` is a table: write [{table}] ")),
                    "{refused}"
                );
            }
        }
        assert_eq!(
            parse("name = \"x\"\nmodel = { source = \"m.gguf\" }\n")
                .unwrap()
                .model
                .source,
            "m.gguf"
        );
    }

    /// Every key with its default, as TOML. Options are added: they have none.
    fn every_key() -> toml::Table {
        let mut experiment = parse(SHORT).unwrap();
        experiment.stop.target_accuracy = Some(0.5);
        toml::Table::try_from(&experiment).unwrap()
    }

    /// Words of Rust and of serde that a message must not hold, and values of every kind.
    const FOREIGN: &str =
        "u8 u32 u64 usize f64 bool struct enum variant sequence map unit newtype field invalid";
    const VALUES: &str = "\"x\"|-1|99999999999|1.5|true|[]|[1, 2, 3]|[true]|[\"x\", 1]|{ a = 1 \
        }|2024-01-01|[[1]]|nan";

    /// Checks what is said of a file that is wrong in `key`; 1 if it is refused.
    fn refusal(text: &str, key: &str) -> u32 {
        let Err(error) = parse(text) else { return 0 };
        let message = error.to_string();
        let foreign = message
            .split(|c: char| !c.is_alphanumeric())
            .find(|word| FOREIGN.split(' ').any(|foreign| foreign == *word));
        assert!(
            foreign.is_none()
                && message.starts_with("line ")
                && message.contains(&format!("`{key}`")),
            "{key}: {message}"
        );
        1
    }

    #[test]
    fn no_message_speaks_of_rusts_types() {
        let (mut keys, mut refused) = (0, 0);
        for (name, value) in every_key() {
            let text = match name.as_str() {
                "name" => "[model]\nsource = \"m.gguf\"\n",
                "model" => "name = \"short\"\n",
                _ => SHORT,
            };
            let inner = value
                .as_table()
                .map(|table| table.keys().collect::<Vec<_>>());
            for value in VALUES.split('|') {
                refused += inner
                    .iter()
                    .flatten()
                    .map(|key| {
                        refusal(
                            &format!("{text}[{name}]\n{key} = {value}\n"),
                            &format!("{name}.{key}"),
                        )
                    })
                    .sum::<u32>();
                refused += if inner.is_none() {
                    refusal(&format!("{name} = {value}\n{text}"), &name)
                } else {
                    0
                };
            }
            keys += inner.map_or(1, |keys| keys.len() as u32);
        }
        assert!(
            keys > 35 && refused > keys * 9,
            "{refused} refused of {keys} keys"
        );
    }
}
