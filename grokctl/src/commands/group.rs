//! Experiments of one file that are looked at together: `submit --sweep`, `--seeds` and `group`.

use std::{cmp::Reverse, path::PathBuf};

use groklab_domain::{
    ExperimentState, Split,
    experiment::{Experiment, Problems, differing},
    metrics::{GroupReport, IterationLine, MetricsLine, NoGroup, Run, pool},
    records::ExperimentRecord,
};

use super::context::Context;
use crate::{
    cli::GroupArgs,
    client::{Client, MetricsLines},
    console::Console,
    experiment_file::{Checked, Inputs, Sweep},
    failure::{Exit, Failure},
    view::{
        group::{group_sentences, group_table},
        json::{read_lines, sorted},
    },
};

/// What a command line submits: one experiment, or a group with its tag.
pub struct Members {
    pub checked: Vec<Checked>,
    pub tag: Option<String>,
}

impl Members {
    /// The group's name, or the one experiment's.
    pub fn name(&self) -> &str {
        match (&self.tag, self.checked.first()) {
            (Some(tag), _) => tag,
            (None, Some(one)) => &one.experiment.name,
            (None, None) => "",
        }
    }

    /// A group is exported to a folder for each.
    pub fn require_one_folder(&self, out: Option<&PathBuf>) -> Result<(), Failure> {
        match (out, self.checked.len()) {
            (Some(out), number) if number > 1 => Err(Failure::usage("export a group")
                .because(format!(
                    "--out {} is one folder, and it has {number}",
                    out.display()
                ))
                .next("leave it out: each goes to experiments/NAME")),
            _ => Ok(()),
        }
    }

    /// Shows what a group has found. That it shows nothing is no failure of what was done.
    pub async fn conclude(&self, client: &Client, console: &Console) -> Result<(), Failure> {
        let Some(tag) = &self.tag else {
            return Ok(());
        };
        match print(client, tag, Split::Test, console).await {
            Err(failure) if failure.exit == Exit::Usage => {
                console.note(failure.to_string());
                Ok(())
            }
            shown => shown,
        }
    }
}

/// Checks every member, so that nothing is submitted where one of them cannot be.
pub fn check(context: &Context, inputs: &Inputs, sweep: &Sweep) -> Result<Members, Failure> {
    let one = context.check(inputs)?;
    let Some(members) = sweep.members(inputs, &one.experiment)? else {
        let checked = vec![one];
        return Ok(Members { checked, tag: None });
    };
    let checked = members.iter().map(|inputs| context.check(inputs));
    Ok(Members {
        checked: checked.collect::<Result<_, _>>()?,
        tag: Some(one.experiment.name),
    })
}

/// The newest experiment that is this member already: done, or on its way to it.
pub async fn find(
    client: &Client,
    checked: &Checked,
    tag: Option<&String>,
) -> Result<Option<ExperimentRecord>, Failure> {
    // One experiment alone may be asked for again on purpose.
    if tag.is_none() {
        return Ok(None);
    }
    let mut existing = client.list(None, &[]).await?;
    existing.retain(|experiment| {
        let ended = experiment.state.is_final() && experiment.state != ExperimentState::Completed;
        experiment.name == checked.experiment.name && !ended
    });
    existing.sort_by_key(|experiment| Reverse(experiment.created_unix_ms));
    for experiment in existing {
        let stored = client.get(&experiment.experiment_id.to_string()).await?;
        if is_what_the_file_says(&stored, checked) {
            return Ok(Some(stored));
        }
    }
    Ok(None)
}

/// The stored experiment has the settings that were checked, and begins where they say.
pub fn is_what_the_file_says(stored: &ExperimentRecord, checked: &Checked) -> bool {
    // What another version wrote and this one cannot read is not the same either.
    let config: Option<Experiment> = serde_json::from_str(&stored.config_json).ok();
    let mut asked = checked.experiment.clone();
    if let Some(config) = &config {
        // Its problems are stored, of whatever versions the build had that made them.
        asked.problems.versions = config.problems.versions.clone();
    }
    // A fork has the file's settings and starts elsewhere.
    config == Some(asked) && stored.parent.is_none()
}

/// Makes an experiment a member of its group.
pub async fn join(
    client: &Client,
    experiment: ExperimentRecord,
    tag: Option<&String>,
) -> Result<ExperimentRecord, Failure> {
    match tag {
        Some(tag) if !experiment.tags.contains(tag) => {
            let id = experiment.experiment_id.to_string();
            client.tag(&id, vec![tag.clone()], Vec::new()).await
        }
        _ => Ok(experiment),
    }
}

