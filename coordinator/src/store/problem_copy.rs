//! A fork's problems: its parent's, row by row, whatever generators make today.

use groklab_domain::{ExperimentId, job::ProblemSize};
use sqlx::PgConnection;

use super::word;
use crate::error::Result;

/// Copies the problems of `parent` with their cases; returns how many.
pub async fn copy(db: &mut PgConnection, parent: ExperimentId, fork: ExperimentId) -> Result<u64> {
    let problems = sqlx::query!(
        "insert into problem (
             experiment_id, ordinal, split, family, rule, difficulty, prompt, entry, signature,
             identity
         )
         select $2, ordinal, split, family, rule, difficulty, prompt, entry, signature,
             identity
         from problem where experiment_id = $1",
        parent.0,
        fork.0
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!(
        "insert into problem_case (
             experiment_id, ordinal, position, family, rule, canonical, args, expected, visible
         )
         select $2, ordinal, position, family, rule, canonical, args, expected, visible
         from problem_case where experiment_id = $1",
        parent.0,
        fork.0
    )
    .execute(db)
    .await?;
    Ok(problems.rows_affected())
}

/// What the problems take in messages, in order.
pub async fn sizes(db: &mut PgConnection, experiment: ExperimentId) -> Result<Vec<ProblemSize>> {
    let rows = sqlx::query!(
        r#"select split, octet_length(prompt) as "prompt!", octet_length(entry) as "entry!",
                  coalesce(sum(octet_length(args) + octet_length(expected)), 0)::bigint
                      as "case_values!",
                  count(position) as "cases!"
           from problem left join problem_case using (experiment_id, ordinal)
           where experiment_id = $1
           group by experiment_id, ordinal, split, prompt, entry
           order by ordinal"#,
        experiment.0
    )
    .fetch_all(db)
    .await?;
    let size = |bytes: i64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let mut sizes = Vec::with_capacity(rows.len());
    for row in rows {
        sizes.push(ProblemSize {
            split: word(&row.split)?,
            prompt: size(row.prompt.into()),
            entry: size(row.entry.into()),
            case_values: size(row.case_values),
            cases: size(row.cases),
        });
    }
    Ok(sizes)
}
