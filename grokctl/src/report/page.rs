//! The report's text: what came out first, how it was measured last.

use groklab_domain::{Split, experiment::Experiment, metrics::MetricsLine};
use plotly::Plot;

use super::{
    charts::{Chart, charts},
    data::Data,
    html::{escape, table},
};
use crate::view::{
    comparison_lines, ks, pass_at, phase,
    words::{interval, percent},
};

/// Charts are drawn while the page is still growing; this fits them to the columns it has in the end.
const FIT: &str = "<script>addEventListener('load', () => document.querySelectorAll('.js-plotly-plot').forEach(plot => Plotly.Plots.resize(plot)));</script>\n";

/// The whole page, with everything it needs.
pub fn page(data: &Data) -> String {
    let name = escape(&data.config.name);
    let sections = [
        summary(data),
        chart_section(&charts(data)),
        training(data),
        samples(data),
        measured(&data.config),
        settings(&data.config),
    ];
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{name} · Groklab report</title>\n<style>\n{}</style>\n{}\n</head>\n<body>\n<h1>{name}</h1>\n{}{}{FIT}</body>\n</html>\n",
        include_str!("style.css"),
        plotly_script(),
        intro(data),
        sections.concat()
    )
}

/// The plotting library alone, once for all charts: the crate would add MathJax, which no chart here needs.
fn plotly_script() -> String {
    let scripts = Plot::offline_js_sources();
    match scripts.split_once("</script>") {
        Some((first, rest)) if rest.trim_start().starts_with("<script") => {
            format!("{first}</script>")
        }
        _ => scripts,
    }
}

fn intro(data: &Data) -> String {
    let config = &data.config;
    let families = config
        .problems
        .families
        .iter()
        .map(|family| escape(family))
        .collect::<Vec<_>>()
        .join(", ");
    let method = config.train.method.method().describe();
    let (model, iterations) = (
        escape(&short_model(&config.model.source)),
        data.iterations.len(),
    );
    let plural = if iterations == 1 { "" } else { "s" };
    format!(
        "<p class=\"quiet\">{model}, {method}, over {iterations} training iteration{plural}. Families: {families}.</p>\n"
    )
}

/// The last part of a path, a hub id whole.
fn short_model(source: &str) -> String {
    match source.strip_prefix('/') {
        Some(path) => path.rsplit('/').next().unwrap_or(path).to_owned(),
        None => source.to_owned(),
    }
}

fn summary(data: &Data) -> String {
    let Some((first, last)) = data.evaluations.first().zip(data.evaluations.last()) else {
        return "<h2>Result</h2>\n<p>No iteration has been evaluated yet.</p>\n".to_owned();
    };
    let mut text = "<h2>Result</h2>\n".to_owned();
    if let Some(comparison) = &data.comparison {
        for line in comparison_lines(comparison, Split::Test, first.iteration, last.iteration) {
            text.push_str(&format!("<p class=\"lead\">{}</p>\n", escape(&line)));
        }
    }
    text.push_str(&format!(
        "<p>Sudden generalisation: {}.</p>\n",
        escape(&phase(last))
    ));
    text + &accuracy(&data.evaluations)
}

fn accuracy(evaluations: &[MetricsLine]) -> String {
    let ks = ks(evaluations);
    let mut header = [
        "iteration",
        "split",
        "correct",
        "greedy",
        "95 % interval",
        "95 % over rules",
    ]
    .map(String::from)
    .to_vec();
    header.extend(ks.iter().map(|k| format!("pass@{k}")));
    header.push("shortcuts".to_owned());
    let mut rows = Vec::new();
    for evaluation in evaluations {
        for (split, score) in &evaluation.splits {
            let mut row = vec![
                evaluation.iteration.to_string(),
                split.to_string(),
                format!("{}/{}", score.correct, score.total),
            ];
            row.extend([
                percent(score.accuracy),
                interval(score.ci95),
                score.ci95_clustered.map_or("–".into(), interval),
            ]);
            row.extend(
                ks.iter()
                    .map(|&k| pass_at(score, k).map_or("–".into(), percent)),
            );
            row.push(score.shortcuts.to_string());
            rows.push(row);
        }
    }
    table(&header, &rows)
}

