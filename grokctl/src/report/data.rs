//! What the report shows, read from an export's files line by line: `rollouts.jsonl` may be larger than memory.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use groklab_domain::{
    Purpose, Split,
    experiment::Experiment,
    metrics::{Comparison, IterationLine, MetricsLine},
};
use serde::{Deserialize, de::DeserializeOwned};

use super::samples::Samples;
use crate::{
    failure::Failure,
    results::{self, Outcomes, Rollout},
};

/// Everything in the report.
#[derive(Debug)]
pub struct Data {
    pub config: Experiment,
    pub evaluations: Vec<MetricsLine>,
    pub iterations: Vec<IterationLine>,
    /// First against last evaluated iteration, on the test split.
    pub comparison: Option<Comparison>,
    pub samples: Samples,
    /// Prompts of the test problems by ordinal.
    pub prompts: BTreeMap<u32, String>,
}

impl Data {
    /// Reads the export in `folder`. Files that an early stop left out count as empty; a line that can't be read is an error.
    pub fn read(folder: &Path) -> Result<Self, Failure> {
        let config = folder.join("config.json");
        let text = std::fs::read_to_string(&config).map_err(|error| {
            Failure::other(format!("read `{}`", config.display())).because(error)
        })?;
        let mut evaluations = Vec::new();
        each(&folder.join("metrics.jsonl"), |line: MetricsLine| {
            evaluations.push(line)
        })?;
        let mut iterations = Vec::new();
        each(&folder.join("iterations.jsonl"), |line: IterationLine| {
            iterations.push(line)
        })?;
        let ends = evaluations
            .first()
            .zip(evaluations.last())
            .map(|(a, b)| (a.iteration, b.iteration));
        let (samples, comparison) = rollouts(&folder.join("rollouts.jsonl"), ends)?;
        let mut prompts = BTreeMap::new();
        each(&folder.join("test.jsonl"), |asked: Asked| {
            if samples.shows(asked.ordinal) {
                prompts.insert(asked.ordinal, asked.prompt);
            }
        })?;
        Ok(Self {
            config: results::line("config.json", &text)?,
            evaluations,
            iterations,
            comparison,
            samples,
            prompts,
        })
    }
}

/// A problem, as far as it is shown.
#[derive(Debug, Deserialize)]
struct Asked {
    #[serde(alias = "problem")]
    ordinal: u32,
    prompt: String,
}

/// One pass over all rollouts: the ones to show, and the comparison of the iterations `ends`.
fn rollouts(
    path: &Path,
    ends: Option<(u32, u32)>,
) -> Result<(Samples, Option<Comparison>), Failure> {
    let mut samples = Samples::default();
    let (mut before, mut after) = (Outcomes::default(), Outcomes::default());
    each(path, |rollout: Rollout| {
        let Some((first, last)) = ends else { return };
        if rollout.purpose != Purpose::Eval || rollout.split != Split::Test {
            return;
        }
        if rollout.iteration == first {
            before.count(&rollout);
        }
        if rollout.iteration == last {
            after.count(&rollout);
        }
        if rollout.iteration == first || rollout.iteration == last {
            samples.consider(rollout);
        }
    })?;
    let comparison = ends
        .filter(|(first, last)| first != last)
        .and_then(|_| before.against(&after));
    Ok((samples, comparison))
}

fn each<T: DeserializeOwned>(path: &Path, mut with: impl FnMut(T)) -> Result<(), Failure> {
    let failed =
        |error: std::io::Error| Failure::other(format!("read `{}`", path.display())).because(error);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(failed)?;
        if !line.trim().is_empty() {
            with(results::line(
                &format!("`{}` line {}", path.display(), number + 1),
                &line,
            )?);
        }
    }
    Ok(())
}
