//! Leases and completions per second for 1 to 1,000 workers, on jobs of four rollouts: far smaller than real ones.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use groklab_proto::v1::ExperimentRef;

use crate::{
    Bench,
    cpu::Used,
    simulated::{self, Pace},
};

const PROBLEMS: u32 = 2000;
const SAMPLES: u32 = 4;

/// So many workers, each of which takes `work` over a job.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub workers: usize,
    pub work: Duration,
}

pub async fn run(bench: &mut Bench, loads: &[Load], seconds: u64) {
    println!(
        "jobs of {SAMPLES} rollouts; half of the workers generate and half verify; each has a connection of its own"
    );
    println!(
        "{:>8} {:>7} {:>10} {:>14} {:>8} {:>11} {:>11} {:>14} {:>14} {:>9}   cores: coordinator, Postgres, workers",
        "workers",
        "work",
        "leases/s",
        "completions/s",
        "ratio",
        "lease p50",
        "lease p99",
        "complete p50",
        "complete p99",
        "repeated"
    );
    let mut baseline = None;
    for &load in loads {
        let Load { workers, work } = load;
        // Enough jobs for the whole measurement.
        let mut experiments = Vec::new();
        for i in 0..4 {
            experiments.push(
                bench
                    .submit(
                        &format!("throughput-{workers}-{}-{i}", work.as_millis()),
                        PROBLEMS,
                        SAMPLES,
                        9,
                    )
                    .await,
            );
        }
        measure(bench, load, seconds, &mut baseline).await;
        for experiment in experiments {
            bench
                .experiments
                .cancel(ExperimentRef { experiment })
                .await
                .unwrap();
        }
    }
}

async fn measure(bench: &Bench, load: Load, seconds: u64, baseline: &mut Option<f64>) {
    let Load { workers, work } = load;
    let record = simulated::Record::new();
    let kind = |i: usize| {
        if i.is_multiple_of(2) {
            "generate"
        } else {
            "verify"
        }
    };
    let tasks: Vec<_> = (0..workers)
        .map(|i| {
            tokio::spawn(simulated::work(
                bench.stack.address.clone(),
                kind(i),
                Pace {
                    // Not all at once, for then they would stay in step.
                    first: work * i as u32 / workers as u32,
                    work,
                },
                record.clone(),
            ))
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let ids = (
        bench.stack.coordinator.id(),
        bench.stack.postgres().unwrap().as_raw().cast_unsigned(),
    );
    let (before, began) = (Used::now(ids.0, ids.1), Instant::now());
    record.measuring.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    record.measuring.store(false, Ordering::Relaxed);
    let took = began.elapsed().as_secs_f64();
    let cores = Used::now(ids.0, ids.1).cores_since(before, took);
    record.stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    let (leases, completions) = (
        record.leases.lock().unwrap(),
        record.completions.lock().unwrap(),
    );
    let rate = completions.len() as f64 / took;
    let ms = |histogram: &hdrhistogram::Histogram<u64>, quantile| {
        format!(
            "{:.1} ms",
            histogram.value_at_quantile(quantile) as f64 / 1000.0
        )
    };
    println!(
        "{workers:>8} {:>7} {:>10.0} {rate:>14.0} {:>8} {:>11} {:>11} {:>14} {:>14} {:>9}   {:.2}, {:.2}, {:.2}",
        format!("{} ms", work.as_millis()),
        leases.len() as f64 / took,
        format!("{:.1}×", rate / *baseline.get_or_insert(rate)),
        ms(&leases, 0.5),
        ms(&leases, 0.99),
        ms(&completions, 0.5),
        ms(&completions, 0.99),
        record.repeated.load(Ordering::Relaxed),
        cores.coordinator,
        cores.postgres,
        cores.workers
    );
}
