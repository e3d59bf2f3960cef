//! `compare`: two experiments, or two iterations of one, on the problems they share.

use std::collections::HashMap;

use groklab_domain::{Purpose, Split, metrics::MetricsLine};
use groklab_proto::v1::RolloutsRequest;
use serde_json::{Value, json};

use super::Context;
use crate::{
    cli::CompareArgs,
    client::Client,
    failure::{Exit, Failure},
    results::{self, Outcomes, Rollout},
    view::comparison_sentences,
};

/// One side of the comparison.
struct Side {
    name: String,
    iteration: u32,
    outcomes: Outcomes,
    /// What tells a problem from all others, by its ordinal: two experiments may number the same problem differently.
    identity: HashMap<u32, String>,
}

pub async fn run(context: &Context, args: &CompareArgs) -> Result<Exit, Failure> {
    let client = context.client().await?;
    let before = side(&client, &args.before, args.split).await?;
    let after = side(&client, &args.after, args.split).await?;
    let places: HashMap<&String, u32> = before
        .identity
        .iter()
        .map(|(ordinal, identity)| (identity, *ordinal))
        .collect();
    let shared = after
        .outcomes
        .renumbered(|ordinal| places.get(after.identity.get(&ordinal)?).copied());
    let both = before.outcomes.only(&shared);
    let comparison = both.against(&shared).ok_or_else(|| {
        Failure::usage(format!("compare `{}` with `{}`", args.before, args.after))
            .because(format!(
                "they share {} evaluated {} problems: at least 2 are needed",
                both.len(),
                args.split
            ))
            .next("use files with the same `seed` and `[problems]`")
    })?;
    if context.console.json() {
        let name = |side: &Side| json!({"experiment": side.name, "iteration": side.iteration, "problems": side.outcomes.len()});
        context
            .console
            .print_json(&json!({"split": args.split, "before": name(&before), "after": name(&after), "comparison": comparison}))?;
        return Ok(Exit::Ok);
    }
    for side in [&before, &after] {
        let unpaired = side.outcomes.len() - comparison.problems as usize;
        if unpaired > 0 {
            context.console.note(format!(
                "{unpaired} of {} {} problems of `{}` are not asked by the other",
                side.outcomes.len(),
                args.split,
                side.name
            ));
        }
    }
    let what = format!(
        "{}, {} iteration {} → {} iteration {}",
        args.split, before.name, before.iteration, after.name, after.iteration
    );
    comparison_sentences(&comparison, &what)
        .iter()
        .try_for_each(|line| context.console.print(line))?;
    Ok(Exit::Ok)
}

/// Reads what `named` (`name` or `name@iteration`) came to on a split.
async fn side(client: &Client, named: &str, split: Split) -> Result<Side, Failure> {
    let (id, wanted) = match named.rsplit_once('@') {
        Some((id, iteration)) => {
            let number = iteration.parse::<u32>().map_err(|error| {
                Failure::usage(format!("read `@{iteration}` of `{named}` as an iteration"))
                    .because(error)
            })?;
            (id, Some(number))
        }
        None => (named, None),
    };
    let experiment = client.get(id).await?;
    let lines: Vec<MetricsLine> = results::lines(
        "a line of metrics",
        &client
            .metrics(&experiment.experiment_id)
            .await?
            .metrics_json,
    )?;
    let evaluated: Vec<u32> = lines.iter().map(|line| line.iteration).collect();
    let iteration = wanted
        .or(evaluated.last().copied())
        .filter(|iteration| evaluated.contains(iteration))
        .ok_or_else(|| {
            Failure::usage(format!("compare `{named}`"))
                .because(format!("evaluated are the iterations {evaluated:?}"))
                .next(format!("grokctl show {id}"))
        })?;
    let id = experiment.experiment_id;
    Ok(Side {
        outcomes: outcomes(client, &id, iteration, split).await?,
        identity: identities(client, &id).await?,
        name: experiment.name,
        iteration,
    })
}

/// What became of each problem of a split in one evaluation.
pub async fn outcomes(
    client: &Client,
    id: &str,
    iteration: u32,
    split: Split,
) -> Result<Outcomes, Failure> {
    let request = RolloutsRequest {
        experiment: id.to_owned(),
        iteration: Some(iteration),
        purpose: Some(Purpose::Eval.to_string()),
        split: Some(split.to_string()),
        ..RolloutsRequest::default()
    };
    let mut records = client.rollouts(request).await?;
    let mut outcomes = Outcomes::default();
    while let Some(record) = records.next().await? {
        outcomes.count(&results::line::<Rollout>("a rollout", &record.json)?);
    }
    Ok(outcomes)
}

/// A problem is what it asks and the cases that decide, wherever it stands.
async fn identities(client: &Client, id: &str) -> Result<HashMap<u32, String>, Failure> {
    let mut records = client.problems(id).await?;
    let mut identities = HashMap::new();
    while let Some(record) = records.next().await? {
        let problem: Value = results::line("a problem", &record.json)?;
        let ordinal = problem["problem"]
            .as_u64()
            .and_then(|ordinal| u32::try_from(ordinal).ok())
            .unwrap_or_default();
        let identity = json!([
            problem["family"],
            problem["rule"],
            problem["prompt"],
            problem["cases"]
        ]);
        identities.insert(ordinal, identity.to_string());
    }
    Ok(identities)
}
