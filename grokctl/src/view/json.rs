//! The machine-readable form of what the coordinator says: the protocol's field names, states as words, lines as objects.

use groklab_proto::v1::{Event, Experiment, Progress, WatchUpdate, Worker};
use serde_json::{Value, json};

/// The configuration is an object, not a text.
pub fn experiment(e: &Experiment) -> Value {
    json!({
        "experiment_id": e.experiment_id, "name": e.name, "state": e.state, "reason": e.reason,
        "iteration": e.iteration, "iterations": e.iterations,
        "created_unix_ms": e.created_unix_ms, "updated_unix_ms": e.updated_unix_ms,
        "progress": e.progress.iter().map(progress).collect::<Vec<_>>(), "config": object(&e.config_json),
    })
}

fn progress(p: &Progress) -> Value {
    json!({
        "iteration": p.iteration, "kind": p.kind, "purpose": p.purpose,
        "jobs_done": p.jobs_done, "jobs_total": p.jobs_total, "jobs_leased": p.jobs_leased,
        "units_done": p.units_done, "units_total": p.units_total,
    })
}

pub fn worker(w: &Worker) -> Value {
    json!({
        "worker_id": w.worker_id, "kind": w.kind, "host": w.host, "device": w.device, "threads": w.threads, "version": w.version,
        "seen_unix_ms": w.seen_unix_ms, "alive": w.alive, "experiment_id": w.experiment_id, "job_id": w.job_id,
        "experiment": w.experiment, "iteration": w.iteration, "purpose": w.purpose, "units_done": w.units_done, "units_total": w.units_total,
        "started_unix_ms": w.started_unix_ms,
    })
}

/// Without the configuration, which does not change.
pub fn update(u: &WatchUpdate) -> Value {
    let mut shown = u.experiment.as_ref().map_or(Value::Null, experiment);
    if let Some(fields) = shown.as_object_mut() {
        fields.remove("config");
    }
    json!({
        "experiment": shown, "events": u.events.iter().map(event).collect::<Vec<_>>(),
        "metrics": objects(&u.metrics_json), "iterations": objects(&u.iterations_json),
    })
}

fn event(e: &Event) -> Value {
    json!({"event_id": e.event_id, "unix_ms": e.unix_ms, "level": e.level, "message": e.message})
}

/// Every line as an object.
pub fn objects(lines: &[String]) -> Vec<Value> {
    lines.iter().map(|line| object(line)).collect()
}

fn object(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_is_one_value() {
        let shown = Experiment {
            name: "quick".into(),
            state: "running".into(),
            config_json: "{}".into(),
            ..Experiment::default()
        };
        let update = update(&WatchUpdate {
            experiment: Some(shown),
            metrics_json: vec![r#"{"iteration":0}"#.into()],
            ..WatchUpdate::default()
        });
        assert_eq!(
            (
                &update["experiment"]["state"],
                &update["metrics"][0]["iteration"]
            ),
            (&json!("running"), &json!(0))
        );
        assert_eq!(update["experiment"].get("config"), None);
    }
}
