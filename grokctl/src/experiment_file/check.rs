//! From the inputs of a command to an experiment that may be submitted.

use std::path::Path;

use groklab_domain::experiment::{self, Composed, Experiment};
use groklab_problems::Plan;

use super::{Inputs, Summary, learnable::Learnable, paths::Said};
use crate::failure::{Failure, chain};

/// What may be submitted.
#[derive(Debug, Clone)]
pub struct Checked {
    /// With the model's source made absolute where it is a path.
    pub experiment: Experiment,
    pub summary: Summary,
    /// What the experiment cannot show, or what looks unintended.
    pub warnings: Vec<String>,
}

/// Reads the files, puts them together and checks what they say. Where workers see models in
/// `model_folder` alone, the model must lie there.
pub fn check(inputs: &Inputs, model_folder: Option<&Path>) -> Result<Checked, Failure> {
    let (names, texts) = (inputs.names(), inputs.read()?);
    let composed = match experiment::compose(&inputs.sources(&names, &texts)) {
        Ok(composed) => composed,
        Err(error) => return Err(inputs.failure(error.to_string())),
    };
    let read = with_files(inputs, composed, model_folder).and_then(|(experiment, warnings)| {
        let mut checked = checked(experiment)?;
        checked.warnings.extend(warnings);
        Ok(checked)
    });
    read.map_err(|why| inputs.failure(why))
}

/// The experiment with its paths looked up and its files read, for the coordinator and its workers
/// run in other folders, and perhaps on other machines; and what looks wrong with the files.
fn with_files(
    inputs: &Inputs,
    composed: Composed,
    model_folder: Option<&Path>,
) -> Result<(Experiment, Vec<String>), String> {
    let said = |key, text| {
        let origin = composed.origin(key).expect("no path has a default");
        Said {
            key,
            text,
            folder: inputs.folder(origin.source),
            place: &origin.place,
        }
    };
    let model = &composed.experiment.model;
    let source = said("model.source", &model.source).resolve(model_folder)?;
    let template = match &model.chat.template {
        Some(template) => Some(said("model.chat.template", template).template()?),
        None => None,
    };
    let mut experiment = composed.experiment.clone();
    experiment.model.source = source;
    experiment.model.chat.template = template;
    // So that the same file, sent again to another build, never means other problems.
    let versions = groklab_problems::record_versions(&mut experiment.problems);
    versions.map_err(|error| chain(&error))?;
    let names = &composed.experiment.problems.learnable;
    let key = "problems.learnable";
    let learnable = Learnable::read(&experiment, names, |text| said(key, text))?;
    experiment.problems.learnable = learnable.rules;
    // A folder may have had the name of a hub id.
    match experiment.check().first() {
        Some(invalid) => Err(invalid.to_string()),
        None => Ok((experiment, learnable.warnings)),
    }
}

/// The experiment with what it would ask and cost. No problem is made for that.
///
/// # Errors
/// It asks for problems that cannot be made.
pub fn checked(experiment: Experiment) -> Result<Checked, String> {
    let plan = Plan::new(&experiment.problems, experiment.seed);
    let plan = plan.map_err(|error| chain(&error))?;
    let summary = Summary::new(&experiment, &plan);
    // Said before days of computing, not after.
    let mut warnings = experiment::advise(&experiment, summary.units);
    warnings.extend(unasked(&experiment, &plan));
    Ok(Checked {
        experiment,
        summary,
        warnings,
    })
}

