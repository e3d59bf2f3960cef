//! The model card of an adapter: `README.md` with the front matter that the Hugging Face hub reads,
//! what it was trained on and how well it does, and how to load it. It says nothing that the
//! experiment's records do not say.

mod how_to;

use groklab_domain::{
    Split,
    metrics::{IterationLine, MetricsLine, SplitMetrics},
};

use crate::{
    figures::{
        NO_FIGURE, interval, pass_at, pass_at_heading, pass_at_ks, percent, percent_or_none,
    },
    holdout,
    report::Report,
};

/// What a card is about.
#[derive(Debug, Clone, Copy)]
pub struct Card<'a> {
    pub report: &'a Report,
    /// The iteration that starts from the adapter, and whose evaluation is its.
    pub iteration: u32,
    /// The base's name on the hub, and its commit.
    pub base: Option<&'a str>,
    pub commit: Option<&'a str>,
    /// Whether tokenizer and chat template lie beside it.
    pub has_tokenizer: bool,
    pub form: Form,
}

/// What lies beside a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Adapter,
    /// Base and adapter in one.
    Merged,
}

/// The iteration of `kept` that solves most val problems greedily, the earliest of equal ones; None
/// where no val problem was evaluated with any of them.
pub fn best(evaluations: &[MetricsLine], kept: &[u32]) -> Option<u32> {
    let mut best: Option<(u32, u32)> = None;
    for evaluation in evaluations {
        let Some(val) = evaluation.splits.get(&Split::Val) else {
            continue;
        };
        let better = best.is_none_or(|(_, correct)| val.correct > correct);
        if kept.contains(&evaluation.iteration) && better {
            best = Some((evaluation.iteration, val.correct));
        }
    }
    best.map(|(iteration, _)| iteration)
}

impl Card<'_> {
    /// The text of `README.md`.
    pub fn markdown(&self) -> String {
        let sections = [
            self.front_matter(),
            self.intro(),
            self.data(),
            self.method(),
            self.accuracy(),
            self.use_it(),
        ];
        sections.join("\n")
    }

    fn front_matter(&self) -> String {
        let mut lines = vec!["---".to_owned()];
        if let Some(base) = self.base {
            lines.push(format!("base_model: {base}"));
        }
        let library = match self.form {
            Form::Adapter => "peft",
            Form::Merged => "transformers",
        };
        lines.push(format!("library_name: {library}"));
        lines.push("pipeline_tag: text-generation".to_owned());
        lines.push("tags:".to_owned());
        let tags = match self.form {
            Form::Adapter => &["lora", "code", "groklab"][..],
            Form::Merged => &["code", "groklab"],
        };
        lines.extend(tags.iter().map(|tag| format!("- {tag}")));
        lines.push("---\n".to_owned());
        lines.join("\n")
    }

    fn intro(&self) -> String {
        let config = &self.report.config;
        let what = match self.form {
            Form::Adapter => "A LoRA adapter for",
            Form::Merged => "A LoRA adapter merged into",
        };
        format!(
            "# {}, iteration {}\n\n{what} {}, {}, by Groklab.\n",
            config.name,
            self.iteration,
            self.base_sentence(),
            config.train.method.method().describe(&config.train)
        )
    }

    fn base_sentence(&self) -> String {
        match (self.base, self.commit) {
            (Some(base), Some(commit)) => {
                format!("[{base}](https://huggingface.co/{base}) at commit `{commit}`")
            }
            (Some(base), None) => format!("[{base}](https://huggingface.co/{base})"),
            (None, _) => format!(
                "`{}`, a model that has no name on the hub",
                file_name(&self.report.config.model.source)
            ),
        }
    }

    fn data(&self) -> String {
        let problems = &self.report.config.problems;
        let [easiest, hardest] = problems.difficulty;
        let asked = holdout::asked(problems.holdout);
        let mut text = format!(
            "## Data\n\nProblems whose answers can be checked, made by generators: families {}, \
             difficulty {easiest} to {hardest}; {} for training, {} for val, {} for test",
            problems.families.join(", "),
            problems.train,
            problems.val,
            problems.test
        );
        if problems.ood > 0 {
            text.push_str(&format!(", {} of rules that were held out", problems.ood));
        }
        text.push_str(&format!(
            ". Held out at the level of **{}**: val and test are {asked}. No case is in two \
             splits.\n",
            problems.holdout
        ));
        text
    }

    fn method(&self) -> String {
        let config = &self.report.config;
        let settings = config
            .train
            .method
            .method()
            .describe_settings(&config.train);
        let mut text = format!("## Training\n\n{settings}; seed {}.", config.seed);
        let before = |line: &&IterationLine| line.iteration + 1 == self.iteration;
        if let Some(line) = self.report.iterations.iter().find(before) {
            let (training, rollouts) = (&line.training, &line.rollouts);
            text.push_str(&format!(
                " This iteration: {} of {} completions were correct, {} were trained on ({} tokens \
                 in {} steps).",
                rollouts.correct,
                rollouts.total,
                training.examples,
                training.tokens,
                training.steps
            ));
        }
        text.push('\n');
        text
    }

    fn accuracy(&self) -> String {
        let evaluations = &self.report.evaluations;
        let at = |iteration: u32| evaluations.iter().find(|line| line.iteration == iteration);
        let heading = "## Accuracy\n\n";
        let Some(own) = at(self.iteration) else {
            return format!("{heading}This iteration was not evaluated.\n");
        };
        let rows = [("untrained", at(0)), ("this adapter", Some(own))];
        let ks = pass_at_ks(evaluations);
        let mut head = vec![
            "model",
            "split",
            "correct",
            "greedy",
            "95 % interval",
            "over rules",
        ];
        let pass_at_headings: Vec<String> = ks.iter().map(pass_at_heading).collect();
        head.extend(pass_at_headings.iter().map(String::as_str));
        let mut lines = vec![row(&head), row(&vec!["---"; head.len()])];
        for (model, evaluation) in rows {
            let splits = evaluation.into_iter().flat_map(|line| &line.splits);
            for (split, score) in splits {
                let cells = cells(score, &ks);
                let cells = cells.iter().map(String::as_str);
                let words = [model, split.as_str()].into_iter().chain(cells);
                lines.push(row(&words.collect::<Vec<_>>()));
            }
        }
        format!(
            "{heading}{}\n\nGreedy: one completion per problem at temperature 0. The interval is \
             Wilson's and speaks for these problems; the one over rules resamples rules, as \
             problems of a rule tend to fall together. A completion is correct if its code passes \
             {} visible and {} hidden cases in a sandbox.\n",
            lines.join("\n"),
            self.report.config.problems.visible,
            self.report.config.problems.hidden
        )
    }
}

fn cells(score: &SplitMetrics, ks: &[u32]) -> Vec<String> {
    let rules = score.ci95_clustered.map_or(NO_FIGURE.to_owned(), interval);
    let mut cells = vec![
        format!("{}/{}", score.correct, score.total),
        percent(score.accuracy),
        interval(score.ci95),
        rules,
    ];
    cells.extend(ks.iter().map(|&k| percent_or_none(pass_at(score, k))));
    cells
}

fn row(cells: &[&str]) -> String {
    format!("| {} |", cells.join(" | "))
}

/// Where a file lies says nothing to a reader on another machine.
fn file_name(source: &str) -> &str {
    let source = source.trim_end_matches('/');
    source.rsplit('/').next().unwrap_or(source)
}
