//! The plan of the claim at the size that the ingest has left.

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
    let values = [
        ("$1", "'generate'".to_owned()),
        ("$2", "1".to_owned()),
        ("$3", format!("'{worker}'::uuid")),
        ("$4", "'30 s'".to_owned()),
        ("$5", "'{}'".to_owned()),
    ];
    let claim = values.iter().fold(claim, |claim, (name, value)| claim.replace(name, value));
    for line in bench.stack.sql(&format!("begin; explain (analyze, buffers, costs off) {claim}; rollback")).unwrap() {
        println!("  {line}");
    }
}
