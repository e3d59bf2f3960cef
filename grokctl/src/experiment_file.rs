//! An experiment file, checked as far as this machine can: its text, its model's source, and
//! whether its problems exist.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use groklab_domain::{
    Split,
    experiment::{self, Experiment},
    grokking,
    job::JobCounts,
};
use groklab_problems::Problem;

use crate::failure::{Exit, Failure, chain};

/// The longest part of a hub id.
const MAX_HUB_NAME_BYTES: usize = 96;

/// A file that may be submitted.
#[derive(Debug, Clone)]
pub struct Checked {
    /// With the model's source made absolute where it is a path.
    pub experiment: Experiment,
    pub summary: Summary,
    /// What the experiment cannot show, or what looks unintended.
    pub warnings: Vec<String>,
}

/// What an experiment will do, at most: it may stop early.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    /// Problems by family, then split.
    pub problems: BTreeMap<String, BTreeMap<Split, u32>>,
    pub evaluations: u32,
    /// Completions of one evaluation over all splits, greedy and sampled.
    pub rollouts_per_evaluation: u64,
    /// Training completions of one iteration.
    pub rollouts_per_iteration: u64,
    /// Generate, verify and train jobs of the whole experiment.
    pub jobs: u64,
    /// Tokens generated over the whole experiment if every completion took all it may.
    pub tokens_at_most: u64,
}

/// Reads and checks the file at `path`. Where workers see models in `model_folder` alone, the
/// model must lie there.
pub fn check(path: &Path, model_folder: Option<&Path>) -> Result<Checked, Failure> {
    let text = read(path)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    check_text(&text, folder, model_folder).map_err(|why| {
        let shown = path.display();
        Failure::usage(format!("use the experiment file `{shown}`"))
            .because(why)
            .next(format!("correct it, then `grokctl validate {shown}`"))
    })
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| {
        let exit = match error.kind() {
            io::ErrorKind::NotFound => Exit::NotFound,
            _ => Exit::Usage,
        };
        let what = format!("read the experiment file `{}`", path.display());
        Failure::new(exit, what).because(error)
    })
}

/// Checks the text of a file that lies in `folder`; the error is for a person.
fn check_text(text: &str, folder: &Path, model_folder: Option<&Path>) -> Result<Checked, String> {
    let mut experiment = match experiment::parse(text) {
        Ok(experiment) => experiment,
        Err(error) => return Err(error.to_string()),
    };
    // The coordinator and its workers run in other folders, and perhaps on other machines.
    experiment.model.source = resolve(&experiment.model.source, folder, model_folder)?;
    if let Some(template) = experiment.model.chat.template.take() {
        experiment.model.chat.template = Some(template_text(template, folder)?);
    }
    let problems = match groklab_problems::make(&experiment.problems, experiment.seed) {
        Ok(problems) => problems,
        Err(error) => return Err(chain(&error)),
    };
    // Said before days of computing, not after.
    let grokking = grokking::can_show(
        &grokking::Parameters::default(),
        experiment.problems.val,
        experiment.evaluations() as usize,
    );
    let warnings = experiment::advise(&experiment, grokking);
    let summary = Summary::new(&experiment, &problems);
    Ok(Checked {
        experiment,
        summary,
        warnings,
    })
}

/// A path (relative to `folder`) made absolute, which must exist, or a hub id `organisation/name`
/// as it is. The error names the fix.
fn resolve(source: &str, folder: &Path, model_folder: Option<&Path>) -> Result<String, String> {
    let path = folder.join(source);
    // A folder may have the name of a hub id; what is here goes first.
    if path.exists() {
        let source = absolute(source, &path)?;
        if let Some(model_folder) = model_folder {
            experiment::require_in_model_folder(&source, model_folder)?;
        }
        return Ok(source);
    }
    if is_hub_id(source) {
        return Ok(source.to_owned());
    }
    let looked_for = std::path::absolute(&path).unwrap_or(path);
    if let Some(model_folder) = model_folder {
        // In a container what lies elsewhere is not to be seen, so that it may well exist.
        experiment::require_in_model_folder(&looked_for.to_string_lossy(), model_folder)?;
    }
    let setup = if source.contains(".groklab/") {
        "; `make setup` fetches the one of the quickstart"
    } else {
        ""
    };
    Err(format!(
        "`model.source` = \"{source}\": there is no `{}`: name a folder or .gguf file relative to \
         the experiment file, or a hub id as organisation/name{setup}",
        looked_for.display()
    ))
}

