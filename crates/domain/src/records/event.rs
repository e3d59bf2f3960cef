//! What happened to an experiment, as data: the timeline stores the kind and its fields, and the
//! sentence that people read is made from them here and nowhere else.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::metrics::{BySplit, Count};
use crate::words::words;
use crate::{ExperimentId, JobKind, Purpose, PythonVersion};

words! {
    /// How much an event matters, the least first.
    pub enum Level {
        Info = "info",
        Warn = "warn",
        Error = "error",
    }
}

/// Something that happened to an experiment. A kind, once stored, keeps its name and its fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    Submitted {
        problems: u64,
    },
    /// Made from another experiment: its problems, and the adapter that its iteration starts from.
    Forked {
        parent: ExperimentId,
        name: String,
        iteration: u32,
        problems: u64,
    },
    /// It was called otherwise before.
    Renamed {
        from: String,
    },
    Started,
    IterationBegan {
        iteration: u32,
    },
    /// The current adapter has been evaluated; the scores are those of the greedy completions.
    Evaluated {
        iteration: u32,
        greedy: BySplit<Count>,
    },
    IterationEnded {
        iteration: u32,
        rollouts: u32,
        correct: u32,
        /// Those trained on.
        examples: u64,
    },
    /// A job lost several times was cut into single rollouts.
    JobSplit {
        job: JobLabel,
        losses: u32,
    },
    /// A job was lost or given up, and will be tried again unless its attempts are used up.
    JobReturned {
        job: JobLabel,
        reason: String,
    },
    /// A verification worker came that is given none of its jobs.
    WorkerUnfit {
        host: String,
        python: PythonVersion,
        /// The version that judges this experiment.
        needed: PythonVersion,
    },
    /// Somebody asked for it.
    Paused,
    /// A job used up its attempts.
    PausedByJob {
        job: JobLabel,
        failures: u32,
        reason: String,
    },
    /// The experiment's next step fails, whoever takes it.
    PausedByStep {
        iteration: u32,
        reason: String,
    },
    Resumed,
    Cancelled,
    Failed {
        reason: String,
    },
    Completed {
        /// Why it ended before its last iteration.
        stopped_early: Option<String>,
    },
}

/// A job as people are told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobLabel {
    pub job: JobKind,
    pub iteration: u32,
    pub purpose: Purpose,
    pub chunk: u32,
}

/// A stored event of a kind, or with fields, that this version does not know.
#[derive(Debug, thiserror::Error)]
#[error("event `{kind}`")]
pub struct UnreadableEvent {
    kind: String,
    source: serde_json::Error,
}

impl Event {
    pub fn level(&self) -> Level {
        match self {
            Self::JobSplit { .. } | Self::JobReturned { .. } | Self::WorkerUnfit { .. } => {
                Level::Warn
            }
            Self::PausedByJob { .. } | Self::PausedByStep { .. } | Self::Failed { .. } => {
                Level::Error
            }
            // The rest is the life that every experiment has.
            _ => Level::Info,
        }
    }

    /// Why the experiment is as the event made it, as its `reason` says; empty where it is as it
    /// should be.
    pub fn reason(&self) -> String {
        match self {
            Self::Paused | Self::Cancelled => "on request".to_owned(),
            Self::PausedByJob {
                job,
                failures,
                reason,
            } => format!("{job} failed {failures} times; the last time: {reason}"),
            Self::PausedByStep { iteration, reason } => {
                format!("iteration {iteration} cannot go on: {reason}")
            }
            Self::Failed { reason } => reason.clone(),
            Self::Completed { stopped_early } => stopped_early.clone().unwrap_or_default(),
            _ => String::new(),
        }
    }

    /// The word for its kind, and its fields: together they are the event.
    pub fn to_parts(&self) -> (String, Json) {
        // Serde writes the kind into the same object; storage keeps it in a column of its own.
        let written = serde_json::to_value(self).expect("an event holds no numbers but integers");
        let Json::Object(mut fields) = written else {
            unreachable!("a tagged enum is written as an object")
        };
        match fields.remove("kind") {
            Some(Json::String(kind)) => (kind, Json::Object(fields)),
            _ => unreachable!("the tag is a word"),
        }
    }

