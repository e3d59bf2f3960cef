//! `docs/families.md`: each family with an example, and what a small model makes of it. After a
//! change: `GROKLAB_STORE=1 cargo test -p groklab-problems`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use groklab_domain::{
    pilot::{Learnability, Pilot, PilotRule},
    stats::pass_at,
};
use groklab_problems::{Folder, families, make, sample};

use crate::spec::of_rules;

const START: &str = "\
# Families

Written by the test `document` of `crates/problems`; `docs/extending.md` says how to add one. A rule is one function; its unit is what
statistics count. Difficulty makes inputs larger, rules stay what they are. Each example is a whole prompt. The last two columns are of the
untrained SmolLM2-135M-Instruct in four bits, the model of the quickstart, on some rules of each family, chosen by hash: how many it solves greedily, and the chance
that one of so many samples at temperature 0.8 is right. `bench/families.sh` measures them.

";

/// What a model made of some rules of every family.
struct Model(Pilot);

impl Model {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/smollm2-135m.json");
        Self(Pilot::read(&fs::read_to_string(path).unwrap()).unwrap())
    }

    /// Samples of each rule.
    fn samples(&self) -> u32 {
        self.0.rules[0].samples
    }

    /// "1 of 3 | 12 %"; nothing of families that came later.
    fn cells(&self, family: &str) -> String {
        let rules = self.0.rules.iter().filter(|rule| rule.family() == family);
        let rules: Vec<&PilotRule> = rules.collect();
        if rules.is_empty() {
            return "– | –".to_owned();
        }
        let solved = rules
            .iter()
            .filter(|rule| rule.standing == Learnability::Solved);
        let mut pass = 0.0;
        for rule in &rules {
            pass += pass_at(rule.samples, rule.correct, self.samples()).unwrap();
        }
        let (solved, of) = (solved.count(), rules.len());
        format!("{solved} of {of} | {:.0} %", 100.0 * pass / of as f64)
    }
}

fn header(model: &Model) -> String {
    let samples = model.samples();
    format!(
        "| family | they | rules | unit | version | from difficulty | with an order | greedy | \
         pass@{samples} |\n|---|---|---|---|---|---|---|---|---|\n"
    )
}

fn row(folder: &Folder, model: &Model) -> String {
    let (family, name) = (&folder.family, folder.name());
    let lowest = folder.rules().map(|rule| rule.text.lowest_difficulty);
    let lowest: Vec<u8> = lowest.collect();
    let (low, high) = (*lowest.iter().min().unwrap(), *lowest.iter().max().unwrap());
    let from = if low == high {
        low.to_string()
    } else {
        format!("{low} to {high}")
    };
    let ordered = family
        .ordered
        .map_or(String::new(), |name| format!("`{name}`"));
    format!(
        "| [{name}](#{name}) | {} | {} | {} | {} | {from} | {ordered} | {} |\n",
        family.description,
        folder.rule_count(),
        family.unit.as_str(),
        family.version,
        model.cells(name),
    )
}

/// The first sampled rule's first prompt.
fn example(folder: &'static Folder) -> String {
    let id = sample(folder, 1)[0];
    let difficulty = folder.rule(id).unwrap().text.lowest_difficulty.max(2);
    let spec = of_rules(folder.name(), &[id], 1, difficulty);
    let problem = make(&spec, 1).unwrap().remove(0);
    format!(
        "\n## {}\n`{}/{id}` at difficulty {difficulty}:\n```text\n{}\n```\n",
        folder.name(),
        folder.name(),
        problem.prompt
    )
}

#[test]
fn the_document_shows_every_family() {
    let model = Model::read();
    let mut text = START.to_owned() + &header(&model);
    for folder in families() {
        text += &row(folder, &model);
    }
    for folder in families() {
        text += &example(folder);
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/families.md");
    if std::env::var_os("GROKLAB_STORE").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(stored, text, "store it with GROKLAB_STORE=1");
}
