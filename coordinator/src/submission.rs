//! Taking a new experiment: checked again here, its problems made, all stored at once.

use groklab_domain::{
    ExperimentId,
    experiment::{Experiment, advise, is_template, require_in_model_folder},
    grokking::{Parameters, can_show},
    job::{ProblemSize, check_message_size},
    records::Event,
    text::shortened,
};

use crate::{
    error::{Error, Result},
    problems,
    service::Service,
    store::{
        event, experiment,
        problem::{self, Case, Problem},
    },
};

/// Problems stored with one statement.
const PROBLEMS_PER_STATEMENT: usize = 1000;
const MAX_KEY_BYTES: usize = 256;

impl Service {
    /// Stores an experiment and its problems, once per key. Returns its id and what its file cannot
    /// show.
    pub async fn submit_experiment(
        &self,
        key: &str,
        config_json: &str,
    ) -> Result<(ExperimentId, Vec<String>)> {
        if key.is_empty() || key.len() > MAX_KEY_BYTES || key.contains('\0') {
            return Err(Error::Caller(format!(
                "field `idempotency_key`: 1 to {MAX_KEY_BYTES} bytes, none of them NUL"
            )));
        }
        let config = parse(config_json)?;
        if let Some(folder) = &self.model_folder {
            require_in_model_folder(&config.model.source, folder).map_err(Error::Caller)?;
        }
        let warnings = warnings(&config);
        let mut db = self.store.connection().await?;
        // Looked for early, because making the problems may take long; `store_experiment` decides.
        if let Some(id) = experiment::id_by_key(&mut db, key).await? {
            return Ok((id, warnings));
        }
        // No connection is held while problems are made.
        drop(db);
        let made = make(config.clone()).await?;
        // As it was understood and not as it was sent: with the defaults of today, which a later
        // version may change.
        let json = serde_json::to_string(&config)
            .map_err(|error| Error::internal("write the configuration", error))?;
        let id = self.store_experiment(key, &config, &json, &made).await?;
        self.nudge.all();
        Ok((id, warnings))
    }

    async fn store_experiment(
        &self,
        key: &str,
        config: &Experiment,
        json: &str,
        made: &[(Problem, Vec<Case>)],
    ) -> Result<ExperimentId> {
        let id = ExperimentId::new();
        let mut tx = self.store.begin().await?;
        // First, so that of two submissions with one key the second waits here and does nothing
        // twice.
        if !experiment::insert(&mut tx, id, key, config, json).await? {
            // The same submission came twice at the same time, and the other one has won.
            tx.rollback().await?;
            let mut db = self.store.connection().await?;
            return experiment::id_by_key(&mut db, key).await?.ok_or_else(|| {
                Error::broken("an idempotency key was refused as repeated and is not stored")
            });
        }
        for page in made.chunks(PROBLEMS_PER_STATEMENT) {
            let (problems, cases): (Vec<Problem>, Vec<Vec<Case>>) = page.iter().cloned().unzip();
            problem::insert(&mut tx, id, &problems).await?;
            problem::insert_cases(&mut tx, id, &cases.concat()).await?;
        }
        let problems = made.len() as u64;
        event::insert(&mut tx, id, &Event::Submitted { problems }).await?;
        tx.commit().await?;
        tracing::info!(experiment.id = %id, name = config.name, problems = made.len(), "experiment \
            submitted");
        Ok(id)
    }
}

fn parse(json: &str) -> Result<Experiment> {
    let config: Experiment = serde_json::from_str(json)
        .map_err(|error| Error::Caller(format!("field `config_json`: {error}")))?;
    // Checked again: not every client is grokctl.
    let invalid: Vec<String> = config.check().iter().map(ToString::to_string).collect();
    if let Some(path) = config
        .model
        .chat
        .template
        .as_deref()
        // A path that slipped through would be rendered itself, as a template that writes nothing
        // of a message.
        .filter(|template| !is_template(template))
    {
        return Err(Error::Caller(format!(
            "`model.chat.template` = \"{}\": give the template's text; grokctl reads the file",
            shortened(path, 80)
        )));
    }
    if invalid.is_empty() {
        Ok(config)
    } else {
        Err(Error::Caller(invalid.join("\n")))
    }
}

/// Makes the problems, and checks what messages they make, on a thread of its own: it is pure
/// computation, and long for a large file.
async fn make(config: Experiment) -> Result<Vec<(Problem, Vec<Case>)>> {
    let make = move || {
        let made = problems::make(&config)?;
        let sizes: Vec<ProblemSize> = made.iter().map(size).collect();
        check_message_size(&config, &sizes).map_err(|error| Error::Caller(error.to_string()))?;
        Ok(made)
    };
    let made = tokio::task::spawn_blocking(make).await;
    made.map_err(|error| Error::internal("make problems", error))?
}

fn warnings(config: &Experiment) -> Vec<String> {
    advise(
        config,
        can_show(
            &Parameters::default(),
            config.problems.val,
            config.evaluations() as usize,
        ),
    )
}

/// What a problem takes in messages.
fn size((problem, cases): &(Problem, Vec<Case>)) -> ProblemSize {
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
