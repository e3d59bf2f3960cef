//! What is read of rows that lie in the database already, whatever made them: an export byte by byte, the records of both sources,
//! comparisons.

use std::{collections::BTreeMap, path::Path};

use groklab_coordinator::StoredExperiment;
use groklab_domain::{
    Purpose, Split, Verdict,
    experiment::Experiment,
    metrics::{IterationLine, MetricsLine},
    records::{
        ComparisonReport, ExperimentSource, Outcomes, ProblemLine, RolloutFilter, RolloutLine,
    },
};
use groklab_pages::folder::ExportFolder;
use groklab_proto::v1;
use sqlx::{Connection as _, PgConnection};
use tonic::Code;

use crate::{
    harness::{Coordinator, named},
    postgres::folder,
};

const STORED: &str = include_str!("fixtures/stored.sql");
const FIRST: &str = "11111111-1111-1111-1111-111111111111";
const SECOND: &str = "22222222-2222-2222-2222-222222222222";
const FILE: &str = "name = \"stored\"\niterations = 1\n[model]\nsource = \"m.gguf\"\n[problems]\nfamilies = [\"rpn\"]\nholdout = \"case\"\nrules = 5\n";

/// The files of the fixture; `config.json` has what this version's defaults are.
const FIXTURE: [(&str, &str); 6] = [
    (
        "iterations.jsonl",
        include_str!("fixtures/export/iterations.jsonl"),
    ),
    (
        "metrics.jsonl",
        include_str!("fixtures/export/metrics.jsonl"),
    ),
    (
        "rollouts.jsonl",
        include_str!("fixtures/export/rollouts.jsonl"),
    ),
    ("test.jsonl", include_str!("fixtures/export/test.jsonl")),
    ("train.jsonl", include_str!("fixtures/export/train.jsonl")),
    ("val.jsonl", include_str!("fixtures/export/val.jsonl")),
];

fn config() -> Experiment {
    groklab_domain::experiment::parse(FILE).unwrap()
}

/// A coordinator over a database that holds the rows of the fixture.
async fn coordinator() -> Coordinator {
    let coordinator = Coordinator::start().await;
    let mut db = PgConnection::connect(&coordinator.database_url)
        .await
        .unwrap();
    for (id, name) in [(FIRST, "stored"), (SECOND, "other")] {
        let config = Experiment {
            name: name.to_owned(),
            ..config()
        };
        let insert = "insert into experiment (experiment_id, idempotency_key, name, config, state, iteration, last_iteration)
                      values ($1::uuid, $2, $2, $3, 'completed', 1, 1)";
        let insert = sqlx::query(insert).bind(id).bind(name);
        let config = serde_json::to_string(&config).unwrap();
        insert.bind(config).execute(&mut db).await.unwrap();
    }
    sqlx::raw_sql(STORED).execute(&mut db).await.unwrap();
    coordinator
}

async fn export(coordinator: &Coordinator) -> BTreeMap<String, Vec<u8>> {
    let answer = coordinator.experiments().export(named(FIRST)).await;
    let mut chunks = answer.unwrap().into_inner();
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    while let Some(chunk) = chunks.message().await.unwrap() {
        files.entry(chunk.path).or_default().extend(chunk.data);
    }
    files
}

