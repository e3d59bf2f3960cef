//! In what two experiments measure differently: their evaluations may be compared, but the
//! difference is not the training's alone.

use super::schema::Experiment;

/// "evaluate.temperature 0.8 → 0.2" for every setting that changes what an evaluation measures.
pub fn unlike(before: &Experiment, after: &Experiment) -> Vec<String> {
    let mut unlike = Vec::new();
    for ((key, before), (_, after)) in measured(before).into_iter().zip(measured(after)) {
        if before != after {
            unlike.push(format!("{key} {before} → {after}"));
        }
    }
    unlike
}

/// The settings that decide what an evaluation measures, but for the problems, which are paired.
pub fn measured(experiment: &Experiment) -> [(&'static str, String); 8] {
    let (evaluate, verify) = (&experiment.evaluate, &experiment.verify);
    let chat = &experiment.model.chat;
    [
        ("model.source", experiment.model.source.clone()),
        // A template is long, and JSON quotes what a system message may hold.
        ("model.chat", serde_json::json!(chat).to_string()),
        ("evaluate.temperature", evaluate.temperature.to_string()),
        ("evaluate.top_p", evaluate.top_p.to_string()),
        ("evaluate.samples", evaluate.samples.to_string()),
        (
            "generate.max_new_tokens",
            experiment.generate.max_new_tokens.to_string(),
        ),
        ("verify.cpu_seconds", verify.cpu_seconds.to_string()),
        ("verify.memory_mb", verify.memory_mb.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::parse;

    #[test]
    fn what_measures_differently_is_named() {
        let of =
            |rest: &str| parse(&format!("name = \"e\"\n{rest}\n[model]\nsource = \"m\"")).unwrap();
        let plain = of("");
        assert_eq!(unlike(&plain, &plain), Vec::<String>::new());
        let trained = of("seed = 9\niterations = 7\n[train]\nrank = 2");
        assert_eq!(unlike(&plain, &trained), Vec::<String>::new());
        let cold = of("[evaluate]\ntemperature = 0.2\ntop_p = 0.9\n[generate]\nmax_new_tokens = 9");
        assert_eq!(
            unlike(&plain, &cold),
            [
                "evaluate.temperature 0.8 → 0.2",
                "evaluate.top_p 1 → 0.9",
                "generate.max_new_tokens 256 → 9"
            ]
        );
    }
}
