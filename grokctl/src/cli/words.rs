//! The words that a flag takes, in its help.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use groklab_domain::{ExperimentState, Verdict, records::Level};

pub(super) fn state_help() -> String {
    format!("Only those in this state: {}", one_of(ExperimentState::ALL))
}

pub(super) fn level_help() -> String {
    format!("Only this level and above: {}", one_of(Level::ALL))
}

/// Takes a level and lists all of them where it is given something else.
pub(super) fn level_parser() -> impl TypedValueParser<Value = Level> {
    let words = Level::ALL.iter().copied().map(Level::as_str);
    PossibleValuesParser::new(words).try_map(parse_level)
}

fn parse_level(word: String) -> Result<Level, groklab_domain::Unknown> {
    word.parse()
}

/// The verdicts that a stored rollout may have.
pub(super) fn shown_verdicts() -> Vec<Verdict> {
    let mut verdicts = Verdict::ALL.to_vec();
    // A failure of the machinery is run again and never becomes a rollout's verdict.
    verdicts.retain(|verdict| *verdict != Verdict::InfrastructureError);
    verdicts
}

/// "train, val, test or ood".
pub(super) fn one_of(words: &[impl ToString]) -> String {
    let words: Vec<String> = words.iter().map(ToString::to_string).collect();
    // People read "a, b or c" where a list would end without a word.
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}
