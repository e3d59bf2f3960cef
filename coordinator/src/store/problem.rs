//! Problems and their cases. Values stay in their JSON form here; a repeated case is refused by the
//! table itself.

use std::collections::{BTreeSet, HashMap};

use groklab_domain::{
    Digest, ExperimentId, Split,
    job::Job,
    metrics::ProblemRef,
    records::{CaseLine, ProblemLine},
};
use serde_json::Value as Json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::word;
use crate::error::{Error, Result};

#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// Counts from 0 through train, val, test and ood.
    pub ordinal: u32,
    pub split: Split,
    pub family: String,
    pub rule: String,
    pub difficulty: u32,
    pub prompt: String,
    pub entry: String,
    pub signature: String,
    /// What tells it from all others wherever it stands; rows of older versions have none.
    pub identity: Option<Digest>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// The problem's ordinal, and the case's place in it.
    pub ordinal: u32,
    pub position: u32,
    /// Of the case's canonical form.
    pub canonical: Digest,
    /// A JSON array of values.
    pub args: String,
    /// The JSON form of a value.
    pub expected: String,
    pub visible: bool,
}

/// What the scheduler has to know of a problem.
#[derive(Debug, Clone)]
pub struct Heading {
    pub ordinal: u32,
    pub split: Split,
    pub family: String,
    pub rule: String,
    /// As in [`Problem`].
    pub identity: Option<Digest>,
}

impl Heading {
    pub fn as_ref(&self) -> ProblemRef<'_> {
        ProblemRef {
            ordinal: self.ordinal,
            split: self.split,
            family: &self.family,
            rule: &self.rule,
        }
    }
}

pub async fn insert(
    db: &mut PgConnection,
    experiment: ExperimentId,
    problems: &[Problem],
) -> Result<()> {
    let mut columns = ProblemColumns::default();
    for problem in problems {
        columns.push(problem);
    }
    sqlx::query!(
        "insert into problem (
             experiment_id, ordinal, split, family, rule, difficulty, prompt, entry, signature,
             identity
         )
         select $1, * from unnest(
             $2::int[], $3::text[], $4::text[], $5::text[], $6::int[], $7::text[], $8::text[],
             $9::text[], $10::text[]
         )",
        experiment.0,
        &columns.ordinal,
        &columns.split as &[&str],
        &columns.family as &[&str],
        &columns.rule as &[&str],
        &columns.difficulty,
        &columns.prompt as &[&str],
        &columns.entry as &[&str],
        &columns.signature as &[&str],
        &columns.identity as &[Option<String>]
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The table's columns, an array each: Postgres takes any number of rows with one statement.
#[derive(Default)]
struct ProblemColumns<'a> {
    ordinal: Vec<i32>,
    split: Vec<&'static str>,
    family: Vec<&'a str>,
    rule: Vec<&'a str>,
    difficulty: Vec<i32>,
    prompt: Vec<&'a str>,
    entry: Vec<&'a str>,
    signature: Vec<&'a str>,
    identity: Vec<Option<String>>,
}

impl<'a> ProblemColumns<'a> {
    fn push(&mut self, problem: &'a Problem) {
        self.ordinal.push(problem.ordinal.cast_signed());
        self.split.push(problem.split.as_str());
        self.family.push(&problem.family);
        self.rule.push(&problem.rule);
        self.difficulty.push(problem.difficulty.cast_signed());
        self.prompt.push(&problem.prompt);
        self.entry.push(&problem.entry);
        self.signature.push(&problem.signature);
        let identity = problem.identity.as_ref();
        self.identity.push(identity.map(ToString::to_string));
    }
}