    /// [`Self::to_parts`] the other way.
    ///
    /// # Errors
    /// A kind or fields that this version does not know.
    pub fn from_parts(kind: &str, fields: &Json) -> Result<Self, UnreadableEvent> {
        // A kind without fields may have been stored as anything that is no object.
        let mut tagged = fields.as_object().cloned().unwrap_or_else(Map::new);
        tagged.insert("kind".to_owned(), kind.into());
        serde_json::from_value(Json::Object(tagged)).map_err(|source| UnreadableEvent {
            kind: kind.to_owned(),
            source,
        })
    }
}

impl fmt::Display for JobLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            job,
            iteration,
            purpose,
            chunk,
        } = self;
        write!(
            f,
            "{job} job of iteration {iteration} ({purpose}, chunk {chunk})"
        )
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Submitted { problems } => write!(f, "submitted with {problems} problems"),
            Self::Forked {
                parent,
                name,
                iteration,
                problems,
            } => write!(
                f,
                "forked from iteration {iteration} of {name} ({parent}) with its {problems} \
                 problems"
            ),
            Self::Renamed { from } => write!(f, "renamed from {from}"),
            Self::Started => f.write_str("started"),
            Self::IterationBegan { iteration } => write!(f, "iteration {iteration} began"),
            Self::Evaluated { iteration, greedy } => write_scores(f, *iteration, greedy),
            Self::IterationEnded {
                iteration,
                rollouts,
                correct,
                examples,
            } => write!(
                f,
                "iteration {iteration}: {correct} of {rollouts} rollouts correct, \
                 {examples} trained on"
            ),
            Self::WorkerUnfit {
                host,
                python,
                needed,
            } => write!(
                f,
                "a verification worker on {host} has Python {python} and is given no jobs: this \
                 experiment keeps to {needed}, which gave its first verdict"
            ),
            Self::JobSplit { job, losses } => {
                write!(
                    f,
                    "{job} was lost {losses} times: split into single rollouts"
                )
            }
            Self::JobReturned { job, reason } => write!(f, "{job} came back undone: {reason}"),
            Self::Paused => f.write_str("paused"),
            Self::PausedByJob { .. } | Self::PausedByStep { .. } => {
                write!(f, "paused: {}", self.reason())
            }
            Self::Resumed => f.write_str("resumed"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Failed { reason } => write!(f, "failed: {reason}"),
            Self::Completed {
                stopped_early: Some(reason),
            } => write!(f, "completed: {reason}"),
            Self::Completed {
                stopped_early: None,
            } => f.write_str("completed"),
        }
    }
}

fn write_scores(
    f: &mut fmt::Formatter<'_>,
    iteration: u32,
    greedy: &BySplit<Count>,
) -> fmt::Result {
    write!(f, "iteration {iteration} evaluated, greedy: ")?;
    // The map is ordered by split, so the sentence is the same whenever it is made.
    for (place, (split, score)) in greedy.iter().enumerate() {
        let separator = if place == 0 { "" } else { ", " };
        let (correct, total) = (score.correct, score.total);
        write!(f, "{separator}{split} {correct}/{total}")?;
    }
    Ok(())
}

/// A line of the timeline. It carries the sentence beside kind and fields, so that who does not
/// know a kind can still show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventLine {
    /// Grows along the timeline.
    pub event_id: i64,
    pub unix_ms: i64,
    pub level: Level,
    /// The sentence.
    pub message: String,
    pub kind: String,
    pub fields: Json,
}

impl EventLine {
    pub fn new(event_id: i64, unix_ms: i64, event: &Event) -> Self {
        let (kind, fields) = event.to_parts();
        Self {
            event_id,
            unix_ms,
            level: event.level(),
            message: event.to_string(),
            kind,
            fields,
        }
    }

