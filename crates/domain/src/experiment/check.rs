//! What a value may be, beyond its type. Each rule names the key, the value and the fix.

use super::schema::{Experiment, TARGETS};
use crate::{
    job::{RESULT_BYTES, TOKEN_BYTES},
    states::Holdout,
};

/// One value that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` = {value}: {fix}")]
pub struct Invalid {
    /// The dotted key, as in `train.rank`.
    pub key: &'static str,
    pub value: String,
    /// What would be right.
    pub fix: String,
}

/// Bytes of a system message or a chat template: every job that encodes prompts carries them.
const CHAT_BYTES: usize = 128 << 10;

/// What `problems.difficulty` may be.
pub(super) const DIFFICULTY: &str = "use [lowest, highest] between 1 and 10";

impl Experiment {
    /// Every value that cannot be used; empty when the experiment may run.
    pub fn check(&self) -> Vec<Invalid> {
        let mut found = Checks::default();
        self.check_top(&mut found);
        self.check_problems(&mut found);
        self.check_generate(&mut found);
        self.check_train(&mut found);
        self.check_evaluate(&mut found);
        found.0
    }

    fn check_top(&self, c: &mut Checks) {
        self.check_name(c);
        c.require(
            // TOML's integers end there, and the file must say the seed that was used.
            i64::try_from(self.seed).is_ok(),
            "seed",
            self.seed,
            "use 0 to 9223372036854775807",
        );
        c.range("iterations", self.iterations, 0, 100_000);
        if let Some(keep) = self.keep_checkpoints {
            // The newest one is what the next iteration starts from.
            c.range("keep_checkpoints", keep, 1, 100_000);
        }
        c.require(
            !self.model.source.trim().is_empty(),
            "model.source",
            "\"\"",
            "name a folder, a .gguf file or a hub id",
        );
        let chat = [
            ("model.chat.system", &self.model.chat.system),
            ("model.chat.template", &self.model.chat.template),
        ];
        for (key, text) in chat
            .into_iter()
            .filter_map(|(key, text)| Some((key, text.as_ref()?)))
        {
            c.require(
                text.len() <= CHAT_BYTES,
                key,
                format!("a text of {} bytes", text.len()),
                format!("use at most {CHAT_BYTES}"),
            );
        }
        let structured = self
            .model
            .chat
            .variables
            .iter()
            .find(|(_, value)| value.is_object());
        if let Some((name, value)) = structured {
            c.require(
                false,
                "model.chat",
                format!("{name} = {value}"),
                "use a text, a number, true or false, or a list of these",
            );
        }
        c.float("verify.cpu_seconds", self.verify.cpu_seconds, 0.1, 60.0);
        c.range("verify.memory_mb", self.verify.memory_mb, 64, 16_384);
        c.range("stop.patience", self.stop.patience, 0, 100_000);
        if let Some(target) = self.stop.target_accuracy {
            c.float("stop.target_accuracy", target, 0.01, 1.0);
            c.require(
                self.problems.val > 0,
                "stop.target_accuracy",
                target,
                "it is val accuracy: set `problems.val` too",
            );
        }
    }

    /// A name must be good for a folder, and for the command line: there a `-` begins a flag, and
    /// names come before ids.
    fn check_name(&self, c: &mut Checks) {
        let legal = |ch: char| ch.is_ascii_alphanumeric() || "-_.".contains(ch);
        let named = (1..=64).contains(&self.name.len())
            && self.name.chars().all(legal)
            && !self.name.starts_with(['.', '-']);
        c.require(
            named,
            "name",
            quoted(&self.name),
            "use 1 to 64 letters, digits, `-`, `_` or `.`, not starting with `-` or `.`",
        );
        let id = uuid::Uuid::try_parse(&self.name).is_ok();
        c.require(
            !id,
            "name",
            quoted(&self.name),
            "it reads as an id and could hide the experiment that has it; use a word",
        );
    }

    fn check_problems(&self, c: &mut Checks) {
        let p = &self.problems;
        c.require(
            !p.families.is_empty(),
            "problems.families",
            "[]",
            "name at least one family",
        );
        let [low, high] = p.difficulty;
        let ordered = (1..=10).contains(&low) && low <= high && high <= 10;
        c.require(
            ordered,
            "problems.difficulty",
            format!("[{low}, {high}]"),
            DIFFICULTY,
        );
        // Only training needs train problems.
        let least = u32::from(self.train.method.method().trains());
        c.range("problems.train", p.train, least, 100_000);
        c.range("problems.val", p.val, 0, 100_000);
        c.range("problems.test", p.test, 1, 100_000);
        c.range("problems.ood", p.ood, 0, 100_000);
        c.range("problems.visible", p.visible, 0, 16);
        c.range("problems.hidden", p.hidden, 1, 64);
        let wants_names = p.holdout != Holdout::Case || p.ood > 0;
        let fix = if wants_names {
            "name what to hold out, as \"family/rule\" or \"family\""
        } else {
            "set `problems.ood` or `problems.holdout` too"
        };
        c.require(
            wants_names != p.held_out.is_empty(),
            "problems.held_out",
            format!("{:?}", p.held_out),
            fix,
        );
        for (i, family) in p.families.iter().enumerate() {
            c.require(
                !p.families[..i].contains(family),
                "problems.families",
                quoted(family),
                "name each family once",
            );
        }
    }

