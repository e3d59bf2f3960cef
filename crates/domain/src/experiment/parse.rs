//! From the text of an experiment file to an [`Experiment`]: every error names the key, the value, the line and the fix.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::{Experiment, Invalid};

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
    let table = DeTable::parse(text).map_err(|error| syntax(text, None, &error))?;
    let mut experiment: Experiment = toml::from_str(text).map_err(|error| syntax(text, Some(table.get_ref()), &error))?;
    let invalid = experiment.check();
    if invalid.is_empty() {
        experiment.evaluate.pass_at = Some(experiment.evaluate.pass_at());
        return Ok(experiment);
    }
    Err(Error::Invalid(invalid.into_iter().map(|bad| (line_of_key(text, table.get_ref(), bad.key), bad)).collect()))
}

fn describe(invalid: &[(Option<usize>, Invalid)]) -> String {
    let line = |(line, bad): &(Option<usize>, Invalid)| match line {
        Some(line) => format!("line {line}: {bad}"),
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
            None => format!("unknown key `{unknown}`; known here are {}", known.join(", ")),
        };
    } else if let Some((key, value)) = table.and_then(|table| key_at(table, &span, String::new())) {
        message = format!("`{key}` = {}: {message}", text.get(value).unwrap_or_default());
    }
    Error::Syntax { line: line_at(text, span.start), message }
}

/// Takes serde's ``unknown field `x`, expected one of `a`, `b` `` apart.
fn unknown_field(message: &str) -> Option<(&str, Vec<&str>)> {
    let rest = message.strip_prefix("unknown field ")?;
    let mut names = rest.split('`').skip(1).step_by(2);
    Some((names.next()?, names.collect()))
}

fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let scored = known.iter().map(|k| (strsim::damerau_levenshtein(word, k), *k));
    scored.min().filter(|(distance, k)| *distance <= 1 + k.len() / 3).map(|(_, k)| k)
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|&b| b == b'\n').count()
}

/// The dotted key whose value covers `span`, and the value's own span.
fn key_at(table: &DeTable<'_>, span: &Range<usize>, prefix: String) -> Option<(String, Range<usize>)> {
    table.iter().find_map(|(key, value)| {
        let name = format!("{prefix}{}", key.get_ref());
        if let DeValue::Table(inner) = value.get_ref()
            && let Some(found) = key_at(inner, span, format!("{name}."))
        {
            return Some(found);
        }
        let covers = value.span().start <= span.start && span.end <= value.span().end && !span.is_empty();
        (covers && !matches!(value.get_ref(), DeValue::Table(_))).then(|| (name, value.span()))
    })
}

fn line_of_key(text: &str, table: &DeTable<'_>, dotted: &str) -> Option<usize> {
    let (head, rest) = dotted.split_once('.').map_or((dotted, None), |(head, rest)| (head, Some(rest)));
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
    fn pass_at_follows_the_samples() {
        let ks = |tail: &str| parse(&format!("{SHORT}[evaluate]\n{tail}")).unwrap().evaluate.pass_at();
        assert_eq!((ks("samples = 2\n"), ks("samples = 0\n"), ks("samples = 1\n")), (vec![1, 2], vec![], vec![1]));
        assert_eq!(ks("pass_at = [4, 1, 2]\n"), [1, 2, 4]);
    }

    #[test]
    fn defaults_survive_json() {
        let experiment = parse(SHORT).unwrap();
        let json = serde_json::to_string(&experiment).unwrap();
        assert_eq!(serde_json::from_str::<Experiment>(&json).unwrap(), experiment);
    }

    #[test]
    fn errors_name_key_value_line_and_fix() {
        let table = [
            ("[train]\nrnak = 8\n", "line 5: unknown key `rnak`; did you mean `rank`?"),
            ("[train]\nrank = \"eight\"\n", "line 5: `train.rank` = \"eight\": invalid type: string \"eight\", expected u32"),
            ("[train]\nrank = 0\n", "line 5: `train.rank` = 0: use 1 to 512"),
            (
                "[train]\ngradient_checkpointing = \"yes\"\n",
                "line 5: `train.gradient_checkpointing` = \"yes\": invalid type: string \"yes\", expected a boolean",
            ),
            ("[train]\nmethod = \"grpo\"\n", "line 5: `train.method` = \"grpo\": unknown variant `grpo`, expected `rft` or `none`"),
            ("[evaluate]\nsamples = 2\npass_at = [1, 4]\n", "line 6: `evaluate.pass_at` = 4: use 1 to `evaluate.samples` = 2"),
            ("[problems]\nfamilies = []\n", "line 5: `problems.families` = []: name at least one family"),
            ("[problems]\ndifficulty = [7, 3]\n", "line 5: `problems.difficulty` = [7, 3]: use [lowest, highest] between 1 and 10"),
        ];
        for (tail, expected) in table {
            assert_eq!(parse(&format!("{SHORT}{tail}")).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn a_missing_key_is_named() {
        assert_eq!(parse("name = \"x\"\n").unwrap_err().to_string(), "line 1: missing field `model`");
    }
}
