//! The schema: its words are those of the domain, and the schema of another version is refused.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use groklab_domain::{
    AttemptOutcome, ExperimentState, Finish, JobKind, Purpose, Split, Verdict, candidate::Reason,
    job::JobState, records::Level,
};
use sqlx::{Connection as _, PgConnection};

use crate::{harness::Coordinator, life::FILE, postgres::Postgres, process::refusal};

type Words = BTreeMap<String, BTreeSet<String>>;

/// `table.column`, with the words that a CHECK allows there.
async fn checked(database_url: &str) -> Words {
    let mut connection = PgConnection::connect(database_url).await.unwrap();
    let rows: Vec<(String, String)> = sqlx::query_as(
        "select conrelid::regclass::text, pg_get_constraintdef(oid) from pg_constraint
         where contype = 'c' and pg_get_constraintdef(oid) like '%= ANY (ARRAY[%'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let mut words = Words::new();
    for (table, definition) in rows {
        let (before, after) = definition.split_once(" = ANY (ARRAY[").unwrap();
        let column = before.trim_start_matches("CHECK ").trim_start_matches('(');
        let (list, _) = after.split_once(']').unwrap();
        let quoted = list.split('\'').skip(1).step_by(2).map(str::to_owned);
        words.insert(format!("{table}.{column}"), quoted.collect());
    }
    words
}

macro_rules! all {
    ($type:ident) => {
        $type::ALL.iter().map(ToString::to_string).collect()
    };
}

#[tokio::test]
async fn every_check_allows_the_words_of_the_domain() {
    let coordinator = Coordinator::start().await;
    // What the sandbox could not judge is tried again and never stored.
    let mut verdicts: BTreeSet<String> = all!(Verdict);
    verdicts.remove(Verdict::InfrastructureError.as_str());
    let expected: [(&str, BTreeSet<String>); 12] = [
        ("attempt.outcome", all!(AttemptOutcome)),
        ("event.level", all!(Level)),
        ("experiment.state", all!(ExperimentState)),
        ("job.kind", all!(JobKind)),
        ("job.purpose", all!(Purpose)),
        ("job.state", all!(JobState)),
        ("problem.split", all!(Split)),
        ("rollout.candidate_reason", all!(Reason)),
        ("rollout.finish", all!(Finish)),
        ("rollout.purpose", all!(Purpose)),
        ("verdict.verdict", verdicts),
        ("worker.kind", all!(JobKind)),
    ];
    let expected: Words = expected
        .map(|(place, words)| (place.to_owned(), words))
        .into();
    assert_eq!(checked(&coordinator.database_url).await, expected);
    coordinator.stop().await;
}

#[tokio::test]
async fn a_database_of_the_first_version_is_brought_up_to_date() {
    let id = "0198c0de-0000-7000-8000-000000000001";
    let postgres = Postgres::shared();
    let database_url = postgres.database().await;
    let mut db = PgConnection::connect(&database_url).await.unwrap();
    // As the first version left it, with its own record of what was done.
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
    let first = tempfile::tempdir().unwrap();
    let name = "0001_schema.sql";
    std::fs::copy(all.join(name), first.path().join(name)).unwrap();
    let migrations = sqlx::migrate::Migrator::new(first.path()).await.unwrap();
    migrations.run(&mut db).await.unwrap();
    sqlx::query(
        "insert into experiment (experiment_id, idempotency_key, name, config, state, last_iteration)
         values ($1::text::uuid, 'key', 'old', $2, 'cancelled', 2)",
    )
    .bind(id)
    .bind(serde_json::to_string(&groklab_domain::experiment::parse(FILE).unwrap()).unwrap())
    .execute(&mut db)
    .await
    .unwrap();
    let coordinator = Coordinator::by_way_of(database_url.clone(), database_url).await;
    let old = coordinator.get("old").await;
    assert_eq!(old.experiment_id, id);
    assert_eq!((old.tags, old.parent), (vec![], None));
    coordinator.stop().await;
}

#[tokio::test]
async fn the_schema_of_another_version_is_refused_by_name() {
    let coordinator = Coordinator::start().await;
    let database_url = coordinator.database_url.clone();
    coordinator
        .execute("update _sqlx_migrations set checksum = decode('00', 'hex')")
        .await;
    let said = refusal(&database_url, &[]).await;
    assert!(
        said.contains("holds the schema of another version of groklab") && said.contains("--data"),
        "{said}"
    );
    coordinator.stop().await;
}