/// What the file calls learnable and training may not ask.
fn unasked(experiment: &Experiment, plan: &Plan) -> Option<String> {
    let named = &experiment.problems.learnable;
    let trained = plan.trained();
    // A name with a star stands for many, which need not all be train's.
    let is_lost = |name: &&String| !trained.contains(*name) && !name.contains('*');
    let mut lost = named.iter().filter(is_lost);
    let first = lost.next()?;
    Some(format!(
        "problems.learnable: {} of its {} rules are not among those that training may ask, such \
         as `{first}`",
        1 + lost.count(),
        named.len()
    ))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::PathBuf};

    use groklab_domain::Split;

    use super::*;
    use crate::failure::Exit;

    fn one(path: &Path) -> Inputs {
        Inputs {
            files: vec![path.to_owned()],
            settings: Vec::new(),
        }
    }

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
        let checked = check(&one(&path), None).unwrap();
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
        let failure = check(&one(&path), None).unwrap_err();
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
            check(&one(Path::new("nowhere.toml")), None)
                .unwrap_err()
                .exit,
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
            let failure = check(&one(&path), Some(&models)).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage);
            assert!(failure.report().contains(&expected), "{}", failure.report());
            std::fs::write(folder.path().join("m.gguf"), "x").unwrap();
        }
        let within = folder.path().canonicalize().unwrap();
        check(&one(&path), Some(&within)).unwrap();
    }

    #[test]
    fn a_chat_template_is_read_from_its_file() {
        let (folder, path) = written(
            "a/b",
            "[model.chat]\ntemplate = \"own.jinja\"\nenable_thinking = false\n",
        );
        assert!(
            check(&one(&path), None)
                .unwrap_err()
                .report()
                .contains("`model.chat.template` = \"own.jinja\"")
        );
        std::fs::write(folder.path().join("own.jinja"), "no template").unwrap();
        assert!(
            check(&one(&path), None)
                .unwrap_err()
                .report()
                .contains("it is no jinja template")
        );
        std::fs::write(folder.path().join("own.jinja"), "{{ messages }}").unwrap();
        let chat = check(&one(&path), None).unwrap().experiment.model.chat;
        assert_eq!(
            (chat.template.as_deref(), &chat.variables["enable_thinking"]),
            (Some("{{ messages }}"), &serde_json::json!(false))
        );
    }

    #[test]
    fn what_a_pilot_found_is_what_training_asks() {
        let file = "[problems]\nfamilies = [\"letters\"]\nlearnable = \"pilot.json\"\nholdout = \"case\"\n";
        let (folder, path) = written("a/b", "");
        let text = format!("name = \"e\"\n{file}[model]\nsource = \"a/b\"\n");
        std::fs::write(&path, text).unwrap();
        let report = || check(&one(&path), None).unwrap_err().report();
        assert!(
            report().contains("line 4: `problems.learnable` = \"pilot.json\": read `"),
            "{}",
            report()
        );
        let pilot = |standing: &str, visible| {
            let rule = r#"{"rule":"letters/letters=aeiou","problems":1,"greedy":0,"samples":8"#;
            let text = format!(
                r#"{{"version":1,"measured":{{"problems.visible":"{visible}"}},"rules":[{rule},
                    "correct":1,"standing":"{standing}"}}]}}"#
            );
            std::fs::write(folder.path().join("pilot.json"), text).unwrap();
        };
        pilot("out_of_reach", 2);
        assert!(
            report().contains("it found nothing learnable"),
            "{}",
            report()
        );
        pilot("learnable", 1);
        let checked = check(&one(&path), None).unwrap();
        assert_eq!(
            checked.experiment.problems.learnable,
            ["letters/letters=aeiou"]
        );
        assert_eq!(checked.summary.units.train, 1);
        let warnings = checked.warnings.join("\n");
        assert!(warnings.contains("pilot.json was made with another problems.visible 1 → 2"));
    }

    /// Two files in folders of their own and settings; the model is beside the first one.
    fn several(second: &str, settings: &[&str]) -> (tempfile::TempDir, Result<Checked, Failure>) {
        let (folder, path) = written("m.gguf", "");
        std::fs::write(folder.path().join("m.gguf"), "x").unwrap();
        let other = folder.path().join("other");
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join("own.jinja"), "{{ messages }}").unwrap();
        std::fs::write(other.join("gpu.toml"), second).unwrap();
        let inputs = Inputs {
            files: vec![path, other.join("gpu.toml")],
            settings: settings.iter().map(ToString::to_string).collect(),
        };
        let checked = check(&inputs, None);
        (folder, checked)
    }

    #[test]
    fn a_path_is_relative_to_the_file_that_says_it() {
        let gpu = "[train]\nrank = 64\n[model.chat]\ntemplate = \"own.jinja\"\n";
        let (folder, checked) = several(gpu, &["iterations=1"]);
        let experiment = checked.unwrap().experiment;
        let model = folder.path().join("m.gguf").canonicalize().unwrap();
        assert_eq!(experiment.model.source, model.to_str().unwrap());
        let template = experiment.model.chat.template;
        assert_eq!(template.as_deref(), Some("{{ messages }}"));
        assert_eq!((experiment.train.rank, experiment.iterations), (64, 1));
        // Tests run in the folder of their package.
        let (_folder, checked) = several(gpu, &["model.source=Cargo.toml"]);
        let here = std::path::absolute("Cargo.toml").unwrap();
        let source = checked.unwrap().experiment.model.source;
        assert_eq!(source, here.canonicalize().unwrap().to_str().unwrap());
    }

    #[test]
    fn a_path_that_is_wrong_is_named_with_who_says_it() {
        let table = [
            (
                "[model]\nsource = \"m.gguf\"\n",
                "",
                "gpu.toml` line 2: `model.source` = \"m.gguf\"",
            ),
            (
                "",
                "model.source=no.gguf",
                "--set model.source=no.gguf: `model.source` = ",
            ),
            ("", "model.source=no.gguf", "relative to the current folder"),
            (
                "[model.chat]\ntemplate = \"no.jinja\"\n",
                "",
                "gpu.toml` line 2: `model.chat.template`",
            ),
            ("train.rank = 0\n", "", "gpu.toml` line 1: `train.rank` = 0"),
            ("", "train.rank=0", "--set train.rank=0: `train.rank` = 0"),
        ];
        for (gpu, setting, expected) in table {
            let settings: Vec<&str> = [setting].into_iter().filter(|s| !s.is_empty()).collect();
            let report = several(gpu, &settings).1.unwrap_err().report();
            assert!(report.contains(expected), "{report}");
        }
    }

    #[test]
    fn hub_ids_pass() {
        let (_folder, path) = written("Qwen/Qwen2.5-Coder-1.5B-Instruct", "");
        assert_eq!(
            check(&one(&path), None).unwrap().experiment.model.source,
            "Qwen/Qwen2.5-Coder-1.5B-Instruct"
        );
    }

    #[test]
    fn a_revision_is_of_a_hub_id_alone() {
        let (folder, path) = written("org/name\"\nrevision = \"v1.0", "");
        let model = check(&one(&path), None).unwrap().experiment.model;
        assert_eq!(model.revision.as_deref(), Some("v1.0"));
        // What is here goes before the hub, and has no revisions.
        std::fs::create_dir_all(folder.path().join("org/name")).unwrap();
        let report = check(&one(&path), None).unwrap_err().report();
        assert!(
            report.contains("`model.revision` = \"v1.0\"") && report.contains("is no hub id"),
            "{report}"
        );
    }

    #[test]
    fn the_summary_counts() {
        let (_folder, path) = written("a/b", "iterations = 3\n");
        let Summary {
            problems,
            units,
            evaluations,
            rollouts_per_evaluation,
            rollouts_per_iteration,
            jobs,
            tokens_at_most,
        } = check(&one(&path), None).unwrap().summary;
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
        // More rules than problems, so each is asked once.
        assert_eq!((units.train, units.test), (48, 64));
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
        let failure = check(&one(&path), None).unwrap_err();
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