    /// # Errors
    /// A kind or fields that this version does not know.
    pub fn event(&self) -> Result<Event, UnreadableEvent> {
        Event::from_parts(&self.kind, &self.fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Split;

    const JOB: JobLabel = JobLabel {
        job: JobKind::Verify,
        iteration: 2,
        purpose: Purpose::Eval,
        chunk: 7,
    };

    /// Every kind, with the sentence that people have always read.
    fn every_kind() -> Vec<(Event, Level, &'static str)> {
        let greedy = BySplit::from([
            (
                Split::Train,
                Count {
                    total: 6,
                    correct: 4,
                },
            ),
            (
                Split::Test,
                Count {
                    total: 3,
                    correct: 1,
                },
            ),
        ]);
        let reason = || "the worker left".to_owned();
        vec![
            (
                Event::Submitted { problems: 28 },
                Level::Info,
                "submitted with 28 problems",
            ),
            (
                Event::Forked {
                    parent: ExperimentId(uuid::Uuid::nil()),
                    name: "old".to_owned(),
                    iteration: 3,
                    problems: 28,
                },
                Level::Info,
                "forked from iteration 3 of old (00000000-0000-0000-0000-000000000000) with its \
                 28 problems",
            ),
            (
                Event::Renamed {
                    from: "draft".to_owned(),
                },
                Level::Info,
                "renamed from draft",
            ),
            (Event::Started, Level::Info, "started"),
            (
                Event::IterationBegan { iteration: 1 },
                Level::Info,
                "iteration 1 began",
            ),
            (
                Event::Evaluated {
                    iteration: 0,
                    greedy,
                },
                Level::Info,
                "iteration 0 evaluated, greedy: train 4/6, test 1/3",
            ),
            (
                Event::IterationEnded {
                    iteration: 0,
                    rollouts: 64,
                    correct: 20,
                    examples: 12,
                },
                Level::Info,
                "iteration 0: 20 of 64 rollouts correct, 12 trained on",
            ),
            (
                Event::JobSplit {
                    job: JOB,
                    losses: 2,
                },
                Level::Warn,
                "verify job of iteration 2 (eval, chunk 7) was lost 2 times: \
                 split into single rollouts",
            ),
            (
                Event::JobReturned {
                    job: JOB,
                    reason: reason(),
                },
                Level::Warn,
                "verify job of iteration 2 (eval, chunk 7) came back undone: the worker left",
            ),
            (Event::Paused, Level::Info, "paused"),
            (
                Event::PausedByJob {
                    job: JOB,
                    failures: 3,
                    reason: reason(),
                },
                Level::Error,
                "paused: verify job of iteration 2 (eval, chunk 7) failed 3 times; \
                 the last time: the worker left",
            ),
            (
                Event::PausedByStep {
                    iteration: 4,
                    reason: reason(),
                },
                Level::Error,
                "paused: iteration 4 cannot go on: the worker left",
            ),
            (Event::Resumed, Level::Info, "resumed"),
            (Event::Cancelled, Level::Info, "cancelled"),
            (
                Event::Failed { reason: reason() },
                Level::Error,
                "failed: the worker left",
            ),
            (
                Event::Completed {
                    stopped_early: None,
                },
                Level::Info,
                "completed",
            ),
            (
                Event::Completed {
                    stopped_early: Some(reason()),
                },
                Level::Info,
                "completed: the worker left",
            ),
        ]
    }

    #[test]
    fn an_event_has_its_sentence_and_survives_storage() {
        for (event, level, sentence) in every_kind() {
            let line = EventLine::new(1, 2, &event);
            assert_eq!((line.level, line.message.as_str()), (level, sentence));
            // As Postgres keeps it: two texts.
            let stored: Json = serde_json::from_str(&line.fields.to_string()).unwrap();
            assert_eq!(Event::from_parts(&line.kind, &stored).unwrap(), event);
        }
    }

    #[test]
    fn kind_and_fields_are_apart() {
        let event = Event::IterationBegan { iteration: 3 };
        let expected = (
            "iteration_began".to_owned(),
            serde_json::json!({"iteration": 3}),
        );
        assert_eq!(event.to_parts(), expected);
        let unknown = Event::from_parts("celebrated", &Json::Null).unwrap_err();
        assert_eq!(unknown.to_string(), "event `celebrated`");
    }
}