/// Stores cases of problems that are stored already.
pub async fn insert_cases(
    db: &mut PgConnection,
    experiment: ExperimentId,
    cases: &[Case],
) -> Result<()> {
    let mut columns = CaseColumns::default();
    for case in cases {
        columns.push(case);
    }
    sqlx::query!(
        // Family and rule are copied from the problem: the key that forbids repeated cases needs
        // them.
        "insert into problem_case (
             experiment_id, ordinal, position, family, rule, canonical, args, expected, visible
         )
         select $1, c.ordinal, c.position, p.family, p.rule, c.canonical, c.args, c.expected,
                c.visible
         from unnest($2::int[], $3::int[], $4::text[], $5::text[], $6::text[], $7::bool[])
              as c (ordinal, position, canonical, args, expected, visible)
         join problem p on p.experiment_id = $1 and p.ordinal = c.ordinal",
        experiment.0,
        &columns.ordinal,
        &columns.position,
        &columns.canonical,
        &columns.args as &[&str],
        &columns.expected as &[&str],
        &columns.visible
    )
    .execute(db)
    .await?;
    Ok(())
}

#[derive(Default)]
struct CaseColumns<'a> {
    ordinal: Vec<i32>,
    position: Vec<i32>,
    canonical: Vec<String>,
    args: Vec<&'a str>,
    expected: Vec<&'a str>,
    visible: Vec<bool>,
}

impl<'a> CaseColumns<'a> {
    fn push(&mut self, case: &'a Case) {
        self.ordinal.push(case.ordinal.cast_signed());
        self.position.push(case.position.cast_signed());
        self.canonical.push(case.canonical.to_string());
        self.args.push(&case.args);
        self.expected.push(&case.expected);
        self.visible.push(case.visible);
    }
}

/// All problems without their text, in order.
pub async fn headings(db: &mut PgConnection, experiment: ExperimentId) -> Result<Vec<Heading>> {
    let rows = sqlx::query!(
        "select ordinal, split, family, rule, identity from problem
         where experiment_id = $1 order by ordinal",
        experiment.0
    )
    .fetch_all(db)
    .await?;
    let mut headings = Vec::with_capacity(rows.len());
    for row in rows {
        headings.push(Heading {
            ordinal: row.ordinal.cast_unsigned(),
            split: word(&row.split)?,
            family: row.family,
            rule: row.rule,
            identity: row.identity.as_deref().map(word).transpose()?,
        });
    }
    Ok(headings)
}

/// An experiment and the ordinal of one of its problems.
pub type Key = (ExperimentId, u32);

/// The keys of all problems that jobs are about.
pub fn keys(jobs: &[Job]) -> Vec<Key> {
    let mut keys = Vec::new();
    for job in jobs {
        for &ordinal in &job.spec.batch.problems {
            keys.push((job.experiment, ordinal));
        }
    }
    keys
}

/// The keys' columns, each key once.
fn columns(keys: &[Key]) -> (Vec<Uuid>, Vec<i32>) {
    // A key given twice would join twice, and a problem would come back with its cases doubled.
    let keys: BTreeSet<&Key> = keys.iter().collect();
    let (mut experiments, mut ordinals) = (Vec::new(), Vec::new());
    for (experiment, ordinal) in keys {
        experiments.push(experiment.0);
        ordinals.push(ordinal.cast_signed());
    }
    (experiments, ordinals)
}

/// Problems, of several experiments if need be.
pub async fn get_many(db: &mut PgConnection, keys: &[Key]) -> Result<HashMap<Key, Problem>> {
    let (experiments, ordinals) = columns(keys);
    let rows = sqlx::query!(
        r#"select experiment_id as "experiment_id!", ordinal as "ordinal!", split, family, rule,
                  difficulty, prompt, entry, signature, identity
           from unnest($1::uuid[], $2::int[]) as asked (experiment_id, ordinal)
           join problem using (experiment_id, ordinal)"#,
        &experiments,
        &ordinals
    )
    .fetch_all(db)
    .await?;
    let mut problems = HashMap::with_capacity(rows.len());
    for row in rows {
        let problem = Problem {
            ordinal: row.ordinal.cast_unsigned(),
            split: word(&row.split)?,
            family: row.family,
            rule: row.rule,
            difficulty: row.difficulty.cast_unsigned(),
            prompt: row.prompt,
            entry: row.entry,
            signature: row.signature,
            identity: row.identity.as_deref().map(word).transpose()?,
        };
        problems.insert((ExperimentId(row.experiment_id), problem.ordinal), problem);
    }
    Ok(problems)
}