fn chart_section(charts: &[Chart]) -> String {
    if charts.is_empty() {
        return String::new();
    }
    let figure = |(i, chart): (usize, &Chart)| {
        let plot = chart.plot.to_inline_html(Some(&format!("chart-{i}")));
        format!(
            "<figure><h3>{}</h3><figcaption>{}</figcaption><div class=\"plot\">{plot}</div></figure>\n",
            chart.heading, chart.note
        )
    };
    format!(
        "<h2>Curves</h2>\n<div class=\"charts\">\n{}</div>\n",
        charts.iter().enumerate().map(figure).collect::<String>()
    )
}

fn training(data: &Data) -> String {
    if data.iterations.is_empty() {
        return String::new();
    }
    let header = [
        "iteration",
        "rollouts",
        "correct",
        "shortcuts",
        "selected",
        "examples",
        "tokens",
        "steps",
        "first loss",
        "last loss",
    ];
    let loss = |loss: Option<f64>| loss.map_or("–".to_owned(), |loss| format!("{loss:.4}"));
    let row = |line: &groklab_domain::metrics::IterationLine| {
        let (r, t) = (&line.rollouts, &line.training);
        let mut row: Vec<String> = [line.iteration, r.total, r.correct, r.shortcuts, r.selected]
            .map(|n| n.to_string())
            .to_vec();
        row.extend([t.examples, t.tokens, t.steps].map(|n| n.to_string()));
        row.extend([loss(t.first_loss), loss(t.last_loss)]);
        row
    };
    let rows: Vec<_> = data.iterations.iter().map(row).collect();
    format!(
        "<h2>Training</h2>\n{}",
        table(&header.map(String::from), &rows)
    )
}

fn samples(data: &Data) -> String {
    let samples = data.samples.html(&data.prompts);
    if samples.is_empty() {
        return String::new();
    }
    let note = "Greedy completions for test problems at the first and the last evaluated iteration: per family the first of each verdict, \
                not a random sample. All of them are in <code>rollouts.jsonl</code>.";
    format!("<h2>What the model wrote</h2>\n<p class=\"quiet\">{note}</p>\n{samples}")
}

fn measured(config: &Experiment) -> String {
    let (p, e) = (&config.problems, &config.evaluate);
    let held_out = match p.holdout {
        groklab_domain::Holdout::Case => {
            "the same functions asked on other inputs than in training"
        }
        groklab_domain::Holdout::Rule => "known families with rules that training never saw",
        groklab_domain::Holdout::Family => "families that training never saw",
    };
    let sampled = match e.samples {
        0 => "Nothing was sampled beside the greedy completion.".to_owned(),
        n => format!(
            "pass@k comes from {n} further completions per problem at temperature {}, top-p {}, by the unbiased estimator.",
            e.temperature, e.top_p
        ),
    };
    let items = [
        format!("Held out at the level of <b>{}</b>: val and test are {held_out}. No case is in two splits.", p.holdout),
        format!(
            "A completion is correct if the code in it passes all {} visible and {} hidden cases of its problem, run in a sandbox that never sees the expected values; \
             one that passes the visible cases and fails a hidden one is a shortcut.",
            p.visible, p.hidden
        ),
        format!("Greedy accuracy is one completion per problem at temperature 0. {sampled}"),
        "The 95 % interval is Wilson's and speaks for these problems only; the interval over rules resamples rules, since problems of a rule tend to fall together.".to_owned(),
        "The first and the last iteration are compared problem by problem: McNemar's exact test for greedy, the paired bootstrap for pass@k.".to_owned(),
        "Failures of the machinery are never counted as wrong answers: such jobs are run again.".to_owned(),
    ];
    let items: String = items
        .iter()
        .map(|item| format!("<li>{item}</li>\n"))
        .collect();
    format!("<h2>How accuracy was measured</h2>\n<ul>\n{items}</ul>\n")
}

