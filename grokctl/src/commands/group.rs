//! Experiments of one file that are looked at together: `submit --sweep`, `--seeds` and `group`.

use std::path::PathBuf;

use groklab_domain::{
    Split,
    experiment::{Experiment, differing},
    metrics::{GroupReport, MetricsLine, NoGroup, Run, pool},
    records::ExperimentRecord,
};

use super::context::Context;
use crate::{
    cli::GroupArgs,
    client::Client,
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

    /// Shows what a group has found.
    pub async fn conclude(&self, client: &Client, console: &Console) -> Result<(), Failure> {
        match &self.tag {
            Some(tag) => print(client, tag, Split::Test, console).await,
            None => Ok(()),
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

/// Makes a submitted experiment a member of its group.
pub async fn join(
    client: &Client,
    experiment: ExperimentRecord,
    tag: Option<&String>,
) -> Result<ExperimentRecord, Failure> {
    let Some(tag) = tag else {
        return Ok(experiment);
    };
    if experiment.tags.contains(tag) {
        return Ok(experiment);
    }
    let id = experiment.experiment_id.to_string();
    let tagged = client.tag(&id, vec![tag.clone()], Vec::new()).await;
    tagged.map_err(|failure| {
        failure.next(format!(
            "it was submitted: `grokctl tag {id} +{tag}` makes it a member of its group"
        ))
    })
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
    let (runs, unfinished) = runs(client, &members).await?;
    for note in unfinished {
        console.note(note);
    }
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
        NoGroup::Empty => failure.next(format!(
            "wait for an evaluation: `grokctl list --tag {tag}`"
        )),
        NoGroup::Few { .. } => failure.next("ask more rules: `problems` in the file"),
        NoGroup::Problems { other, .. } | NoGroup::Twice { other, .. } => failure.next(format!(
            "`grokctl tag {other} -{tag}` takes one of them out of the group"
        )),
    }
}

/// What was measured of each member, and a note on each that has not come to its end.
async fn runs(
    client: &Client,
    members: &[ExperimentRecord],
) -> Result<(Vec<Run>, Vec<String>), Failure> {
    let (mut configs, mut lines, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for member in members {
        let id = member.experiment_id.to_string();
        let stored = client.get(&id).await?;
        let config: Experiment = serde_json::from_str(&stored.config_json).map_err(|error| {
            Failure::other(format!("read the settings of `{}`", stored.name)).because(error)
        })?;
        configs.push(config);
        let metrics = client.metrics(&id).await?.metrics;
        lines.push(read_lines("a line of metrics", &metrics)?);
        if !stored.state.is_final() || lines.last().is_some_and(Vec::is_empty) {
            let (name, state, iteration) = (&stored.name, stored.state, stored.iteration);
            notes.push(format!("{name} is {state} at iteration {iteration}"));
        }
    }
    let arms = differing(&configs);
    let mut runs = Vec::with_capacity(members.len());
    for ((config, arm), mut lines) in configs.into_iter().zip(arms).zip(lines) {
        runs.extend(one_run(config, arm, &mut lines));
    }
    Ok((runs, notes))
}

/// None where it was not evaluated yet.
fn one_run(config: Experiment, arm: String, lines: &mut Vec<MetricsLine>) -> Option<Run> {
    let last = lines.pop()?;
    let first = match lines.is_empty() {
        true => last.clone(),
        false => lines.swap_remove(0),
    };
    Some(Run {
        experiment: config.name,
        arm,
        seed: config.seed,
        first,
        last,
    })
}