/// The cases of problems, each problem's in order.
pub async fn cases(db: &mut PgConnection, keys: &[Key]) -> Result<HashMap<Key, Vec<Case>>> {
    let (experiments, ordinals) = columns(keys);
    let rows = sqlx::query!(
        r#"select experiment_id as "experiment_id!", ordinal as "ordinal!", position, canonical,
                  args, expected, visible
           from unnest($1::uuid[], $2::int[]) as asked (experiment_id, ordinal)
           join problem_case using (experiment_id, ordinal)
           order by experiment_id, ordinal, position"#,
        &experiments,
        &ordinals
    )
    .fetch_all(db)
    .await?;
    let mut cases: HashMap<Key, Vec<Case>> = HashMap::new();
    for row in rows {
        let case = Case {
            ordinal: row.ordinal.cast_unsigned(),
            position: row.position.cast_unsigned(),
            canonical: word(&row.canonical)?,
            args: row.args,
            expected: row.expected,
            visible: row.visible,
        };
        cases
            .entry((ExperimentId(row.experiment_id), case.ordinal))
            .or_default()
            .push(case);
    }
    Ok(cases)
}

/// The splits that have problems, in order.
pub async fn splits(db: &mut PgConnection, experiment: ExperimentId) -> Result<BTreeSet<Split>> {
    let splits = sqlx::query_scalar!(
        "select distinct split from problem where experiment_id = $1",
        experiment.0
    )
    .fetch_all(db)
    .await?;
    splits.iter().map(|split| word(split)).collect()
}

/// At most `limit` problems after `after`, of one split or of all, with their cases and in order.
pub async fn page(
    db: &mut PgConnection,
    experiment: ExperimentId,
    split: Option<Split>,
    after: Option<u32>,
    limit: u32,
) -> Result<Vec<ProblemLine>> {
    let rows = sqlx::query!(
        "select ordinal, split, family, rule, difficulty, prompt, entry, signature
         from problem
         where experiment_id = $1 and ($2::text is null or split = $2) and ordinal > $3
         order by ordinal limit $4",
        experiment.0,
        split.map(Split::as_str),
        // Ordinals begin at 0.
        after.map_or(-1, u32::cast_signed),
        i64::from(limit)
    )
    .fetch_all(&mut *db)
    .await?;
    let ordinals: Vec<i32> = rows.iter().map(|row| row.ordinal).collect();
    let mut cases = case_lines(db, experiment, &ordinals).await?;
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        lines.push(ProblemLine {
            problem: row.ordinal.cast_unsigned(),
            split: word(&row.split)?,
            family: row.family,
            rule: row.rule,
            difficulty: row.difficulty.cast_unsigned(),
            prompt: row.prompt,
            entry: row.entry,
            signature: row.signature,
            cases: cases.remove(&row.ordinal).unwrap_or_default(),
        });
    }
    Ok(lines)
}

/// The cases of these problems of one experiment, by ordinal, each problem's in order.
async fn case_lines(
    db: &mut PgConnection,
    experiment: ExperimentId,
    ordinals: &[i32],
) -> Result<HashMap<i32, Vec<CaseLine>>> {
    let rows = sqlx::query!(
        "select ordinal, args, expected, visible from problem_case
         where experiment_id = $1 and ordinal = any($2) order by ordinal, position",
        experiment.0,
        ordinals
    )
    .fetch_all(db)
    .await?;
    // One statement for the page: a statement a problem would be two hundred round trips.
    let mut cases: HashMap<i32, Vec<CaseLine>> = HashMap::new();
    for row in rows {
        cases.entry(row.ordinal).or_default().push(CaseLine {
            args: stored_json(&row.args)?,
            expected: stored_json(&row.expected)?,
            visible: row.visible,
        });
    }
    Ok(cases)
}

fn stored_json(text: &str) -> Result<Json> {
    serde_json::from_str(text).map_err(|error| Error::internal("read a stored case", error))
}
