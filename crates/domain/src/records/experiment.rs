//! An experiment as `list`, `show` and `watch` need it: its state, and how far its work is.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value as Json;

use super::{event::EventLine, json_line::JsonLine};
use crate::metrics::{IterationLine, MetricsLine};
use crate::{Commit, Digest, ExperimentId, ExperimentState, JobKind, Purpose, PythonVersion};

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExperimentRecord {
    pub experiment_id: ExperimentId,
    pub name: String,
    pub state: ExperimentState,
    /// Why it is paused, failed or was stopped early; empty otherwise.
    pub reason: String,
    pub iteration: u32,
    /// How many are configured.
    pub iterations: u32,
    pub created_unix_ms: i64,
    pub updated_unix_ms: i64,
    /// Of a model on the hub, which all workers use; none before the first result.
    pub base_commit: Option<Commit>,
    /// The version of Python that judges; none before the first verdict.
    pub python: Option<PythonVersion>,
    /// In order of the alphabet.
    pub tags: Vec<String>,
    /// What it was forked from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// Work of the current iteration, in the order it happens; empty in a list.
    pub progress: Vec<Progress>,
    /// As it was submitted. In JSON it is an object, not a text.
    #[serde(rename = "config", serialize_with = "as_object")]
    pub config_json: String,
    /// When the current iteration began; 0 before the first.
    // For the estimate of the time left, which JSON leaves to its reader.
    #[serde(skip)]
    pub iteration_began_unix_ms: i64,
    /// On average over those before the current one; 0 before there is one.
    #[serde(skip)]
    pub seconds_per_iteration: f64,
}

/// What a fork was made from. It stays when the parent is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    pub experiment_id: ExperimentId,
    /// The iteration of the parent that starts from the adapter.
    pub iteration: u32,
    /// `null`: the untrained model.
    pub adapter: Option<Digest>,
}

/// What deleting an experiment takes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Footprint {
    pub rollouts: u64,
    pub jobs: u64,
    /// The artifacts that no other experiment refers to, and their bytes.
    pub artifacts: u64,
    pub artifact_bytes: u64,
}

/// How far one kind of work of one purpose is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Progress {
    pub iteration: u32,
    pub kind: JobKind,
    pub purpose: Purpose,
    pub jobs_done: u32,
    pub jobs_total: u32,
    pub jobs_leased: u32,
    /// Rollouts for generate and verify, optimiser steps for train.
    pub units_done: u64,
    pub units_total: u64,
}

/// What somebody who watches gets: the state, and everything not sent before on the same stream.
#[derive(Debug, Clone, PartialEq)]
pub struct ExperimentUpdate {
    pub experiment: ExperimentRecord,
    pub events: Vec<EventLine>,
    pub metrics: Vec<JsonLine<MetricsLine>>,
    pub iterations: Vec<JsonLine<IterationLine>>,
}

impl ExperimentRecord {
    /// Nothing more happens unless somebody acts: it has ended, or is paused.
    pub fn rests(&self) -> bool {
        self.state.is_final() || self.state == ExperimentState::Paused
    }
}

/// What cannot be read as JSON, because another version wrote it, stays a text.
fn as_object<S: Serializer>(config_json: &str, serializer: S) -> Result<S::Ok, S::Error> {
    match serde_json::from_str::<Json>(config_json) {
        Ok(config) => config.serialize(serializer),
        Err(_) => serializer.serialize_str(config_json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_an_object() {
        let mut record = ExperimentRecord {
            experiment_id: ExperimentId(uuid::Uuid::nil()),
            name: "quick".to_owned(),
            state: ExperimentState::Running,
            reason: String::new(),
            iteration: 1,
            iterations: 3,
            created_unix_ms: 0,
            updated_unix_ms: 0,
            base_commit: None,
            python: None,
            tags: Vec::new(),
            parent: None,
            progress: Vec::new(),
            config_json: r#"{"seed":7}"#.to_owned(),
            iteration_began_unix_ms: 0,
            seconds_per_iteration: 0.0,
        };
        let written = serde_json::to_value(&record).unwrap();
        assert_eq!(
            (&written["config"]["seed"], &written["state"]),
            (&7.into(), &"running".into())
        );
        assert_eq!(written.as_object().unwrap().len(), 13);
        assert!(!record.rests());
        record.state = ExperimentState::Paused;
        assert!(record.rests());
    }
}
