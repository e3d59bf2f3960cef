//! Renaming and tagging. Each is safe to repeat.

use std::collections::BTreeSet;

use groklab_domain::{
    ExperimentId, ExperimentState,
    experiment::{Invalid, MAX_TAGS, check_name, check_tag},
    records::Event,
};
use sqlx::PgConnection;

use crate::{
    error::{Error, Result},
    service::Service,
    store::{
        self, event,
        experiment::{self, Experiment},
        label,
    },
    submission::written,
};

impl Service {
    /// Gives an experiment another name, which no other may have: a name finds one experiment.
    pub async fn rename_experiment(&self, experiment: &str, name: &str) -> Result<ExperimentId> {
        check_name(name).map_err(refused)?;
        let mut tx = self.store.begin().await?;
        let stored = kept(&mut tx, experiment).await?;
        if stored.name != name {
            require_free(&mut tx, name, stored.id).await?;
            let mut config = stored.config()?.clone();
            name.clone_into(&mut config.name);
            let json = written(&config)?;
            label::rename(&mut tx, stored.id, name, &json).await?;
            let renamed = Event::Renamed { from: stored.name };
            event::insert(&mut tx, stored.id, &renamed).await?;
            store::notify(&mut tx).await?;
        }
        tx.commit().await?;
        self.nudge.all();
        Ok(stored.id)
    }

    /// Adds and removes tags. One that is there, or is not, is no error.
    pub async fn tag_experiment(
        &self,
        experiment: &str,
        add: &[String],
        remove: &[String],
    ) -> Result<ExperimentId> {
        for tag in add.iter().chain(remove) {
            check_tag(tag).map_err(refused)?;
        }
        if let Some(both) = add.iter().find(|tag| remove.contains(tag)) {
            return Err(Error::Caller(format!(
                "tag `{both}`: it is added and removed at once; do one of them"
            )));
        }
        let mut tx = self.store.begin().await?;
        let stored = kept(&mut tx, experiment).await?;
        let mut tags: BTreeSet<String> = stored.tags.into_iter().collect();
        tags.retain(|tag| !remove.contains(tag));
        tags.extend(add.iter().cloned());
        if tags.len() > MAX_TAGS {
            return Err(Error::Caller(format!(
                "experiment {} would have {} tags: use at most {MAX_TAGS}",
                stored.id,
                tags.len()
            )));
        }
        let tags: Vec<String> = tags.into_iter().collect();
        label::set_tags(&mut tx, stored.id, &tags).await?;
        store::notify(&mut tx).await?;
        tx.commit().await?;
        self.nudge.all();
        Ok(stored.id)
    }
}

/// The experiment of this name or id, its row held; refused where it is being deleted.
pub async fn kept(db: &mut PgConnection, experiment: &str) -> Result<Experiment> {
    let id = experiment::resolve(db, experiment).await?;
    let stored = experiment::lock_wait(db, id).await?;
    if stored.state == ExperimentState::Deleting {
        return Err(Error::Conflict(format!("experiment {id} is being deleted")));
    }
    Ok(stored)
}

/// Refuses a name that another experiment has.
pub async fn require_free(db: &mut PgConnection, name: &str, id: ExperimentId) -> Result<()> {
    match label::holder_of_name(db, name, id).await? {
        None => Ok(()),
        Some(holder) => Err(Error::Conflict(format!(
            "experiment {holder} has the name `{name}`: choose another, or rename that one first"
        ))),
    }
}

fn refused(invalid: Invalid) -> Error {
    Error::Caller(invalid.to_string())
}