pub async fn run(context: &Context, args: &GroupArgs) -> Result<Exit, Failure> {
    let client = context.client().await?;
    print(&client, &args.tag, args.split, &context.console).await?;
    Ok(Exit::Ok)
}

/// Prints what the experiments with this tag show together.
pub async fn print(
    client: &Client,
    tag: &str,
    split: Split,
    console: &Console,
) -> Result<(), Failure> {
    let mut members = client.list(None, &[tag.to_owned()]).await?;
    if members.is_empty() {
        return Err(
            Failure::new(Exit::NotFound, format!("find the group `{tag}`"))
                .because("no experiment has this tag")
                .next(
                    "`grokctl submit FILE --seeds 1..5` makes a group; `grokctl list` shows tags",
                ),
        );
    }
    members.sort_by_key(|member| (member.created_unix_ms, member.experiment_id));
    let completed = ExperimentState::Completed;
    for member in members.extract_if(.., |member| member.state != completed) {
        let (name, state, iteration) = (member.name, member.state, member.iteration);
        console.note(format!(
            "{name} is {state} at iteration {iteration}, and left out"
        ));
    }
    let runs = runs(client, &members).await?;
    let report = pool(&runs, split).map_err(|error| refused(tag, &error))?;
    if console.json() {
        return console.print_json(&sorted(&report)?);
    }
    show(&report, tag, console)
}

fn show(report: &GroupReport, tag: &str, console: &Console) -> Result<(), Failure> {
    console.print(group_table(report).trim_fmt())?;
    for sentence in group_sentences(report, tag) {
        console.print(sentence)?;
    }
    Ok(())
}

fn refused(tag: &str, error: &NoGroup) -> Failure {
    let failure = Failure::usage(format!("look at the group `{tag}`")).because(error);
    match error {
        NoGroup::Empty => {
            failure.next(format!("`grokctl list --tag {tag}` shows how far they are"))
        }
        NoGroup::Few { .. } => failure.next("ask more rules: `problems` in the file"),
        NoGroup::Problems { .. } | NoGroup::Twice { .. } => failure.next(format!(
            "`grokctl tag ID -{tag}` takes one of them out of the group"
        )),
    }
}

/// What was measured of each member.
async fn runs(client: &Client, members: &[ExperimentRecord]) -> Result<Vec<Run>, Failure> {
    let (mut configs, mut stored) = (Vec::new(), Vec::new());
    for member in members {
        let id = member.experiment_id.to_string();
        let member = client.get(&id).await?;
        let config: Experiment = serde_json::from_str(&member.config_json).map_err(|error| {
            Failure::other(format!("read the settings of `{}`", member.name)).because(error)
        })?;
        configs.push(config);
        stored.push((member, client.metrics(&id).await?));
    }
    let arms = differing(&configs);
    let mut runs = Vec::with_capacity(members.len());
    for ((config, arm), (member, lines)) in configs.into_iter().zip(arms).zip(stored) {
        runs.extend(one_run(config, arm, &member, &lines)?);
    }
    Ok(runs)
}

/// None where nothing was evaluated.
fn one_run(
    config: Experiment,
    arm: String,
    member: &ExperimentRecord,
    lines: &MetricsLines,
) -> Result<Option<Run>, Failure> {
    let evaluations: Vec<MetricsLine> = read_lines("a line of metrics", &lines.metrics)?;
    let iterations = read_lines("a line of iterations", &lines.iterations)?;
    let Some((first, last)) = evaluations.first().zip(evaluations.last()) else {
        return Ok(None);
    };
    let problems = Problems {
        seed: Some(config.problems_seed()),
        ..config.problems
    };
    // What a fork begins with is no untrained model.
    let begins = member
        .parent
        .map(|from| format!("fork={}@{} ", from.experiment_id, from.iteration));
    Ok(Some(Run {
        experiment: format!("{} ({})", member.name, member.experiment_id),
        arm: begins.unwrap_or_default() + &arm,
        seed: config.seed,
        problems,
        first: first.clone(),
        last: last.clone(),
        examples: iterations
            .iter()
            .map(|line: &IterationLine| line.training.examples)
            .sum(),
        steps: iterations.iter().map(|line| line.training.steps).sum(),
    }))
}
