//! What a value may be, beyond its type. Each rule names the key, the value and the fix.

use std::collections::HashSet;

use super::{
    hub::{is_hub_id, is_revision},
    invalid::Invalid,
    json_schema,
    name::check_name,
    schema::Experiment,
    training::{Curriculum, Select, TARGETS},
};
use crate::{
    job::{RESULT_BYTES, TOKEN_BYTES},
    states::Holdout,
};

/// Bytes of a system message or a chat template: every job that encodes prompts carries them.
const CHAT_BYTES: usize = 128 << 10;

/// What a seed may be.
const SEED: &str = "use 0 to 9223372036854775807";

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
        c.0.extend(check_name(&self.name).err());
        c.require(
            // TOML's integers end there, and the file must say the seed that was used.
            i64::try_from(self.seed).is_ok(),
            "seed",
            self.seed,
            SEED,
        );
        c.range("iterations", self.iterations);
        if let Some(keep) = self.keep_checkpoints {
            // The newest one is what the next iteration starts from.
            c.range("keep_checkpoints", keep);
        }
        c.require(
            !self.model.source.trim().is_empty(),
            "model.source",
            "\"\"",
            "name a folder, a .gguf file or a hub id",
        );
        self.check_revision(c);
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
        c.range("verify.cpu_seconds", self.verify.cpu_seconds);
        c.range("verify.memory_mb", self.verify.memory_mb);
        c.range("stop.patience", self.stop.patience);
        if let Some(target) = self.stop.target_accuracy {
            c.range("stop.target_accuracy", target);
            c.require(
                self.problems.val > 0,
                "stop.target_accuracy",
                target,
                "it is val accuracy: set `problems.val` too",
            );
        }
    }

    /// Only the hub has revisions.
    fn check_revision(&self, c: &mut Checks) {
        let Some(revision) = &self.model.revision else {
            return;
        };
        c.require(
            is_revision(revision),
            "model.revision",
            quoted(revision),
            "name a branch, a tag or a commit of 40 hex digits",
        );
        c.require(
            is_hub_id(&self.model.source),
            "model.revision",
            quoted(revision),
            format!(
                "`model.source` = \"{}\" is no hub id, and files have no revisions: leave it out",
                self.model.source
            ),
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
        c.range("problems.train", p.train);
        c.require(
            p.train > 0 || !self.train.method.method().trains(),
            "problems.train",
            p.train,
            "training needs at least 1",
        );
        c.range("problems.val", p.val);
        c.range("problems.test", p.test);
        c.range("problems.ood", p.ood);
        c.range("problems.visible", p.visible);
        c.range("problems.hidden", p.hidden);
        c.range("problems.problems_per_rule", p.problems_per_rule);
        if let Some(rules) = p.rules {
            c.range("problems.rules", rules);
        }
        if let Some(seed) = p.seed {
            c.require(i64::try_from(seed).is_ok(), "problems.seed", seed, SEED);
        }
        self.check_held_out(c);
        c.distinct("problems.families", &p.families);
        c.distinct("problems.held_out", &p.held_out);
        c.distinct("problems.learnable", &p.learnable);
    }

    fn check_held_out(&self, c: &mut Checks) {
        let p = &self.problems;
        let (named, asked) = (!p.held_out.is_empty(), p.ood > 0);
        let value = format!("{:?}", p.held_out);
        let key = "problems.held_out";
        // The other levels know without names what to hold out.
        let needs_names = p.holdout == Holdout::Family || (p.holdout == Holdout::Case && asked);
        let fix = if p.holdout == Holdout::Family {
            "name the families to hold out"
        } else {
            "name what ood asks, as \"family/rule\" or \"family\""
        };
        // That ood asks what is named is the plan's to require: experiments of before, whose
        // problems a fork copies, held rules out without it.
        c.require(named || !needs_names, key, &value, fix);
    }

    fn check_generate(&self, c: &mut Checks) {
        let g = &self.generate;
        c.range("generate.samples", g.samples);
        self.check_drawn(c);
        c.range("generate.temperature", g.temperature);
        c.range("generate.top_p", g.top_p);
        c.range("generate.max_new_tokens", g.max_new_tokens);
        c.range("generate.rollouts_per_job", g.rollouts_per_job);
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

    /// Of the train problems that an iteration samples.
    fn check_drawn(&self, c: &mut Checks) {
        let (drawn, train) = (self.generate.problems, self.problems.train);
        if let Some(drawn) = drawn {
            c.range("generate.problems", drawn);
            c.require(
                drawn <= train,
                "generate.problems",
                drawn,
                format!("use at most `problems.train` = {train}"),
            );
        }
        // Where every problem is sampled, there is nothing to choose.
        let chooses = drawn.is_some_and(|drawn| drawn < train);
        let curriculum = self.generate.curriculum;
        c.require(
            chooses || curriculum == Curriculum::Uniform,
            "generate.curriculum",
            quoted(curriculum.as_str()),
            format!(
                "set `generate.problems` below `problems.train` = {train}: all of them are sampled"
            ),
        );
    }

    fn check_train(&self, c: &mut Checks) {
        let t = &self.train;
        c.range("train.rank", t.rank);
        c.range("train.alpha", t.alpha);
        c.range("train.dropout", t.dropout);
        c.range("train.learning_rate", t.learning_rate);
        c.range("train.warmup_steps", t.warmup_steps);
        c.range("train.weight_decay", t.weight_decay);
        c.range("train.max_grad_norm", t.max_grad_norm);
        c.range("train.epochs", t.epochs);
        c.range("train.batch_tokens", t.batch_tokens);
        c.range("train.max_per_problem", t.max_per_problem);
        c.require(
            t.select != Select::Visible || self.problems.visible > 0,
            "train.select",
            quoted(t.select.as_str()),
            "prompts that show no case have nothing to verify by: set `problems.visible` above 0",
        );
        let every = self.evaluate.every;
        c.require(
            every == 1 || !t.method.method().pool(t).greedy,
            "train.select",
            quoted(t.select.as_str()),
            format!(
                "it takes the greedy completions of every iteration's evaluation: set \
                 `evaluate.every` = {every} to 1"
            ),
        );
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
        c.range("evaluate.every", e.every);
        c.range("evaluate.samples", e.samples);
        c.range("evaluate.temperature", e.temperature);
        c.range("evaluate.top_p", e.top_p);
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

    /// Nothing is named twice; there may be many names.
    fn distinct(&mut self, key: &'static str, names: &[String]) {
        let mut seen = HashSet::new();
        for name in names {
            self.require(seen.insert(name), key, quoted(name), "name each once");
        }
    }

    /// The value lies in the range that stands at the field of this key.
    fn range(&mut self, key: &'static str, value: impl Into<f64> + Copy + ToString) {
        let [least, most] = json_schema::range(key);
        self.require(
            // NaN lies in no range, so it is refused as well.
            (least..=most).contains(&value.into()),
            key,
            value,
            format!("use {least} to {most}"),
        );
    }
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}
