//! Tables for standard output: experiments, workers, and the frame they share.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use groklab_proto::v1::{Experiment, Worker};

use super::words::ago;

/// An empty table with this header; the columns whose number is in `right` hold figures.
pub fn table(header: &[&str], right: &[usize]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header.to_vec());
    for &column in right {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Experiments, newest first.
pub fn experiments(experiments: &[Experiment], now_unix_ms: i64) -> Table {
    let mut sorted: Vec<_> = experiments.iter().collect();
    sorted.sort_by_key(|e| std::cmp::Reverse(e.created_unix_ms));
    let mut table = table(
        &["id", "name", "state", "iteration", "submitted", "reason"],
        &[],
    );
    for e in sorted {
        let iteration = format!("{} of {}", e.iteration, e.iterations);
        let submitted = ago(e.created_unix_ms, now_unix_ms);
        table.add_row([
            e.experiment_id.clone(),
            e.name.clone(),
            e.state.clone(),
            iteration,
            submitted,
            shortened(&e.reason, 60),
        ]);
    }
    table
}

/// Workers, living ones first.
pub fn workers(workers: &[Worker], now_unix_ms: i64) -> Table {
    let mut sorted: Vec<_> = workers.iter().collect();
    sorted.sort_by_key(|w| (!w.alive, w.kind.clone(), w.worker_id.clone()));
    let mut table = table(
        &[
            "id", "kind", "state", "host", "device", "threads", "version", "seen", "works on",
        ],
        &[5],
    );
    for w in sorted {
        let state = match (w.alive, w.job_id.is_empty()) {
            (false, _) => "gone",
            (true, true) => "idle",
            (true, false) => "busy",
        };
        table.add_row([
            w.worker_id.clone(),
            w.kind.clone(),
            state.to_owned(),
            w.host.clone(),
            w.device.clone(),
            w.threads.to_string(),
            w.version.clone(),
            ago(w.seen_unix_ms, now_unix_ms),
            activity(w, now_unix_ms).unwrap_or_else(|| "–".to_owned()),
        ]);
    }
    table
}

/// What a worker does: "quickstart · evaluate 1 · generate 40/128 for 12 s"; nothing while it is idle.
pub fn activity(w: &Worker, now_unix_ms: i64) -> Option<String> {
    if w.job_id.is_empty() {
        return None;
    }
    let work = super::words::work_of(&w.purpose, &w.kind, w.iteration);
    let total = if w.units_total > 0 {
        format!("/{}", w.units_total)
    } else {
        String::new()
    };
    let since = super::words::span((now_unix_ms - w.started_unix_ms).max(0) / 1000);
    Some(format!(
        "{} · {work} {}{total} for {since}",
        w.experiment, w.units_done
    ))
}

/// At most `most` characters, the last one `…` where some are missing.
pub fn shortened(text: &str, most: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= most {
        line.to_owned()
    } else {
        line.chars().take(most - 1).chain(['…']).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn experiments_are_newest_first() {
        let experiment = |id: &str, created| Experiment {
            experiment_id: id.into(),
            name: "quick".into(),
            state: "running".into(),
            iteration: 1,
            iterations: 3,
            created_unix_ms: created,
            ..Experiment::default()
        };
        let text = experiments(&[experiment("a", 0), experiment("b", 60_000)], 180_000).trim_fmt();
        let expected = "\
┌───────────────────────────────────────────────────────┐
│ id   name    state     iteration   submitted   reason │
╞═══════════════════════════════════════════════════════╡
│ b    quick   running   1 of 3      2 min ago          │
│ a    quick   running   1 of 3      3 min ago          │
└───────────────────────────────────────────────────────┘";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_worker_is_busy_idle_or_gone() {
        let worker = |alive, job: &str| Worker {
            alive,
            job_id: job.into(),
            kind: "verify".into(),
            ..Worker::default()
        };
        let text = workers(
            &[worker(false, ""), worker(true, "j1"), worker(true, "")],
            0,
        )
        .trim_fmt();
        let states: Vec<_> = text
            .lines()
            .filter_map(|line| {
                ["gone", "idle", "busy"]
                    .into_iter()
                    .find(|state| line.contains(state))
            })
            .collect();
        assert_eq!(states, ["busy", "idle", "gone"], "\n{text}");
    }

    #[test]
    fn long_texts_are_shortened_by_characters() {
        assert_eq!(
            (shortened("ääää", 4), shortened("äääää", 4)),
            ("ääää".into(), "äää…".into())
        );
    }
}
