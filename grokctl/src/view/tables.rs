//! Tables for standard output: experiments, workers, and the frame they share.

use std::cmp::Reverse;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use groklab_domain::records::{ExperimentRecord, WorkerJob, WorkerRecord};
use groklab_pages::figures::NO_FIGURE;

use super::{
    code::printable,
    words::{ago, shortened, span, work_label},
};

/// A reason that is longer would make the table wider than a terminal.
const MAX_REASON_CHARS: usize = 60;

/// An empty table with this header; the columns with these numbers hold figures.
pub fn table(header: &[&str], figure_columns: &[usize]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_BORDERS_ONLY)
        // Wide rows are better than broken ones: a terminal can scroll, and so can `less -S`.
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header.to_vec());
    for &column in figure_columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Experiments, newest first.
pub fn experiments(experiments: &[ExperimentRecord], now_unix_ms: i64) -> Table {
    let mut sorted: Vec<_> = experiments.iter().collect();
    sorted.sort_by_key(|experiment| Reverse(experiment.created_unix_ms));
    let mut header = vec!["id", "name", "state", "iteration", "submitted", "reason"];
    // A column that nobody uses is not shown.
    let tagged = sorted.iter().any(|experiment| !experiment.tags.is_empty());
    if tagged {
        header.insert(2, "tags");
    }
    let mut table = table(&header, &[]);
    for experiment in sorted {
        let mut row = vec![
            experiment.experiment_id.to_string(),
            experiment.name.clone(),
            experiment.state.to_string(),
            format!("{} of {}", experiment.iteration, experiment.iterations),
            ago(experiment.created_unix_ms, now_unix_ms),
            shortened(&printable(&experiment.reason), MAX_REASON_CHARS),
        ];
        if tagged {
            row.insert(2, experiment.tags.join(" "));
        }
        table.add_row(row);
    }
    table
}

/// Workers, living ones first.
pub fn workers(workers: &[WorkerRecord], now_unix_ms: i64) -> Table {
    let mut sorted: Vec<_> = workers.iter().collect();
    // In the same order at every call, whatever the coordinator's.
    sorted.sort_by_key(|worker| (!worker.alive, worker.kind.as_str(), worker.worker_id));
    let header = [
        "id", "kind", "state", "host", "device", "threads", "version", "seen", "works on",
    ];
    let mut table = table(&header, &[5]);
    for worker in sorted {
        let works_on = match &worker.job {
            Some(job) => activity(worker, job, now_unix_ms),
            None => NO_FIGURE.to_owned(),
        };
        table.add_row([
            worker.worker_id.to_string(),
            worker.kind.to_string(),
            worker_state(worker).to_owned(),
            worker.host.clone(),
            worker.device.clone(),
            worker.threads.to_string(),
            worker.version.clone(),
            ago(worker.seen_unix_ms, now_unix_ms),
            works_on,
        ]);
    }
    table
}

fn worker_state(worker: &WorkerRecord) -> &'static str {
    match (worker.alive, &worker.job) {
        // Its job is not taken away before the lease ends, but nobody works on it.
        (false, _) => "gone",
        (true, None) => "idle",
        (true, Some(_)) => "busy",
    }
}

/// What a worker does with a job: "quickstart · evaluate 1 · generate 40/128 for 12 s".
pub fn activity(worker: &WorkerRecord, job: &WorkerJob, now_unix_ms: i64) -> String {
    let work = work_label(job.purpose, worker.kind, job.iteration);
    // A train job knows its steps only once its batches are made.
    let total = match job.units_total {
        0 => String::new(),
        total => format!("/{total}"),
    };
    let since = span((now_unix_ms - job.started_unix_ms).max(0) / 1000);
    let (experiment, done) = (&job.experiment, job.units_done);
    format!("{experiment} · {work} {done}{total} for {since}")
}

#[cfg(test)]
mod tests {
    use groklab_domain::{ExperimentId, JobKind};
    use uuid::Uuid;

    use super::*;
    use crate::sample;

    #[test]
    fn experiments_are_newest_first() {
        let experiment = |id, created| ExperimentRecord {
            experiment_id: ExperimentId(Uuid::from_u128(id)),
            created_unix_ms: created,
            ..sample::experiment("quick")
        };
        let text = experiments(&[experiment(1, 0), experiment(2, 60_000)], 180_000).trim_fmt();
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_worker_is_busy_idle_or_gone() {
        let worker = |alive, job: Option<WorkerJob>| WorkerRecord {
            alive,
            job,
            ..sample::worker(1, JobKind::Verify)
        };
        let listed = [
            worker(false, None),
            worker(true, Some(sample::worker_job())),
            worker(true, None),
        ];
        let text = workers(&listed, 52_000).trim_fmt();
        let state = |line: &str| {
            let mut states = ["gone", "idle", "busy"].into_iter();
            states.find(|state| line.contains(state))
        };
        let states: Vec<_> = text.lines().filter_map(state).collect();
        assert_eq!(states, ["busy", "idle", "gone"], "\n{text}");
        insta::assert_snapshot!(text);
    }
}