fn absolute(source: &str, path: &Path) -> Result<String, String> {
    let absolute = match path.canonicalize() {
        Ok(absolute) => absolute,
        Err(error) => {
            let path = path.display();
            return Err(format!(
                "`model.source` = \"{source}\": open `{path}`: {error}"
            ));
        }
    };
    match absolute.into_os_string().into_string() {
        Ok(text) => Ok(text),
        Err(path) => {
            let path = PathBuf::from(path);
            Err(format!("`model.source`: `{}` is not UTF-8", path.display()))
        }
    }
}

/// The text of a chat template: that of the file it names (relative to `folder`), unless it is one
/// itself.
fn template_text(template: String, folder: &Path) -> Result<String, String> {
    if experiment::is_template(&template) {
        return Ok(template);
    }
    let key = format!("`model.chat.template` = \"{template}\"");
    let path = folder.join(&template);
    match std::fs::read_to_string(&path) {
        Ok(text) if experiment::is_template(&text) => Ok(text),
        Ok(_) => Err(format!(
            "{key}: the file holds no `{{{{` or `{{%`: it is no jinja template"
        )),
        Err(error) => Err(format!("{key}: read `{}`: {error}", path.display())),
    }
}

/// `organisation/name`, nothing that could only be a path.
fn is_hub_id(source: &str) -> bool {
    match source.split_once('/') {
        Some((organisation, name)) => {
            // A file that is not here is a missing file, not a repository.
            is_hub_name(organisation) && is_hub_name(name) && !name.ends_with(".gguf")
        }
        None => false,
    }
}

fn is_hub_name(part: &str) -> bool {
    let is_sized = !part.is_empty() && part.len() <= MAX_HUB_NAME_BYTES;
    is_sized && part.chars().all(is_hub_char) && !part.starts_with('.') && !part.ends_with('.')
}

fn is_hub_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.".contains(c)
}

impl Summary {
    fn new(experiment: &Experiment, problems: &[Problem]) -> Self {
        let mut splits = Vec::new();
        for problem in problems {
            splits.push((problem.ordinal, problem.split));
        }
        let jobs = JobCounts::of(experiment, &splits);
        Self {
            problems: count_problems(problems),
            evaluations: jobs.evaluations,
            rollouts_per_evaluation: jobs.rollouts_per_evaluation,
            rollouts_per_iteration: jobs.rollouts_per_iteration,
            jobs: jobs.jobs,
            tokens_at_most: jobs.rollouts * u64::from(experiment.generate.max_new_tokens),
        }
    }
}

