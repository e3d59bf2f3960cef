//! The report of an export and the cards of its adapters, as a reader sees them.
#![expect(
    clippy::unwrap_used,
    reason = "a test: a failure is a panic with its place"
)]

use std::{fs, path::Path};

use futures::executor::block_on;
use groklab_domain::{Split, experiment, metrics::SplitMetrics};
use groklab_pages::{
    card::{Card, Form, best},
    folder::ExportFolder,
    report::{Report, page},
};

const FILES: [&str; 4] = [
    "metrics.jsonl",
    "iterations.jsonl",
    "rollouts.jsonl",
    "test.jsonl",
];

/// The export of the fixture, with the configuration that this version would write.
fn exported() -> tempfile::TempDir {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/quick");
    let folder = tempfile::tempdir().unwrap();
    for file in FILES {
        fs::copy(fixture.join(file), folder.path().join(file)).unwrap();
    }
    let text = "name = \"quick\"\n[model]\nsource = \"/models/tiny.gguf\"\n";
    let config = serde_json::to_string(&experiment::parse(text).unwrap()).unwrap();
    fs::write(folder.path().join("config.json"), config).unwrap();
    folder
}

fn page_of(folder: &Path) -> String {
    let source = ExportFolder::new(folder);
    page(&block_on(Report::read(&source)).unwrap())
}

/// The page without the plotting library, which is its first script.
fn without_library(page: &str) -> String {
    let (before, after) = page.split_once("<script").unwrap();
    let (library, rest) = after.split_once("</script>").unwrap();
    assert!(library.contains("plotly.js v"));
    format!("{before}{rest}")
}

/// The page without what it brings to draw with: the library, the style, and the charts' data.
fn text_of(page: &str) -> String {
    let mut text = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once("<script") {
        let (_, behind) = after.split_once("</script>").unwrap();
        text.push_str(before);
        rest = behind;
    }
    text.push_str(rest);
    let (head, body) = text.split_once("<style>").unwrap();
    let (_, body) = body.split_once("</style>").unwrap();
    format!("{head}{body}")
}

#[test]
fn the_report_says_what_the_files_say() {
    let folder = exported();
    let page = page_of(folder.path());
    let says = |text: &str| assert!(page.contains(text), "{text}");
    says("<h1>quick</h1>");
    says("test, iteration 0 → 3, n = 1 rule: greedy +50.0 points; one shows nothing of others");
    says("for these 20 problems alone: greedy +50.0 points [");
    says("memorised, and no late generalisation (final): cannot show more: val has 0 units");
    says("(McNemar: 10 gained, 0 lost)");
    says("for these 20 problems alone: pass@1 +50.0 points [");
    says(concat!(
        "<td>41/64</td><td>64.1 %</td><td>4 rules</td><td>[21.9, 91.9]</td><td>[51.8, 74.7]</td>",
        "<td>58.2 %</td><td>75.0 %</td>"
    ));
    says(concat!(
        "<td>120</td><td>41</td><td>6</td><td>28</td><td>28</td><td>5400</td><td>8</td>",
        "<td>0.9000</td><td>0.2000</td>"
    ));
    says("case 2: returned &lt;7&gt;");
    says(", expected 8");
    says("Evaluate &quot;3 4 +&quot; &amp; return");
    says("all 2 visible and 6 hidden cases");
    assert!(
        !page.contains("<script>alert("),
        "what a model wrote must not run"
    );
    assert_eq!(page.matches("Plotly.newPlot(\"chart-").count(), 7);
    assert_eq!(
        page.matches("plotly.js v").count(),
        1,
        "the library is there once"
    );
    let own = without_library(&page);
    assert!(
        !own.contains("http") && own.len() < 100_000,
        "nothing is fetched"
    );
    insta::assert_snapshot!(text_of(&page));
}

#[test]
fn an_experiment_that_stopped_early_has_a_report_too() {
    let folder = exported();
    for file in FILES {
        fs::remove_file(folder.path().join(file)).unwrap();
    }
    let page = page_of(folder.path());
    assert!(page.contains("No iteration has been evaluated yet"));
    fs::write(folder.path().join("metrics.jsonl"), "{}\n").unwrap();
    let source = ExportFolder::new(folder.path());
    let error = block_on(Report::read(&source)).unwrap_err().to_string();
    assert!(error.contains("metrics.jsonl` line 1"), "{error}");
}

#[test]
fn a_card_says_what_the_files_say() {
    let folder = exported();
    let report = block_on(Report::read(&ExportFolder::new(folder.path()))).unwrap();
    let card = Card {
        report: &report,
        iteration: 3,
        base: Some("org/name"),
        commit: Some("00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee"),
        has_tokenizer: true,
        form: Form::Adapter,
    };
    let text = card.markdown();
    assert!(text.starts_with("---\nbase_model: org/name\nlibrary_name: peft\n"));
    assert!(text.contains("| this adapter | test | 41/64 | 64.1 % | [51.8, 74.7] |"));
    insta::assert_snapshot!(text);
    // A base without a name is told by its file, never by a path.
    let nameless = Card {
        base: None,
        commit: None,
        has_tokenizer: false,
        ..card
    };
    let text = nameless.markdown();
    assert!(
        !text.contains("base_model:") && !text.contains("/models/"),
        "{text}"
    );
    assert!(
        text.contains("`tiny.gguf`") && text.contains("from_pretrained(base)"),
        "{text}"
    );
    let unevaluated = Card {
        iteration: 2,
        form: Form::Merged,
        ..card
    };
    let text = unevaluated.markdown();
    assert!(text.contains("This iteration was not evaluated."), "{text}");
    assert!(text.contains("library_name: transformers"), "{text}");
}

#[test]
fn the_best_adapter_solves_most_of_val_and_is_the_earliest_of_equals() {
    let folder = exported();
    let report = block_on(Report::read(&ExportFolder::new(folder.path()))).unwrap();
    let mut evaluations = Vec::new();
    for (iteration, correct) in [(0, 9), (1, 3), (2, 5), (3, 5), (4, 4)] {
        let mut line = report.evaluations[0].clone();
        line.iteration = iteration;
        let val = line.splits[&Split::Train].clone();
        line.splits
            .insert(Split::Val, SplitMetrics { correct, ..val });
        evaluations.push(line);
    }
    assert_eq!(best(&evaluations, &[1, 2, 3, 4]), Some(2));
    assert_eq!(best(&evaluations, &[3, 4]), Some(3), "2 is no longer kept");
    assert_eq!(best(&evaluations, &[7]), None);
    for line in &mut evaluations {
        line.splits.remove(&Split::Val);
    }
    assert_eq!(best(&evaluations, &[1, 2]), None);
}
