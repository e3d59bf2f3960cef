//! `workers`.

use groklab_domain::records::WorkerRecord;
use serde_json::{Value, json};

use super::context::Context;
use crate::{
    failure::{Exit, Failure},
    view::{tables, words::now_unix_ms},
};

pub async fn run(context: &Context) -> Result<Exit, Failure> {
    let workers = context.client().await?.workers().await?;
    let console = &context.console;
    if console.json() {
        for worker in &workers {
            console.print_json(&worker_value(worker))?;
        }
    } else if workers.is_empty() {
        console.note("no workers; `grokctl up` starts one of each kind on this machine");
    } else {
        console.print(tables::workers(&workers, now_unix_ms()).trim_fmt())?;
    }
    Ok(Exit::Ok)
}

/// One flat object, in which what belongs to a job is empty while there is none.
fn worker_value(worker: &WorkerRecord) -> Value {
    // The shape that programs have always read.
    let mut value = json!({
        "worker_id": worker.worker_id,
        "kind": worker.kind,
        "host": worker.host,
        "device": worker.device,
        "threads": worker.threads,
        "version": worker.version,
        "seen_unix_ms": worker.seen_unix_ms,
        "alive": worker.alive,
        "experiment_id": "",
        "job_id": "",
        "experiment": "",
        "iteration": 0,
        "purpose": "",
        "units_done": 0,
        "units_total": 0,
        "started_unix_ms": 0,
    });
    if let Some(job) = &worker.job {
        value["experiment_id"] = json!(job.experiment_id);
        value["job_id"] = json!(job.job_id);
        value["experiment"] = json!(job.experiment);
        value["iteration"] = json!(job.iteration);
        value["purpose"] = json!(job.purpose);
        value["units_done"] = json!(job.units_done);
        value["units_total"] = json!(job.units_total);
        value["started_unix_ms"] = json!(job.started_unix_ms);
    }
    value
}