fn settings(config: &Experiment) -> String {
    let json = serde_json::to_string_pretty(config).unwrap_or_default();
    format!(
        "<h2>Settings</h2>\n<details><summary>config.json</summary><pre>{}</pre></details>\n",
        escape(&json)
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::results::sample;

    fn exported() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, lines: Vec<String>| {
            fs::write(folder.path().join(name), lines.join("\n")).unwrap()
        };
        let config = groklab_domain::experiment::parse(
            "name = \"quick\"\n[model]\nsource = \"/models/tiny.gguf\"\n",
        )
        .unwrap();
        write("config.json", vec![serde_json::to_string(&config).unwrap()]);
        let json = |line: &dyn erased::Line| line.json();
        write(
            "metrics.jsonl",
            vec![json(&sample::metrics(0, 12)), json(&sample::metrics(3, 41))],
        );
        write(
            "iterations.jsonl",
            vec![json(&sample::iteration(0)), json(&sample::iteration(1))],
        );
        let rollout = |iteration, problem: u32, sample, correct: bool| {
            let verdict = if correct { "passed" } else { "wrong_answer" };
            format!(
                r#"{{"iteration": {iteration}, "purpose": "eval", "split": "test", "family": "rpn", "rule": "plain", "problem": {problem}, "sample": {sample},
                "text": "</pre><script>alert({iteration})</script>", "verdict": "{verdict}", "correct": {correct}, "shortcut": false,
                "first_failure": {{"case": 2, "got": "<7>", "expected": "8"}}}}"#
            )
            .replace('\n', " ")
        };
        let mut lines = Vec::new();
        for problem in 0..20 {
            for sample in 0..3 {
                lines.push(rollout(0, problem, sample, problem < 4));
                lines.push(rollout(3, problem, sample, problem < 14));
            }
        }
        write("rollouts.jsonl", lines);
        write(
            "test.jsonl",
            vec![r#"{"ordinal": 0, "prompt": "Evaluate \"3 4 +\" & return"}"#.to_owned()],
        );
        folder
    }

    mod erased {
        pub trait Line {
            fn json(&self) -> String;
        }
        impl<T: serde::Serialize> Line for T {
            fn json(&self) -> String {
                serde_json::to_string(self).unwrap()
            }
        }
    }

    #[test]
    fn the_report_says_what_the_files_say() {
        let folder = exported();
        super::super::write(folder.path()).unwrap();
        let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
        let says = |text: &str| assert!(page.contains(text), "{text}");
        says("<h1>quick</h1>");
        says("test, iteration 0 → 3, paired over 20 problems: greedy +50.0 points [");
        says("(McNemar: 10 gained, 0 lost)");
        says("test, iteration 0 → 3, paired over 20 problems: pass@1 +50.0 points [");
        says(
            "<td>41/64</td><td>64.1 %</td><td>[51.8, 74.7]</td><td>–</td><td>58.2 %</td><td>75.0 %</td>",
        );
        says(
            "<td>120</td><td>41</td><td>6</td><td>28</td><td>28</td><td>5400</td><td>8</td><td>0.9000</td><td>0.2000</td>",
        );
        says("case 2: returned &lt;7&gt;, expected 8");
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
        let own = page.replace(&plotly_script(), "");
        assert!(
            !own.contains("http") && own.len() < 100_000,
            "nothing is fetched"
        );
    }

    #[test]
    fn a_chart_holds_its_figures() {
        let folder = exported();
        let data = Data::read(folder.path()).unwrap();
        let json: serde_json::Value =
            serde_json::from_str(&charts(&data)[0].plot.to_json()).unwrap();
        let test = json["data"]
            .as_array()
            .unwrap()
            .iter()
            .find(|trace| trace["name"] == "test")
            .unwrap();
        assert_eq!(test["x"], serde_json::json!([0, 3]));
        assert!((test["y"][1].as_f64().unwrap() - 41.0 / 64.0).abs() < 1e-9);
        assert!(
            (test["error_y"]["array"][1].as_f64().unwrap() - (0.747 - 41.0 / 64.0)).abs() < 1e-9
        );
    }

    #[test]
    fn an_experiment_that_stopped_early_has_a_report_too() {
        let folder = exported();
        for name in [
            "metrics.jsonl",
            "iterations.jsonl",
            "rollouts.jsonl",
            "test.jsonl",
        ] {
            fs::remove_file(folder.path().join(name)).unwrap();
        }
        let page = page(&Data::read(folder.path()).unwrap());
        assert!(page.contains("No iteration has been evaluated yet"));
        fs::write(folder.path().join("metrics.jsonl"), "{}\n").unwrap();
        let failure = Data::read(folder.path()).unwrap_err().report();
        assert!(failure.contains("metrics.jsonl` line 1"), "{failure}");
    }
}
