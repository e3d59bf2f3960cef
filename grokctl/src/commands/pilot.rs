//! `pilot`: which of the rules that a file would train on the untrained model solves, could learn
//! from, or never gets right.

use std::{
    collections::BTreeMap, fs::Permissions, io::Write as _, os::unix::fs::PermissionsExt as _,
    path::Path,
};

use groklab_domain::{
    ExperimentState, Split,
    experiment::Experiment,
    pilot::{self, Findings, Learnability, Pilot, PilotRule},
    records::{ExperimentRecord, RolloutFilter},
    stats::pass_at,
};

use super::{context::Context, export_folder::exists, run_local, submit, watch};
use crate::{
    cli::PilotArgs,
    client::{Client, Control},
    console::Console,
    experiment_file::{self, Checked, is_file},
    failure::{Exit, Failure, file_step},
    view::tables::table,
};

pub async fn run(context: &Context, args: PilotArgs) -> Result<Exit, Failure> {
    require_place(&args)?;
    let checked = checked(context, &args)?;
    let console = &context.console;
    if args.local {
        let (name, again) = (checked.experiment.name.clone(), again(&args));
        let up = args.up.clone();
        return run_local::with_stack(context, up, (&name, &again), async |client| {
            finish(client, &checked, &args, console).await
        })
        .await;
    }
    let client = context.client().await?;
    finish(&client, &checked, &args, console).await
}

/// The pilot's own experiment. What an earlier pilot found is no part of it, and may not be there.
fn checked(context: &Context, args: &PilotArgs) -> Result<Checked, Failure> {
    let mut inputs = args.inputs.clone();
    inputs.settings.push("problems.learnable=[]".to_owned());
    let experiment = context.check(&inputs)?.experiment;
    let experiment = pilot::experiment(&experiment, args.rules, args.samples);
    // What the file says was checked; left are the samples of this command.
    if let Some(invalid) = experiment.check().first() {
        let what = format!("make a pilot with --samples {}", args.samples);
        return Err(Failure::usage(what).because(invalid));
    }
    experiment_file::checked(experiment).map_err(|why| args.inputs.failure(why))
}

/// The command that goes on with an interrupted pilot.
fn again(args: &PilotArgs) -> String {
    let (rules, samples) = (args.rules, args.samples);
    let force = if args.force { "--force " } else { "" };
    let out = args.out.display().to_string();
    // No argument of a process holds a zero byte, which alone cannot be quoted.
    let out = shlex::try_quote(&out).unwrap_or_default();
    let inputs = args.inputs.arguments();
    format!("pilot --local --rules {rules} --samples {samples} --out {out} {force}{inputs}")
}

/// Before anything is begun whose result could not be written.
fn require_place(args: &PilotArgs) -> Result<(), Failure> {
    let out = &args.out;
    let refused = |why: &str, next: &str| {
        let what = format!("write the pilot to `{}`", out.display());
        Err(Failure::usage(what).because(why).next(next))
    };
    if !is_file(&out.to_string_lossy()) {
        return refused(
            "`problems.learnable` takes files that end in .json",
            "name such a file with --out FILE",
        );
    }
    if !folder(out).is_dir() {
        return refused(
            "there is no such folder",
            "make it, or name another with --out FILE",
        );
    }
    if out.is_dir() {
        return refused("it is a folder", "name a file with --out FILE");
    }
    if exists(out) && !args.force {
        return refused(
            "it exists",
            "name another file with --out FILE, or replace it with --force",
        );
    }
    Ok(())
}

