//! From the problems a file asks for to the rows they are stored as, page by page: of all it asks
//! for, a few pages are in memory, and of each case drawn before a few bytes that tell it again.

use groklab_domain::{
    Digest,
    experiment::Experiment,
    job::{ProblemSize, check_message_size},
};
use groklab_problems::Plan;
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    error::{Error, Result},
    store::problem::{Case, Problem},
};

/// Problems stored with one statement.
const PROBLEMS_PER_PAGE: usize = 1000;
/// Pages that are made before the first of them is stored.
const PAGES_AHEAD: usize = 1;

/// Some problems, with the cases of all of them.
#[derive(Debug, Default)]
pub struct Page {
    pub problems: Vec<Problem>,
    pub cases: Vec<Case>,
}

/// What the file will ask; what it asks too much of is the caller's to mend.
pub async fn plan(config: Experiment) -> Result<Plan> {
    let plan = move || Plan::new(&config.problems, config.seed).map_err(refused);
    let planned = tokio::task::spawn_blocking(plan).await;
    planned.map_err(|error| Error::internal("plan problems", error))?
}

/// An experiment's problems, made in order on a thread of their own: it is pure computation, and
/// long for a large file.
pub struct Making {
    pages: mpsc::Receiver<Page>,
    made: JoinHandle<Result<()>>,
}

impl Making {
    pub fn start(config: Experiment, plan: Plan) -> Self {
        let (sender, pages) = mpsc::channel(PAGES_AHEAD);
        let made = tokio::task::spawn_blocking(move || make(&config, &plan, &sender));
        Self { pages, made }
    }

    /// The next page. After the last one it says what was wrong, if anything: what was stored by
    /// then is to be taken back.
    pub async fn next(&mut self) -> Result<Option<Page>> {
        if let Some(page) = self.pages.recv().await {
            return Ok(Some(page));
        }
        let made = (&mut self.made).await;
        made.map_err(|error| Error::internal("make problems", error))??;
        Ok(None)
    }
}

/// Makes all pages, and checks at the end what messages they make. Stops when nobody takes them.
fn make(config: &Experiment, plan: &Plan, pages: &mpsc::Sender<Page>) -> Result<()> {
    let mut sizes = Vec::new();
    let mut page = Page::default();
    for problem in plan.problems() {
        if pages.is_closed() {
            return Ok(());
        }
        let (problem, cases) = rows(problem.map_err(refused)?)?;
        sizes.push(size(&problem, &cases));
        page.problems.push(problem);
        page.cases.extend(cases);
        if page.problems.len() == PROBLEMS_PER_PAGE {
            // An error is a closed channel, which the next problem sees.
            let _ = pages.blocking_send(std::mem::take(&mut page));
        }
    }
    check_message_size(config, &sizes).map_err(|error| Error::Caller(error.to_string()))?;
    // Nobody waits for it where the call was given up.
    let _ = pages.blocking_send(page);
    Ok(())
}

fn refused(error: groklab_problems::Error) -> Error {
    Error::Caller(crate::error::chain(&error))
}

/// What a problem takes in messages.
fn size(problem: &Problem, cases: &[Case]) -> ProblemSize {
    let mut case_values = 0;
    for case in cases {
        case_values += case.args.len() + case.expected.len();
    }
    ProblemSize {
        split: problem.split,
        prompt: problem.prompt.len(),
        entry: problem.entry.len(),
        case_values,
        cases: cases.len(),
    }
}

/// Notes the versions of the families, so that no other build makes other problems of the same
/// configuration.
pub fn record_versions(config: &mut Experiment) -> Result<()> {
    groklab_problems::record_versions(&mut config.problems).map_err(refused)
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
    let cases: Vec<Case> = cases.collect::<Result<_>>()?;
    let identity = identity(&problem, &cases);
    let problem = Problem {
        ordinal: problem.ordinal,
        split: problem.split,
        family: problem.family,
        rule: problem.rule,
        difficulty: problem.difficulty.into(),
        prompt: problem.prompt,
        entry: problem.entry,
        signature: problem.signature,
        identity: Some(identity),
    };
    Ok((problem, cases))
}

/// Of its rule, what it asks, and its cases, but not of its place: the same problem draws the same
/// numbers whatever the sizes of the splits.
fn identity(problem: &groklab_problems::Problem, cases: &[Case]) -> Digest {
    let mut text = String::new();
    for part in [&problem.family, &problem.rule, &problem.prompt] {
        // The length, so that no two problems run together into one text.
        text.push_str(&format!("{}:{part}", part.len()));
    }
    for case in cases {
        text.push_str(&case.canonical.to_string());
    }
    Digest::of(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use groklab_domain::{Split, experiment};

    use super::*;

    /// Identities in the split test, by prompt and first case.
    async fn identities(train: u32) -> BTreeMap<String, Option<Digest>> {
        let text = format!("name = \"e\"\n[model]\nsource = \"m\"\n[problems]\ntrain = {train}\n");
        let config = experiment::parse(&text).unwrap();
        let planned = plan(config.clone()).await.unwrap();
        let mut making = Making::start(config, planned);
        let mut identities = BTreeMap::new();
        while let Some(page) = making.next().await.unwrap() {
            for problem in page.problems {
                let first = page
                    .cases
                    .iter()
                    .find(|case| case.ordinal == problem.ordinal);
                if problem.split == Split::Test {
                    let key = format!("{}{:?}", problem.prompt, first.unwrap().canonical);
                    identities.insert(key, problem.identity);
                }
            }
        }
        identities
    }

    #[tokio::test]
    async fn a_test_problem_draws_the_same_whatever_the_size_of_train() {
        let (few, many) = (identities(12).await, identities(48).await);
        assert_eq!(few, many);
        assert!(few.len() > 60 && few.values().all(Option::is_some));
    }
}
