//! The plan of the claim at the size that the ingest has left, prepared and generic as the coordinator uses it; shown twice, for the first
//! execution plans.

use std::fs;

use groklab_domain::WorkerId;

use crate::Bench;

pub async fn run(bench: &mut Bench) {
    bench.submit("claimed", 2000, 4, 0).await;
    groklab_tests::wait::until("its jobs", std::time::Duration::from_secs(60), || {
        let ready = "select 1 from job join experiment using (experiment_id) where name = 'claimed' and job.state = 'ready' limit 1";
        bench.stack.sql(ready).filter(|rows| !rows.is_empty())
    });
    let counts = "select count(*), count(*) filter (where state = 'ready') from job";
    println!("\nthe claim, among {} jobs (all | ready):", bench.stack.sql(counts).unwrap()[0]);
    let worker = WorkerId::new().to_string();
    let insert =
        format!("insert into worker (worker_id, kind, host, device, threads, version) values ('{worker}', 'generate', '', '', 1, '')");
    bench.stack.sql(&insert).unwrap();
    let claim = fs::read_to_string(groklab_tests::root().join("coordinator/src/store/sql/lease/claim.sql")).unwrap();
    let claim: String = claim.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n");
    let prepare = format!("set plan_cache_mode = force_generic_plan; prepare claim(text, bigint, uuid, interval, uuid[]) as {claim}");
    let explain = format!("explain (analyze, buffers, costs off) execute claim('generate', 1, '{worker}', '30 s', '{{}}')");
    for line in bench.stack.sql(&format!("{prepare}; begin; {explain}; {explain}; rollback")).unwrap() {
        println!("  {line}");
    }
}
