//! In which settings experiments of a group differ.

use std::collections::BTreeMap;

use serde_json::Value;

use super::schema::Experiment;

/// Keys in which runs of one arm may differ.
const OF_A_RUN: [&str; 2] = ["name", "seed"];

/// For each experiment "train.select=any" for every setting that not all of them share, but for the
/// name and the seed.
pub fn differing(experiments: &[Experiment]) -> Vec<String> {
    let mut settings = Vec::with_capacity(experiments.len());
    for experiment in experiments {
        let mut experiment = experiment.clone();
        // Said or not, it is the seed that the problems have.
        experiment.problems.seed = Some(experiment.problems_seed());
        let mut flat = BTreeMap::new();
        flatten("", &serde_json::json!(experiment), &mut flat);
        settings.push(flat);
    }
    let mut differ: Vec<&String> = settings.iter().flat_map(BTreeMap::keys).collect();
    differ.sort_unstable();
    differ.dedup();
    differ.retain(|key| {
        let mut values = settings.iter().map(|flat| flat.get(*key));
        let first = values.next();
        !OF_A_RUN.contains(&key.as_str()) && values.any(|value| Some(value) != first)
    });
    let arm = |flat: &BTreeMap<String, String>| {
        let named = differ.iter().map(|key| {
            let value = flat.get(*key).map_or("unset", String::as_str);
            format!("{key}={value}")
        });
        named.collect::<Vec<_>>().join(" ")
    };
    settings.iter().map(arm).collect()
}

/// Every value that holds no others, by its dotted key.
fn flatten(key: &str, value: &Value, flat: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let dotted = if key.is_empty() {
                    field.clone()
                } else {
                    format!("{key}.{field}")
                };
                flatten(&dotted, value, flat);
            }
        }
        Value::Null => {}
        Value::String(text) => drop(flat.insert(key.to_owned(), text.clone())),
        other => drop(flat.insert(key.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::parse;

    #[test]
    fn an_arm_is_what_not_all_share() {
        let of = |name: &str, rest: &str| {
            parse(&format!(
                "name = \"{name}\"\n{rest}\n[model]\nsource = \"m\""
            ))
            .unwrap()
        };
        let runs = [
            of("a", "seed = 1\n[train]\nrank = 8"),
            of("b", "seed = 2\n[train]\nrank = 8"),
            of("c", "seed = 1\n[train]\nrank = 8\nselect = \"any\""),
        ];
        let on_the_same = runs.clone().map(|mut run| {
            run.problems.seed = Some(1);
            run
        });
        assert_eq!(
            differing(&on_the_same),
            [
                "train.select=verified",
                "train.select=verified",
                "train.select=any"
            ]
        );
        assert_eq!(
            differing(&runs[..2]),
            ["problems.seed=1", "problems.seed=2"]
        );
        let same = of("d", "seed = 2\n[problems]\nseed = 1\n[train]\nrank = 8");
        assert_eq!(differing(&[runs[0].clone(), same]), ["", ""]);
        let stops = of(
            "e",
            "seed = 1\n[stop]\ntarget_accuracy = 0.5\n[train]\nrank = 8",
        );
        assert_eq!(
            differing(&[runs[0].clone(), stops]),
            ["stop.target_accuracy=unset", "stop.target_accuracy=0.5"]
        );
        assert_eq!(differing(&[]), Vec::<String>::new());
    }
}
