//! The report of an export, as a reader sees it.
#![expect(
    clippy::unwrap_used,
    reason = "a test: a failure is a panic with its place"
)]

use std::{fs, path::Path};

use futures::executor::block_on;
use groklab_domain::experiment;
use groklab_pages::{
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
    says("test, iteration 0 → 3, paired over 20 problems: greedy +50.0 points [");
    says("(McNemar: 10 gained, 0 lost)");
    says("test, iteration 0 → 3, paired over 20 problems: pass@1 +50.0 points [");
    says(concat!(
        "<td>41/64</td><td>64.1 %</td><td>[51.8, 74.7]</td><td>–</td>",
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