    fn check_generate(&self, c: &mut Checks) {
        let g = &self.generate;
        c.range("generate.samples", g.samples, 1, 1_024);
        c.float("generate.temperature", g.temperature, 0.0, 10.0);
        c.float("generate.top_p", g.top_p, 0.01, 1.0);
        c.range("generate.max_new_tokens", g.max_new_tokens, 1, 32_768);
        c.range("generate.rollouts_per_job", g.rollouts_per_job, 1, 4_096);
        // A problem's samples stay in one job, so a job can be larger than `rollouts_per_job` says.
        let rollouts = g.rollouts_per_job.max(g.samples).max(self.evaluate.samples);
        let bytes = u64::from(rollouts) * u64::from(g.max_new_tokens) * TOKEN_BYTES;
        let most = RESULT_BYTES / (u64::from(g.max_new_tokens.max(1)) * TOKEN_BYTES);
        let fix = format!(
            "with generate.max_new_tokens = {} a job's results can pass 15 MiB; use at most {most}",
            g.max_new_tokens
        );
        let (key, value) = [
            ("generate.rollouts_per_job", g.rollouts_per_job),
            ("generate.samples", g.samples),
            ("evaluate.samples", self.evaluate.samples),
        ]
        .into_iter()
        .max_by_key(|(_, value)| *value)
        .expect("there are three");
        c.require(bytes <= RESULT_BYTES, key, value, fix);
    }

    fn check_train(&self, c: &mut Checks) {
        let t = &self.train;
        c.range("train.rank", t.rank, 1, 512);
        c.float("train.alpha", t.alpha, 0.001, 4_096.0);
        c.float("train.dropout", t.dropout, 0.0, 0.9);
        c.float("train.learning_rate", t.learning_rate, 1e-8, 1.0);
        c.range("train.warmup_steps", t.warmup_steps, 0, 1_000_000);
        c.float("train.weight_decay", t.weight_decay, 0.0, 1.0);
        c.float("train.max_grad_norm", t.max_grad_norm, 1e-6, 1e6);
        c.range("train.epochs", t.epochs, 1, 1_000);
        c.range("train.batch_tokens", t.batch_tokens, 16, 1 << 24);
        c.range("train.max_per_problem", t.max_per_problem, 1, 1_024);
        c.require(
            !t.targets.is_empty(),
            "train.targets",
            "[]",
            "name at least one linear",
        );
        for (i, target) in t.targets.iter().enumerate() {
            let known = TARGETS.contains(&target.as_str());
            c.require(
                known,
                "train.targets",
                quoted(target),
                format!("known are {}", TARGETS.join(", ")),
            );
            c.require(
                !t.targets[..i].contains(target),
                "train.targets",
                quoted(target),
                "name each linear once",
            );
        }
    }

    fn check_evaluate(&self, c: &mut Checks) {
        let e = &self.evaluate;
        c.range("evaluate.every", e.every, 1, 100_000);
        c.range("evaluate.samples", e.samples, 0, 1_024);
        c.float("evaluate.temperature", e.temperature, 0.01, 10.0);
        c.float("evaluate.top_p", e.top_p, 0.01, 1.0);
        for &k in e.pass_at.iter().flatten() {
            // Without samples there is no pass@k, and the list does not count.
            let fits = k >= 1 && (e.samples == 0 || k <= e.samples);
            c.require(
                fits,
                "evaluate.pass_at",
                k,
                format!("use 1 to `evaluate.samples` = {}", e.samples),
            );
        }
    }
}

/// What the experiment cannot show or looks unintended, though it may run. `grokking` says why it
/// could not show grokking.
pub fn advise(experiment: &Experiment, grokking: Option<String>) -> Vec<String> {
    let mut advice = Vec::new();
    if experiment.stop.on_grokking || experiment.iterations >= 10 {
        advice.extend(grokking);
    }
    if experiment.problems.visible == 0 {
        advice.push(
            "no visible cases: prompts show no example, shortcuts cannot be told, and \
            problems of one rule have the same prompt in every split"
                .to_owned(),
        );
    }
    if experiment.train.method.method().trains()
        && experiment.generate.temperature == 0.0
        && experiment.generate.samples > 1
    {
        advice
            .push("generate.temperature = 0: all samples of a problem will be the same".to_owned());
    }
    advice
}

#[derive(Default)]
struct Checks(Vec<Invalid>);

impl Checks {
    fn require(
        &mut self,
        ok: bool,
        key: &'static str,
        value: impl ToString,
        fix: impl Into<String>,
    ) {
        if !ok {
            self.0.push(Invalid {
                key,
                value: value.to_string(),
                fix: fix.into(),
            });
        }
    }

    fn range(&mut self, key: &'static str, value: u32, least: u32, most: u32) {
        self.require(
            (least..=most).contains(&value),
            key,
            value,
            format!("use {least} to {most}"),
        );
    }

    fn float(&mut self, key: &'static str, value: f64, least: f64, most: f64) {
        self.require(
            // NaN lies in no range, so it is refused as well.
            (least..=most).contains(&value),
            key,
            value,
            format!("use {least} to {most}"),
        );
    }
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}
