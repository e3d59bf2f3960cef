//! The plans of the claim's two statements at the size that the ingest has left, prepared and generic as the coordinator uses it; shown twice, for the first
//! execution plans.

use std::fs;

use groklab_domain::WorkerId;

use crate::Bench;

/// Jobs that one transaction hands out.
const JOBS: usize = 64;

pub async fn run(bench: &mut Bench) {
    bench.submit("claimed", 2000, 4, 0).await;
    groklab_tests::wait::until("its jobs", std::time::Duration::from_secs(60), || {
        let ready = "select 1 from job join experiment using (experiment_id) where name = 'claimed' and job.state = 'ready' limit 1";
        bench.stack.sql(ready).filter(|rows| !rows.is_empty())
    });
    let counts = "select count(*), count(*) filter (where state = 'ready') from job";
    println!(
        "\nthe claim, among {} jobs (all | ready):",
        bench.stack.sql(counts).unwrap()[0]
    );
    let worker = WorkerId::new().to_string();
    let insert = format!(
        "insert into worker (worker_id, kind, host, device, threads, version) values ('{worker}', 'generate', '', '', 1, '')"
    );
    bench.stack.sql(&insert).unwrap();
    let claimed = bench
        .stack
        .sql("select experiment_id from experiment where name = 'claimed'")
        .unwrap()
        .remove(0);
    explain(
        bench,
        "waiting",
        "text, bigint",
        &format!("'generate', {JOBS}"),
    );
    let workers = format!("array_fill('{worker}'::uuid, array[{JOBS}])");
    let values = format!("'generate', array['{claimed}'::uuid], array[{JOBS}], {workers}, '30 s'");
    explain(
        bench,
        "claim",
        "text, uuid[], int[], uuid[], interval",
        &values,
    );
}

/// Prints the plan of a statement of the coordinator with these values.
fn explain(bench: &Bench, name: &str, types: &str, values: &str) {
    let path = groklab_tests::root().join(format!("coordinator/src/store/sql/lease/{name}.sql"));
    let text = fs::read_to_string(path).unwrap();
    let statement: String = text
        .lines()
        .filter(|line| !line.starts_with("--"))
        .collect::<Vec<_>>()
        .join("\n");
    let prepare = format!(
        "set plan_cache_mode = force_generic_plan; set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off; prepare {name}({types}) as {statement}"
    );
    let explain = format!("explain (analyze, buffers, costs off) execute {name}({values})");
    println!("{name}.sql");
    for line in bench
        .stack
        .sql(&format!("{prepare}; begin; {explain}; {explain}; rollback"))
        .unwrap()
    {
        println!("  {line}");
    }
}