fn folder(out: &Path) -> &Path {
    match out.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// The newest pilot of this name and these settings that was not given up, else a new one: what it
/// finds follows from its settings, so that it is never done twice.
async fn begin(
    client: &Client,
    checked: &Checked,
    console: &Console,
) -> Result<ExperimentRecord, Failure> {
    use ExperimentState::{Cancelled, Deleting, Failed, Paused};
    let mut existing = client.list(None, &[]).await?;
    existing.retain(|known| {
        known.name == checked.experiment.name
            && !matches!(known.state, Cancelled | Deleting | Failed)
    });
    existing.sort_by_key(|known| std::cmp::Reverse(known.created_unix_ms));
    for known in existing {
        let id = known.experiment_id.to_string();
        let stored = client.get(&id).await?;
        let config: Option<Experiment> = serde_json::from_str(&stored.config_json).ok();
        if config.as_ref() != Some(&checked.experiment) || stored.parent.is_some() {
            continue;
        }
        console.note(format!(
            "{} ({id}) has these settings and is {}: it is taken; a new one is made once that is \
             deleted",
            stored.name, stored.state
        ));
        // Otherwise it would wait for somebody who asked for it just now.
        if stored.state == Paused {
            return client.control(&id, Control::Resume).await;
        }
        return Ok(stored);
    }
    let experiment = submit::submit(client, checked, console).await?;
    let (name, id) = (&experiment.name, experiment.experiment_id);
    console.note(format!(
        "submitted {name} as {id}; the same command comes back to it"
    ));
    Ok(experiment)
}

/// Brings the pilot to its end, writes what it found to the file, and prints it.
async fn finish(
    client: &Client,
    checked: &Checked,
    args: &PilotArgs,
    console: &Console,
) -> Result<Exit, Failure> {
    let experiment = begin(client, checked, console).await?;
    let id = experiment.experiment_id.to_string();
    let exit = watch::followed(client, &id, console).await?;
    if exit != Exit::Ok {
        return Ok(exit);
    }
    let mut findings = Findings::default();
    let filter = RolloutFilter::evaluation(0, Split::Train);
    let mut lines = client.rollouts(&id, &filter, 0).await?;
    while let Some(line) = lines.next().await? {
        let read = line.read();
        findings.add(&read.map_err(|error| Failure::other("read a rollout").because(error))?);
    }
    let pilot = findings.into_pilot(&checked.experiment);
    write(&pilot, args)?;
    if console.json() {
        console.print_json(&pilot)?;
        return Ok(Exit::Ok);
    }
    for line in report(&pilot, args) {
        console.print(line)?;
    }
    Ok(Exit::Ok)
}

/// The whole file appears at once, or none.
fn write(pilot: &Pilot, args: &PilotArgs) -> Result<(), Failure> {
    // It may have come meanwhile.
    require_place(args)?;
    let folder = folder(&args.out);
    // A temporary file is its owner's alone, this one is as others of theirs.
    let readable = Permissions::from_mode(0o666);
    let file = tempfile::Builder::new()
        .permissions(readable)
        .tempfile_in(folder);
    let mut file = file_step("create a file in", folder, file)?;
    let mut text = serde_json::to_string_pretty(pilot)
        .map_err(|error| Failure::other("write a pilot as JSON").because(error))?;
    text.push('\n');
    file_step("write", &args.out, file.write_all(text.as_bytes()))?;
    let persisted = file.persist(&args.out).map_err(|error| error.error);
    file_step("write", &args.out, persisted).map(drop)
}

/// The table of the families, and what to do with it.
fn report(pilot: &Pilot, args: &PilotArgs) -> Vec<String> {
    let mut families: BTreeMap<&str, Vec<&PilotRule>> = BTreeMap::new();
    for rule in &pilot.rules {
        families.entry(rule.family()).or_default().push(rule);
    }
    let pass = format!("pass@{}", args.samples);
    let header = [
        "family",
        "rules",
        "solved",
        "learnable",
        "out of reach",
        "pass@1",
        &pass,
    ];
    let mut table = table(&header, &[1, 2, 3, 4, 5, 6]);
    for (family, rules) in families {
        table.add_row(row(family, &rules, args.samples));
    }
    let all: Vec<&PilotRule> = pilot.rules.iter().collect();
    table.add_row(row("all", &all, args.samples));
    vec![table.trim_fmt(), next_step(pilot, args)]
}

fn next_step(pilot: &Pilot, args: &PilotArgs) -> String {
    let (learnable, all) = (pilot.learnable().count(), pilot.rules.len());
    if learnable > 0 {
        // As it can be written into any file, wherever that lies.
        let path = std::path::absolute(&args.out).unwrap_or_else(|_| args.out.clone());
        return format!(
            "{learnable} of {all} rules are learnable; `problems.learnable = \"{}\"` trains on \
             these alone",
            path.display()
        );
    }
    let is_solved = |rule: &&PilotRule| rule.standing == Learnability::Solved;
    if 2 * pilot.rules.iter().filter(is_solved).count() > all {
        "it solves most of what was asked and can learn nothing of the rest: try harder families"
    } else {
        "nothing that was asked is learnable for this model: try other families or simpler rules, \
         more visible cases, or a larger model"
    }
    .to_owned()
}

fn row(name: &str, rules: &[&PilotRule], samples: u32) -> Vec<String> {
    let count = |standing| {
        let of = rules.iter().filter(|rule| rule.standing == standing);
        of.count().to_string()
    };
    let mean = |k| {
        let mut sum = 0.0;
        for rule in rules {
            // There are as many samples: the pilot asked for them.
            sum += pass_at(rule.samples, rule.correct, k).unwrap_or(0.0);
        }
        format!("{:.1} %", 100.0 * sum / rules.len() as f64)
    };
    vec![
        name.to_owned(),
        rules.len().to_string(),
        count(Learnability::Solved),
        count(Learnability::Learnable),
        count(Learnability::OutOfReach),
        mean(1),
        mean(samples),
    ]
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn args(line: &[&str]) -> PilotArgs {
        match Cli::try_parse_from(line).unwrap().command {
            Command::Pilot(args) => args,
            other => panic!("{other:?}"),
        }
    }

    fn rule(name: &str, standing: Learnability, greedy: u32, correct: u32) -> PilotRule {
        PilotRule {
            rule: name.to_owned(),
            standing,
            problems: 1,
            greedy,
            samples: 32,
            correct,
        }
    }

    fn pilot() -> Pilot {
        Pilot {
            version: 1,
            measured: BTreeMap::new(),
            rules: vec![
                rule("bases/base=2", Learnability::Solved, 1, 24),
                rule("bases/base=3", Learnability::Learnable, 0, 8),
                rule("rpn/plain", Learnability::OutOfReach, 0, 0),
            ],
        }
    }

    #[test]
    fn families_are_counted_and_the_next_step_is_named() {
        let lines = report(&pilot(), &args(&["grokctl", "pilot", "e.toml"]));
        let figures = |name: &str| {
            let row = lines[0].lines().find(|line| line.contains(name)).unwrap();
            let words = row
                .split_whitespace()
                .filter(|word| *word != "│" && *word != "%");
            words.skip(1).map(str::to_owned).collect::<Vec<_>>()
        };
        // 24 and 8 of 32 samples; both rules are solved by one of 32.
        assert_eq!(figures("bases"), ["2", "1", "1", "0", "50.0", "100.0"]);
        assert_eq!(figures("rpn"), ["1", "0", "0", "1", "0.0", "0.0"]);
        assert_eq!(figures("all"), ["3", "1", "1", "1", "33.3", "66.7"]);
        let here = std::path::absolute("pilot.json").unwrap();
        assert_eq!(
            lines[1],
            format!(
                "1 of 3 rules are learnable; `problems.learnable = \"{}\"` trains on these alone",
                here.display()
            )
        );
    }

    #[test]
    fn a_file_that_is_there_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("p.json");
        let out = out.to_str().unwrap();
        let first = args(&["grokctl", "pilot", "e.toml", "--out", out]);
        write(&pilot(), &first).unwrap();
        let text = std::fs::read_to_string(out).unwrap();
        assert_eq!(Pilot::read(&text), Ok(pilot()));
        assert_eq!(write(&pilot(), &first).unwrap_err().exit, Exit::Usage);
        let forced = args(&["grokctl", "pilot", "e.toml", "--out", out, "--force"]);
        write(&pilot(), &forced).unwrap();
    }

    #[test]
    fn a_place_that_cannot_hold_it_is_refused_at_once() {
        for (out, why) in [
            ("pilot", "end in .json"),
            ("no/such/pilot.json", "no such folder"),
        ] {
            let args = args(&["grokctl", "pilot", "e.toml", "--force", "--out", out]);
            let report = require_place(&args).unwrap_err().report();
            assert!(report.contains(why), "{report}");
        }
    }

    #[test]
    fn what_is_solved_asks_for_harder_rules() {
        let mut pilot = pilot();
        let args = args(&["grokctl", "pilot", "e.toml"]);
        pilot
            .rules
            .iter_mut()
            .for_each(|rule| rule.standing = Learnability::Solved);
        assert!(next_step(&pilot, &args).contains("harder"));
        pilot
            .rules
            .iter_mut()
            .for_each(|rule| rule.standing = Learnability::OutOfReach);
        assert!(next_step(&pilot, &args).contains("simpler"));
    }

    #[test]
    fn the_command_that_goes_on_is_the_one_that_was_given() {
        let line = [
            "grokctl", "pilot", "e.toml", "--rules", "9", "--set", "seed=2",
        ];
        let again = again(&args(&line));
        assert_eq!(
            again,
            "pilot --local --rules 9 --samples 32 --out pilot.json e.toml --set 'seed=2'"
        );
    }
}
