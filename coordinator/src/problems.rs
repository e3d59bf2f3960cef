//! From the problems a file asks for to the rows they are stored as.

use groklab_domain::{Digest, experiment::Experiment};

use crate::{
    error::{Error, Result},
    store::problem::{Case, Problem},
};

/// Makes an experiment's problems, each with its cases, in order. What the file asks too much of is
/// the caller's to mend.
pub fn make(config: &Experiment) -> Result<Vec<(Problem, Vec<Case>)>> {
    let made = groklab_problems::make(&config.problems, config.seed)
        .map_err(|error| Error::Caller(crate::error::chain(&error)))?;
    made.into_iter().map(rows).collect()
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::internal("write a case", error))
}

fn rows(problem: groklab_problems::Problem) -> Result<(Problem, Vec<Case>)> {
    let cases = (0..).zip(&problem.cases).map(|(position, case)| {
        Ok(Case {
            ordinal: problem.ordinal,
            position,
            // A fixed length, for it is part of a unique index.
            canonical: Digest::of(case.canonical.as_bytes()),
            args: json(&case.args)?,
            expected: json(&case.expected)?,
            visible: case.visible,
        })
    });
    let cases = cases.collect::<Result<_>>()?;
    let problem = Problem {
        ordinal: problem.ordinal,
        split: problem.split,
        family: problem.family,
        rule: problem.rule,
        difficulty: problem.difficulty.into(),
        prompt: problem.prompt,
        entry: problem.entry,
        signature: problem.signature,
    };
    Ok((problem, cases))
}
