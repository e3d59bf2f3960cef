//! Storing very many rollouts and their verdicts: does it slow down as the tables grow?

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use crate::{
    Bench,
    simulated::{self, Pace},
};

const PROBLEMS: u32 = 2000;
const SAMPLES: u32 = 64;
const WORKERS: usize = 8;

pub async fn run(bench: &mut Bench, rollouts: u64) {
    let per_iteration = u64::from(PROBLEMS) * u64::from(SAMPLES + 1);
    let iterations = u32::try_from(rollouts.div_ceil(per_iteration))
        .unwrap()
        .saturating_sub(1);
    bench.submit("ingest", PROBLEMS, SAMPLES, iterations).await;
    println!(
        "\ningest of {rollouts} rollouts with their verdicts, {SAMPLES} to a job, {WORKERS} workers"
    );
    let record = simulated::Record::new();
    let kind = |i: usize| {
        if i.is_multiple_of(2) {
            "generate"
        } else {
            "verify"
        }
    };
    let tasks: Vec<_> = (0..WORKERS)
        .map(|i| {
            tokio::spawn(simulated::work(
                bench.stack.address.clone(),
                kind(i),
                Pace::default(),
                record.clone(),
            ))
        })
        .collect();
    let began = Instant::now();
    let tenth = (rollouts / 10).max(1);
    let (mut reported, mut since) = (0, Instant::now());
    while bench.stack.state("ingest") != "completed" {
        let done = record.rollouts.load(Ordering::Relaxed);
        if done / tenth > reported / tenth {
            println!(
                "{done:>10} rollouts  {:>8.0}/s lately  {:>7.1} s",
                (done - reported) as f64 / since.elapsed().as_secs_f64(),
                began.elapsed().as_secs_f64()
            );
            (reported, since) = (done, Instant::now());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let (done, took) = (
        record.rollouts.load(Ordering::Relaxed),
        began.elapsed().as_secs_f64(),
    );
    println!(
        "{done:>10} rollouts  {:>8.0}/s in all     {took:>7.1} s, {} calls repeated",
        done as f64 / took,
        record.repeated.load(Ordering::Relaxed)
    );
    record.stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    let sizes = "select relname || ' ' || pg_size_pretty(pg_total_relation_size(oid)) from pg_class where relname in ('rollout', 'verdict', 'job', 'attempt') order by 1";
    println!("on disk: {}", bench.stack.sql(sizes).unwrap().join(", "));
}
