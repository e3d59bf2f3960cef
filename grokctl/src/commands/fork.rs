//! `fork`: a new experiment that starts from an iteration's adapter of another one.

use groklab_domain::{
    experiment::{Experiment, Source, check_name, compose},
    records::ExperimentRecord,
};
use uuid::Uuid;

use super::context::Context;
use crate::{
    cli::ForkArgs,
    client::Evaluation,
    failure::{Exit, Failure},
    view::json::sorted,
};

pub async fn run(context: &Context, args: ForkArgs) -> Result<Exit, Failure> {
    let what = format!("fork `{}`", args.parent);
    let origin = Evaluation::parse(&args.parent).map_err(|error| {
        Failure::usage(what.as_str()).because(format!(
            "after `@` comes the number of an iteration: {error}"
        ))
    })?;
    let client = context.client().await?;
    let parent = client.get(&origin.experiment).await?;
    let config = config(&parent, &args).map_err(|why| Failure::usage(what).because(why))?;
    let json = serde_json::to_string(&config)
        .map_err(|error| Failure::other("write the configuration as JSON").because(error))?;
    let origin = Evaluation {
        // What was read is what is forked, whatever gets the name meanwhile.
        experiment: parent.experiment_id.to_string(),
        ..origin
    };
    // A fresh key for each command: the same fork may be made twice on purpose.
    let key = Uuid::new_v4().to_string();
    let forked = client.fork(key, &origin, json).await?;
    for warning in &forked.warnings {
        context.console.note(format!("warning: {warning}"));
    }
    let experiment = &forked.experiment;
    if context.console.json() {
        context.console.print_json(&sorted(experiment)?)?;
        return Ok(Exit::Ok);
    }
    if let Some(from) = experiment.parent {
        context.console.note(format!(
            "{} starts from iteration {} of {}",
            experiment.name, from.iteration, parent.name
        ));
    }
    context
        .console
        .print(experiment.experiment_id.to_string())?;
    Ok(Exit::Ok)
}

/// The parent's configuration with another name and what was set. The error is for a person.
fn config(parent: &ExperimentRecord, args: &ForkArgs) -> Result<Experiment, String> {
    let table: toml::Table = serde_json::from_str(&parent.config_json)
        .map_err(|error| format!("its configuration cannot be read: {error}"))?;
    let text = toml::to_string(&table).map_err(|error| error.to_string())?;
    let mut sources = vec![Source::File {
        name: "the parent's configuration",
        text: &text,
    }];
    sources.extend(args.overrides.iter().map(|given| Source::Set(given)));
    let composed = compose(&sources).map_err(|error| error.to_string())?;
    let mut experiment = composed.experiment;
    if experiment.name != parent.name {
        return Err("`name` is not set so: use --name".to_owned());
    }
    experiment.name = match &args.name {
        Some(name) => name.clone(),
        None => format!("{}-fork", parent.name),
    };
    check_name(&experiment.name).map_err(|invalid| invalid.to_string())?;
    Ok(experiment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn forked(name: Option<&str>, overrides: &[&str]) -> Result<Experiment, String> {
        let text = "name = \"quick\"\nseed = 7\n[model]\nsource = \"m.gguf\"\n";
        let config = groklab_domain::experiment::parse(text).unwrap();
        let parent = ExperimentRecord {
            config_json: serde_json::to_string(&config).unwrap(),
            ..sample::experiment("quick")
        };
        let args = ForkArgs {
            parent: "quick@1".to_owned(),
            name: name.map(str::to_owned),
            overrides: overrides.iter().map(ToString::to_string).collect(),
        };
        super::config(&parent, &args)
    }

    #[test]
    fn a_fork_is_its_parent_but_for_what_was_set() {
        let plain = forked(None, &[]).unwrap();
        assert_eq!((plain.name.as_str(), plain.seed), ("quick-fork", 7));
        let set = ["train.rank=8", "train.start=continue", "iterations=9"];
        let other = forked(Some("other"), &set).unwrap();
        assert_eq!(
            (other.name.as_str(), other.train.rank, other.iterations),
            ("other", 8, 9)
        );
        let back = Experiment {
            name: plain.name.clone(),
            iterations: 3,
            train: plain.train.clone(),
            ..other
        };
        assert_eq!(back, plain);
    }

    #[test]
    fn what_cannot_be_set_is_named() {
        for (given, says) in [
            ("train.rnk=8", "unknown key `rnk`; did you mean `rank`?"),
            ("train.rank=0", "`train.rank` = 0: use 1 to 512"),
            ("train.rank=many", "`train.rank` = \"many\": "),
            ("train=8", "`train` is a table"),
            ("train.rank", "--set train.rank: write KEY=VALUE"),
            ("name=x", "use --name"),
        ] {
            let refused = forked(None, &[given]).unwrap_err();
            assert!(refused.contains(says), "{given}: {refused}");
        }
        let long = "x".repeat(65);
        let refused = forked(Some(&long), &[]).unwrap_err();
        assert!(refused.contains("use 1 to 64 letters"), "{refused}");
    }
}
