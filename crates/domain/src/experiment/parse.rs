//! From the texts of experiment files and settings to an [`Experiment`]: every error names the key,
//! the value, the place and the fix.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::{
    Spanned,
    de::{DeTable, DeValue, Deserializer},
};

use super::{
    Experiment, Invalid,
    explain::{Wrong, explain, no_table},
    sources::{Place, Source, Sources},
};

/// What is wrong with an experiment file, at most one entry per key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not TOML, an unknown key, or a value of the wrong type.
    #[error("{place}: {message}")]
    Syntax { place: Place, message: String },
    /// Values out of range or contradictory, each with the place of its key where one says it.
    #[error("{}", describe(.0))]
    Invalid(Vec<(Option<Place>, Invalid)>),
}

impl From<Wrong> for Error {
    fn from((place, message): Wrong) -> Self {
        Self::Syntax { place, message }
    }
}

fn describe(invalid: &[(Option<Place>, Invalid)]) -> String {
    let line = |(place, bad): &(Option<Place>, Invalid)| match place {
        Some(place) => format!("{place}: {bad}"),
        // Nothing says the key, so there is no place to name.
        None => format!("{bad} (a default)"),
    };
    invalid.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// An experiment, and who said which of its keys.
#[derive(Debug, Clone)]
pub struct Composed {
    pub experiment: Experiment,
    origins: BTreeMap<String, Origin>,
}

/// Which source says a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Its index among the sources.
    pub source: usize,
    pub place: Place,
}

impl Composed {
    /// Who said the dotted `key`; nobody where it is a default.
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.origins.get(key)
    }
}

/// Parses and checks the text of an experiment file.
///
/// # Errors
/// It is none, or has values that cannot be used.
pub fn parse(text: &str) -> Result<Experiment, Error> {
    let file = Source::File { name: "", text };
    Ok(compose(&[file])?.experiment)
}

/// Puts an experiment together and checks it: a key that a later source says goes before that of
/// an earlier one. Tables are joined, all else (a list too) is replaced.
///
/// # Errors
/// A source is wrong in itself, or what they say together cannot be used.
pub fn compose(sources: &[Source<'_>]) -> Result<Composed, Error> {
    let sources = Sources::new(sources)?;
    let texts = sources.padded();
    // Read twice: this table knows the place of every key, serde's structure the meaning.
    let mut table = Spanned::new(0..0, DeTable::new());
    for text in &texts {
        let next = DeTable::parse(text).map_err(|error| explain(&sources, None, &error))?;
        if let Some(misplaced) = no_table(&sources, next.get_ref()) {
            return Err(misplaced.into());
        }
        merge(table.get_mut(), next.into_inner());
    }
    let mut experiment = Experiment::deserialize(Deserializer::from(table.clone()))
        .map_err(|error| explain(&sources, Some(table.get_ref()), &error))?;
    let mut origins = BTreeMap::new();
    collect_origins(&sources, table.get_ref(), "", &mut origins);
    let invalid = experiment.check();
    if !invalid.is_empty() {
        let place = |key: &str| origins.get(key).map(|origin: &Origin| origin.place.clone());
        let placed = invalid.into_iter().map(|bad| (place(bad.key), bad));
        return Err(Error::Invalid(placed.collect()));
    }
    // Filled in, so that config.json says which k were counted.
    experiment.evaluate.pass_at = Some(experiment.evaluate.pass_at());
    Ok(Composed {
        experiment,
        origins,
    })
}

/// Joins tables; anything else of `later` replaces what is there.
fn merge<'i>(table: &mut DeTable<'i>, later: DeTable<'i>) {
    for (key, value) in later {
        let (span, mut value) = (value.span(), value.into_inner());
        let there = table.get_mut(key.get_ref().as_ref()).map(Spanned::get_mut);
        if let (DeValue::Table(inner), Some(DeValue::Table(there))) = (&mut value, there) {
            merge(there, std::mem::take(inner));
        } else {
            // Inserting alone would keep the older key with its place.
            table.remove(key.get_ref().as_ref());
            table.insert(key, Spanned::new(span, value));
        }
    }
}

/// Adds every key of `table`, dotted behind `prefix`, and who said it.
fn collect_origins(
    sources: &Sources<'_>,
    table: &DeTable<'_>,
    prefix: &str,
    origins: &mut BTreeMap<String, Origin>,
) {
    for (key, value) in table {
        let name = format!("{prefix}{}", key.get_ref());
        if let DeValue::Table(inner) = value.get_ref() {
            collect_origins(sources, inner, &format!("{name}."), origins);
        }
        let offset = key.span().start;
        let origin = Origin {
            source: sources.index(offset),
            place: sources.place(offset),
        };
        origins.insert(name, origin);
    }
}

#[cfg(test)]
mod compose_tests;
#[cfg(test)]
mod tests;