fn count_problems(problems: &[Problem]) -> BTreeMap<String, BTreeMap<Split, u32>> {
    let mut counts: BTreeMap<String, BTreeMap<Split, u32>> = BTreeMap::new();
    for problem in problems {
        let by_split = counts.entry(problem.family.clone()).or_default();
        *by_split.entry(problem.split).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(source: &str, rest: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("e.toml");
        std::fs::write(
            &path,
            format!("name = \"e\"\n{rest}[model]\nsource = \"{source}\"\n"),
        )
        .unwrap();
        (folder, path)
    }

    #[test]
    fn a_path_is_relative_to_the_file_and_becomes_absolute() {
        let (folder, path) = written("m.gguf", "");
        std::fs::write(folder.path().join("m.gguf"), "x").unwrap();
        let checked = check(&path, None).unwrap();
        assert_eq!(
            checked.experiment.model.source,
            folder
                .path()
                .join("m.gguf")
                .canonicalize()
                .unwrap()
                .to_str()
                .unwrap()
        );
    }

    #[test]
    fn a_missing_model_is_named_with_the_fix() {
        let (folder, path) = written("models/m.gguf", "");
        let failure = check(&path, None).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        let report = failure.report();
        assert!(
            report.contains(&format!(
                "there is no `{}`: name a folder or .gguf",
                folder.path().join("models/m.gguf").display()
            )),
            "{report}"
        );
        assert_eq!(
            check(Path::new("nowhere.toml"), None).unwrap_err().exit,
            Exit::NotFound
        );
    }

    #[test]
    fn a_model_outside_the_folder_that_workers_see_is_named_with_it() {
        let (folder, path) = written("m.gguf", "");
        let models = folder.path().join("models");
        let expected = format!("in `{}` alone", models.display());
        // Whether this machine has the file or not.
        for _ in 0..2 {
            let failure = check(&path, Some(&models)).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage);
            assert!(failure.report().contains(&expected), "{}", failure.report());
            std::fs::write(folder.path().join("m.gguf"), "x").unwrap();
        }
        let within = folder.path().canonicalize().unwrap();
        check(&path, Some(&within)).unwrap();
    }

    #[test]
    fn a_chat_template_is_read_from_its_file() {
        let (folder, path) = written(
            "a/b",
            "[model.chat]\ntemplate = \"own.jinja\"\nenable_thinking = false\n",
        );
        assert!(
            check(&path, None)
                .unwrap_err()
                .report()
                .contains("`model.chat.template` = \"own.jinja\"")
        );
        std::fs::write(folder.path().join("own.jinja"), "no template").unwrap();
        assert!(
            check(&path, None)
                .unwrap_err()
                .report()
                .contains("it is no jinja template")
        );
        std::fs::write(folder.path().join("own.jinja"), "{{ messages }}").unwrap();
        let chat = check(&path, None).unwrap().experiment.model.chat;
        assert_eq!(
            (chat.template.as_deref(), &chat.variables["enable_thinking"]),
            (Some("{{ messages }}"), &serde_json::json!(false))
        );
    }

    #[test]
    fn hub_ids_pass() {
        let (_folder, path) = written("Qwen/Qwen2.5-Coder-1.5B-Instruct", "");
        assert_eq!(
            check(&path, None).unwrap().experiment.model.source,
            "Qwen/Qwen2.5-Coder-1.5B-Instruct"
        );
        for (source, hub) in [
            ("a/b", true),
            ("a/b/c", false),
            ("./b", false),
            ("../b", false),
            ("/b", false),
            ("b", false),
            ("a/b.gguf", false),
        ] {
            assert_eq!(is_hub_id(source), hub, "{source}");
        }
    }

    #[test]
    fn the_summary_counts() {
        let (_folder, path) = written("a/b", "iterations = 3\n");
        let Summary {
            problems,
            evaluations,
            rollouts_per_evaluation,
            rollouts_per_iteration,
            jobs,
            tokens_at_most,
        } = check(&path, None).unwrap().summary;
        let sum: u32 = problems.values().flat_map(BTreeMap::values).sum();
        assert_eq!(
            (
                sum,
                problems
                    .values()
                    .map(|splits| splits[&Split::Test])
                    .sum::<u32>()
            ),
            (144, 64)
        );
        assert_eq!(
            (evaluations, rollouts_per_evaluation, rollouts_per_iteration),
            (4, 720, 192)
        );
        // An evaluation: 2 jobs of 128 greedy, 5 of 32 × 4 sampled; an iteration: 2 of 32 × 4;
        // each verified; 3 trainings.
        assert_eq!(jobs, 2 * 4 * (2 + 5) + 3 * (2 * 2 + 1));
        assert_eq!(tokens_at_most, (4 * 720 + 3 * 192) * 256);
    }

    #[test]
    fn a_bad_key_is_a_usage_error_with_its_line() {
        let (_folder, path) = written("a/b", "iteratons = 3\n");
        let failure = check(&path, None).unwrap_err();
        assert!(
            failure.exit == Exit::Usage
                && failure
                    .report()
                    .contains("line 2: unknown key `iteratons`; did you mean `iterations`?"),
            "{}",
            failure.report()
        );
    }
}
