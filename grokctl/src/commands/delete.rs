//! `delete`: says what goes, asks, and has it deleted.

use std::io::{IsTerminal as _, stdin};

use groklab_domain::{
    ExperimentState,
    records::{ExperimentRecord, Footprint},
};
use serde_json::json;

use super::context::Context;
use crate::{
    cli::DeleteArgs,
    failure::{Exit, Failure},
    view::{
        sentences::state_line,
        words::{bytes, count},
    },
};

pub async fn run(context: &Context, args: DeleteArgs) -> Result<Exit, Failure> {
    let named = &args.experiment.experiment;
    let what = || format!("delete `{named}`");
    let client = context.client().await?;
    let (experiment, footprint) = client.footprint(named).await?;
    // What is asked about is what is deleted, whatever gets the name meanwhile.
    let id = experiment.experiment_id.to_string();
    if !experiment.state.is_final() && !args.cancel {
        return Err(Failure::other(what())
            .because(format!("it is {}", experiment.state))
            .next(format!(
                "`grokctl cancel {id}` first, or `grokctl delete {id} --cancel`"
            )));
    }
    let is_new = experiment.state != ExperimentState::Deleting;
    if is_new && !args.yes {
        if !stdin().is_terminal() {
            return Err(Failure::usage(what())
                .because("standard input is no terminal, so nobody can be asked")
                .next(format!("`grokctl delete {id} --yes`, which does not ask")));
        }
        context.console.note(goes(&experiment, &footprint));
        context.console.note("delete it? [y/N]");
        if !is_confirmed().await? {
            return Err(Failure::other(what()).because("it was not confirmed: nothing is deleted"));
        }
    }
    let experiment = client.delete(&id, args.cancel).await?;
    if context.console.json() {
        context
            .console
            .print_json(&json!({"experiment": experiment, "footprint": footprint}))?;
        return Ok(Exit::Ok);
    }
    if is_new && args.yes {
        context.console.note(goes(&experiment, &footprint));
    }
    context.console.print(state_line(&experiment))?;
    Ok(Exit::Ok)
}

/// "quickstart (0198…): deleting it takes along 12 rollouts and 3 jobs, and a day later …".
fn goes(experiment: &ExperimentRecord, footprint: &Footprint) -> String {
    format!(
        "{} ({}): deleting it takes along {} and {}, and a day later {} of {} that no other \
         experiment refers to",
        experiment.name,
        experiment.experiment_id,
        count(footprint.rollouts, "rollout"),
        count(footprint.jobs, "job"),
        count(footprint.artifacts, "artifact"),
        bytes(footprint.artifact_bytes)
    )
}

async fn is_confirmed() -> Result<bool, Failure> {
    let read = || {
        let mut answer = String::new();
        stdin().read_line(&mut answer).map(|_| answer)
    };
    let failed = |error: std::io::Error| Failure::other("read standard input").because(error);
    // On a thread of its own, so that Ctrl-C is heard.
    let answer = tokio::task::spawn_blocking(read)
        .await
        .map_err(|error| failed(error.into()))?
        .map_err(failed)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn it_says_what_goes() {
        let footprint = Footprint {
            rollouts: 1_234_567,
            jobs: 1,
            artifacts: 6,
            artifact_bytes: 41_200_000,
        };
        assert_eq!(
            goes(&sample::experiment("quick"), &footprint),
            "quick (00000000-0000-0000-0000-000000000001): deleting it takes along 1,234,567 \
             rollouts and 1 job, and a day later 6 artifacts of 41.2 MB that no other experiment \
             refers to"
        );
    }
}