fn write(files: &BTreeMap<String, Vec<u8>>, folder: &Path) {
    for (name, bytes) in files {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
}

#[tokio::test]
async fn an_export_has_the_bytes_of_the_fixture() {
    let coordinator = coordinator().await;
    let mut files = export(&coordinator).await;
    let config_json = String::from_utf8(files.remove("config.json").unwrap()).unwrap();
    assert_eq!(
        config_json,
        serde_json::to_string_pretty(&config()).unwrap() + "\n"
    );
    assert_eq!(files.len(), FIXTURE.len(), "{:?}", files.keys());
    for (name, expected) in FIXTURE {
        let text = String::from_utf8(files.remove(name).unwrap()).unwrap();
        let differs = text.lines().zip(expected.lines()).find(|(a, b)| a != b);
        assert_eq!(differs, None, "{name}");
        assert_eq!(text, expected, "{name}");
    }
    coordinator.stop().await;
}

/// Everything that a source has.
#[derive(Debug, PartialEq)]
struct Everything {
    config: Experiment,
    metrics: Vec<MetricsLine>,
    iterations: Vec<IterationLine>,
    problems: Vec<ProblemLine>,
    rollouts: Vec<RolloutLine>,
    outcomes: Vec<Outcomes>,
}

async fn problems<S: ExperimentSource>(source: &S, split: Split) -> Vec<ProblemLine> {
    let mut problems = Vec::new();
    source
        .problems(split, &mut |line| problems.push(line))
        .await
        .unwrap();
    problems
}

async fn rollouts<S: ExperimentSource>(source: &S, filter: &RolloutFilter) -> Vec<RolloutLine> {
    let mut rollouts = Vec::new();
    source
        .rollouts(filter, &mut |line| rollouts.push(line))
        .await
        .unwrap();
    rollouts
}

/// What every source of the fixture's first experiment promises.
async fn contract<S: ExperimentSource>(source: &S) -> Everything {
    let metrics = source.metrics().await.unwrap();
    let evaluated: Vec<u32> = metrics.iter().map(|line| line.iteration).collect();
    assert_eq!(evaluated, [0, 1]);
    assert_eq!(metrics[1].splits[&Split::Test].accuracy, 0.1 + 0.2);
    let iterations = source.iterations().await.unwrap();
    assert_eq!(
        iterations.len(),
        1,
        "the last iteration trains nothing and has no line"
    );

    let mut all = Vec::new();
    for (split, ordinals) in [
        (Split::Train, &[0][..]),
        (Split::Val, &[1]),
        (Split::Test, &[2, 3, 4, 5]),
        (Split::Ood, &[]),
    ] {
        let lines = problems(source, split).await;
        let found: Vec<u32> = lines.iter().map(|line| line.problem).collect();
        assert_eq!(found, ordinals, "{split}");
        assert!(
            lines
                .iter()
                .all(|line| line.split == split && line.cases.len() == 3)
        );
        all.extend(lines);
    }

    let every = rollouts(source, &RolloutFilter::default()).await;
    let place = |line: &RolloutLine| {
        (
            line.iteration,
            line.purpose.as_str(),
            line.problem,
            line.sample,
        )
    };
    assert!(
        every.is_sorted_by_key(place),
        "in the order of rollouts.jsonl"
    );
    let any = RolloutFilter::default;
    for filter in [
        RolloutFilter {
            iteration: Some(1),
            ..any()
        },
        RolloutFilter {
            iteration: Some(7),
            ..any()
        },
        RolloutFilter {
            purpose: Some(Purpose::Train),
            ..any()
        },
        RolloutFilter {
            split: Some(Split::Val),
            ..any()
        },
        RolloutFilter {
            family: Some("rpn".to_owned()),
            ..any()
        },
        RolloutFilter {
            family: Some("gcd".to_owned()),
            ..any()
        },
        RolloutFilter {
            problem: Some(4),
            ..any()
        },
        RolloutFilter {
            verdict: Some(Verdict::WrongAnswer),
            ..any()
        },
        RolloutFilter {
            verdict: Some(Verdict::Passed),
            ..RolloutFilter::evaluation(1, Split::Test)
        },
    ] {
        let expected: Vec<_> = every
            .iter()
            .filter(|line| filter.accepts(line))
            .cloned()
            .collect();
        assert_eq!(rollouts(source, &filter).await, expected, "{filter:?}");
    }
    let unverified: Vec<_> = every.iter().filter(|line| line.verdict.is_none()).collect();
    assert_eq!(unverified.len(), 1);
    assert_eq!(
        unverified[0].text, "\0\u{fffd}\"é\n",
        "bytes that are not UTF-8 are replaced"
    );

    let mut outcomes = Vec::new();
    for (iteration, split, problems) in [
        (0, Split::Test, 4),
        (1, Split::Test, 4),
        (1, Split::Val, 1),
        (7, Split::Test, 0),
    ] {
        let counted = source.outcomes(iteration, split).await.unwrap();
        assert_eq!(counted.len(), problems, "{iteration} {split}");
        outcomes.push(counted);
    }
    let comparison = outcomes[0].against(&outcomes[1]).unwrap();
    assert_eq!(
        (comparison.greedy.before, comparison.greedy.after),
        (0.25, 0.5)
    );
    Everything {
        config: source.config().await.unwrap(),
        metrics,
        iterations,
        problems: all,
        rollouts: every,
        outcomes,
    }
}

#[tokio::test]
async fn postgres_and_an_exported_folder_are_one_source() {
    let coordinator = coordinator().await;
    let out = folder();
    write(&export(&coordinator).await, out.path());
    let options = coordinator.database_url.parse().unwrap();
    let stored = StoredExperiment::open(options, "stored").await.unwrap();
    let from_postgres = contract(&stored).await;
    let from_folder = contract(&ExportFolder::new(out.path())).await;
    assert_eq!(from_postgres, from_folder);
    stored.close().await;
    coordinator.stop().await;
}

async fn compare(
    coordinator: &Coordinator,
    before: (&str, Option<u32>),
    after: (&str, Option<u32>),
    split: &str,
) -> Result<ComparisonReport, tonic::Status> {
    let evaluation = |(experiment, iteration): (&str, Option<u32>)| v1::EvaluationRef {
        experiment: experiment.to_owned(),
        iteration,
    };
    let request = v1::CompareRequest {
        before: Some(evaluation(before)),
        after: Some(evaluation(after)),
        split: split.to_owned(),
    };
    let answer = coordinator
        .experiments()
        .compare(request)
        .await?
        .into_inner();
    Ok(serde_json::from_str(&answer.json).unwrap())
}

#[tokio::test]
async fn a_comparison_is_that_of_the_exported_rollouts() {
    let coordinator = coordinator().await;
    let out = folder();
    write(&export(&coordinator).await, out.path());
    let exported = ExportFolder::new(out.path());
    let before = exported.outcomes(0, Split::Test).await.unwrap();
    let expected = before.against(&exported.outcomes(1, Split::Test).await.unwrap());

    let report = compare(&coordinator, ("stored", Some(0)), ("stored", None), "test")
        .await
        .unwrap();
    assert_eq!(report.comparison, expected);
    assert_eq!(
        (
            report.before.iteration,
            report.after.iteration,
            report.shared
        ),
        (0, 1, 4)
    );
    assert_eq!(
        (report.after.experiment.as_str(), report.after.problems),
        ("stored", 4)
    );
    // The other experiment counts the same problems backwards; right is what the sum of ordinal and sample says there.
    let report = compare(
        &coordinator,
        ("stored", Some(1)),
        ("other", Some(1)),
        "test",
    )
    .await
    .unwrap();
    let comparison = report.comparison.unwrap();
    assert_eq!((report.shared, comparison.problems), (4, 4));
    assert_eq!((comparison.mcnemar.lost, comparison.mcnemar.gained), (1, 2));
    // pass@1, and the largest k that both sides have.
    assert_eq!(comparison.pass_at.len(), 2);

    let report = compare(&coordinator, ("stored", None), ("stored", None), "val")
        .await
        .unwrap();
    assert_eq!(
        (report.shared, report.comparison),
        (1, None),
        "one problem is too few"
    );
    let report = compare(&coordinator, ("stored", None), ("other", None), "train")
        .await
        .unwrap();
    assert_eq!((report.before.problems, report.shared), (1, 0));
    for (after, split, code, part) in [
        (
            ("stored", Some(7)),
            "test",
            Code::InvalidArgument,
            "evaluated are the iterations [0, 1]",
        ),
        (("nobody", None), "test", Code::NotFound, "nobody"),
        (
            ("stored", None),
            "tests",
            Code::InvalidArgument,
            "field `split`",
        ),
    ] {
        let error = compare(&coordinator, ("stored", None), after, split)
            .await
            .unwrap_err();
        assert_eq!(error.code(), code);
        assert!(error.message().contains(part), "{error:?}");
    }
    coordinator.stop().await;
}
