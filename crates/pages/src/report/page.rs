//! The report as one HTML file that needs no network: what came out first, how it was measured
//! last.

use groklab_domain::{Split, experiment::Experiment};
use plotly::Plot;

use super::{data::Report, method, tables};
use crate::{
    charts::{Chart, charts},
    figures::{comparison_sentences, decomposition_sentences, grokking_lines},
    html::escape,
};

/// Charts are drawn while the page is still growing; this fits them to the columns it has in the
/// end.
const RESIZE_PLOTS_SCRIPT: &str = concat!(
    "<script>addEventListener('load', () => ",
    "document.querySelectorAll('.js-plotly-plot')",
    ".forEach(plot => Plotly.Plots.resize(plot)));</script>\n"
);

/// The whole page, with everything it needs.
pub fn page(report: &Report) -> String {
    let mut html = head(&report.config);
    let sections = [
        intro(report),
        summary(report),
        chart_section(&charts(&report.evaluations, &report.iterations)),
        training(report),
        samples(report),
        method::measured(&report.config),
        method::settings(&report.config),
    ];
    for section in &sections {
        html.push_str(section);
    }
    html.push_str(RESIZE_PLOTS_SCRIPT);
    html.push_str("</body>\n</html>\n");
    html
}

fn head(config: &Experiment) -> String {
    let name = escape(&config.name);
    let (style, plotly) = (include_str!("style.css"), plotly_script());
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{name} · Groklab report</title>\n<style>\n{style}</style>\n{plotly}\n</head>\n\
         <body>\n<h1>{name}</h1>\n"
    )
}

/// The plotting library alone, once for all charts: the crate would add MathJax, which no chart
/// here needs.
pub(super) fn plotly_script() -> String {
    // The crate offers nothing smaller than both libraries.
    let scripts = Plot::offline_js_sources();
    match scripts.split_once("</script>") {
        Some((first, rest)) if rest.trim_start().starts_with("<script") => {
            format!("{first}</script>")
        }
        _ => scripts,
    }
}

fn intro(report: &Report) -> String {
    let config = &report.config;
    let model = escape(&short_model(&config.model.named()));
    let method = config.train.method.method().describe(&config.train);
    let iterations = report.iterations.len();
    let plural = if iterations == 1 { "" } else { "s" };
    let families = escape(&config.problems.families.join(", "));
    format!(
        "<p class=\"quiet\">{model}, {method}, over {iterations} training iteration{plural}. \
         Families: {families}.</p>\n"
    )
}

/// The last part of a path, a hub id whole.
fn short_model(source: &str) -> String {
    // Where the file lies says nothing to a reader on another machine.
    let path = source.strip_prefix('/');
    let file = path.and_then(|path| path.rsplit('/').next());
    file.unwrap_or(source).to_owned()
}

fn summary(report: &Report) -> String {
    let evaluations = &report.evaluations;
    let Some((first, last)) = evaluations.first().zip(evaluations.last()) else {
        return "<h2>Result</h2>\n<p>No iteration has been evaluated yet.</p>\n".to_owned();
    };
    let mut html = "<h2>Result</h2>\n".to_owned();
    if let Some(comparison) = &report.comparison {
        let (split, first, last) = (Split::Test, first.iteration, last.iteration);
        let sides = format!("{split}, iteration {first} → {last}");
        for sentence in comparison_sentences(comparison, &sides) {
            let sentence = escape(&sentence);
            html.push_str(&format!("<p class=\"lead\">{sentence}</p>\n"));
        }
    }
    for sentence in decomposition_sentences(first, last, Split::Test) {
        html.push_str(&format!("<p class=\"quiet\">{}</p>\n", escape(&sentence)));
    }
    let lines = grokking_lines(&last.grokking, "iteration");
    let lines: Vec<String> = lines.iter().map(|line| escape(line)).collect();
    html.push_str(&format!("<p>{}</p>\n", lines.join("<br>\n")));
    html + &tables::accuracy(evaluations)
}

fn chart_section(charts: &[Chart]) -> String {
    if charts.is_empty() {
        return String::new();
    }
    let mut html = "<h2>Curves</h2>\n<div class=\"charts\">\n".to_owned();
    for (number, chart) in charts.iter().enumerate() {
        // Each plot finds its place by this id.
        let plot = chart.plot.to_inline_html(Some(&format!("chart-{number}")));
        let (heading, note) = (chart.heading, chart.note);
        html.push_str(&format!(
            "<figure><h3>{heading}</h3><figcaption>{note}</figcaption>\
             <div class=\"plot\">{plot}</div></figure>\n"
        ));
    }
    html.push_str("</div>\n");
    html
}

fn training(report: &Report) -> String {
    // Evaluation alone trains nothing.
    if report.iterations.is_empty() {
        return String::new();
    }
    "<h2>Training</h2>\n".to_owned() + &tables::training(&report.iterations)
}

fn samples(report: &Report) -> String {
    let samples = report.samples.html(&report.prompts);
    if samples.is_empty() {
        return samples;
    }
    format!(
        "<h2>What the model wrote</h2>\n<p class=\"quiet\">Greedy completions for test problems at \
         the first and the last evaluated iteration: per family the first of each verdict, \
         not a random sample. All of them are in <code>rollouts.jsonl</code>.</p>\n{samples}"
    )
}
