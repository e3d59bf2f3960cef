//! What an experiment cannot show or looks unintended, though it may run: said before days of
//! computing, not after.

use super::{
    schema::Experiment,
    training::{Select, Start},
};
use crate::grokking::{Planned, UnitCounts};
use crate::states::Holdout;

/// Below this share of simulated runs that have a late rise, a run would rather miss it than not.
const DETECTED: f64 = 0.8;

/// Evaluations without a better val accuracy that a wait for grokking may well take.
const PATIENCE: u32 = 10;

/// A sentence for each; `units` are those of the problems that the experiment makes.
pub fn advise(experiment: &Experiment, units: UnitCounts) -> Vec<String> {
    let mut advice = Vec::new();
    if experiment.stop.on_grokking || experiment.iterations >= 10 {
        advice.extend(numbers(experiment, units));
        advice.extend(settings(experiment).map(str::to_owned));
        advice.extend(stopping(experiment));
    }
    advice.extend(controls(experiment, units));
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

/// Controls that take fewer examples than `verified` would.
fn controls(experiment: &Experiment, units: UnitCounts) -> Option<String> {
    let train = &experiment.train;
    match train.select {
        Select::Greedy if train.max_per_problem > 1 => Some(format!(
            "train.select = \"greedy\": there is one greedy completion a problem, and verified \
             ones may be {}; train.max_per_problem = 1, here and in what it is compared with, \
             makes their numbers equal",
            train.max_per_problem
        )),
        Select::Shuffled if units.train < 2 => Some(
            "train.select = \"shuffled\": train asks one rule, so there is no prompt of another \
             and nothing to train on"
                .to_owned(),
        ),
        _ => None,
    }
}

/// What the numbers of units and evaluations make impossible or unlikely.
fn numbers(experiment: &Experiment, units: UnitCounts) -> Option<String> {
    let planned = Planned {
        units,
        evaluations: experiment.evaluations() as usize,
    };
    if let Some(cannot) = planned.cannot_show() {
        return Some(cannot);
    }
    let detected = planned.simulate().detected;
    (detected < DETECTED).then(|| {
        format!(
            "with {} units in val, {} in test and {} evaluations a late jump of val would be found \
             in {:.0} % of runs that have one (simulated): use more of the scarcer ones",
            units.val,
            units.test,
            planned.evaluations,
            100.0 * detected
        )
    })
}

/// Settings that stand in the way of grokking, each with the fix.
fn settings(experiment: &Experiment) -> impl Iterator<Item = &'static str> {
    let train = &experiment.train;
    let trains = train.method.method().trains();
    let in_the_way = [
        (
            experiment.problems.holdout == Holdout::Case,
            "problems.holdout = \"case\": val asks the functions that train asks, so the gap \
             between the two that grokking closes hardly arises; use \"rule\" or \"family\"",
        ),
        (
            trains && train.start == Start::Restart,
            "train.start = \"restart\": every iteration trains from the base, so nothing builds up \
             over iterations; use \"continue\"",
        ),
        (
            trains && train.weight_decay == 0.0,
            "train.weight_decay = 0: grokking is known to need it, or a very long time",
        ),
    ];
    in_the_way
        .into_iter()
        .filter_map(|(applies, advice)| applies.then_some(advice))
}

/// Limits that could end the experiment before there is anything to see.
fn stopping(experiment: &Experiment) -> Vec<String> {
    let stop = &experiment.stop;
    let mut advice = Vec::new();
    if (1..PATIENCE).contains(&stop.patience) {
        advice.push(format!(
            "stop.patience = {}: a wait for grokking looks like no progress; use 0, or {PATIENCE} \
             and more",
            stop.patience
        ));
    }
    if let Some(target) = stop.target_accuracy {
        advice.push(format!(
            "stop.target_accuracy = {target} stops at the first such evaluation, before a rise is \
             confirmed; `stop.on_grokking` waits for that"
        ));
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::parse;

    fn advice(rest: &str, units: usize) -> String {
        let text = format!("name = \"e\"\niterations = 40\n{rest}[model]\nsource = \"m\"\n");
        advise(&parse(&text).unwrap(), UnitCounts::equal(units)).join("\n")
    }

    #[test]
    fn every_setting_in_the_way_is_named() {
        let told = advice(
            "[stop]\npatience = 3\ntarget_accuracy = 0.9\n[problems]\nholdout = \"case\"\n",
            4,
        );
        for part in [
            "val has 4 units",
            "problems.holdout = \"case\"",
            "train.start = \"restart\"",
            "train.weight_decay = 0",
            "stop.patience = 3",
            "stop.target_accuracy = 0.9",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }

    #[test]
    fn controls_that_are_smaller_than_what_they_control_are_named() {
        let told = |select: &str, units| {
            let text =
                format!("name = \"e\"\nmodel.source = \"m\"\n[train]\nselect = \"{select}\"\n");
            advise(&parse(&text).unwrap(), UnitCounts::equal(units)).join("\n")
        };
        assert!(told("greedy", 9).contains("train.max_per_problem = 1"));
        assert!(told("shuffled", 1).contains("no prompt of another"));
        assert_eq!(told("shuffled", 9), "");
    }

    #[test]
    fn nothing_is_said_where_grokking_can_be_seen() {
        let able = "[train]\nstart = \"continue\"\nweight_decay = 0.1\n";
        assert_eq!(advice(able, 64), "");
        assert!(
            advice(able, 14).contains("14 units in val"),
            "{}",
            advice(able, 14)
        );
        let short = "name = \"e\"\n[model]\nsource = \"m\"\n";
        let nothing = advise(&parse(short).unwrap(), UnitCounts::equal(2));
        assert_eq!(
            nothing,
            Vec::<String>::new(),
            "three iterations do not ask for grokking"
        );
    }
}
