//! Pipelines of one to three steps, each from a list to a list.

use std::{collections::HashSet, ops::Range, sync::LazyLock};

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::Uneven,
};

pub(super) const FAMILY: Family = Family {
    name: "pipelines",
    description: "change a list in one to three steps, such as sort, drop, rotate",
    version: 1,
    unit: Unit::Rule,
    ordered: Some("DEPTH"),
    size: ONE + TWO + THREE,
    rule,
};

/// What a step does: an id, and the words for it.
const STEPS: [(&str, &str); 20] = [
    ("reverse", "Reverse the list."),
    ("sort", "Sort the list, smallest first."),
    ("sort-down", "Sort the list, largest first."),
    ("drop-1", "Remove the first item of the list."),
    ("drop-2", "Remove the first two items of the list."),
    ("drop-last", "Remove the last item of the list."),
    ("take-3", "Keep only the first three items of the list."),
    ("last-3", "Keep only the last three items of the list."),
    ("left-1", "Move the first item of the list to its end."),
    (
        "left-2",
        "Move the first two items of the list to its end, in their order.",
    ),
    ("right-1", "Move the last item of the list to its front."),
    (
        "dedupe",
        "Remove every item that is equal to an earlier one of the list.",
    ),
    (
        "every-2",
        "Keep only the items of the list at indexes 0, 2, 4 and so on.",
    ),
    ("even", "Keep only the even numbers of the list."),
    ("odd", "Keep only the odd numbers of the list."),
    ("double", "Multiply every item of the list by 2."),
    (
        "plus-place",
        "Add to every item of the list its index, counted from 0.",
    ),
    (
        "sums",
        "Replace every item of the list by the sum of all items up to and including it.",
    ),
    (
        "differences",
        "Replace the list by the differences of neighbours: the second item minus the first, the \
         third minus the second and so on.",
    ),
    (
        "mirror",
        "Append the items of the list once more, in reverse order.",
    ),
];
const ONE: u32 = STEPS.len() as u32;
const TWO: u32 = ONE * ONE;
/// Some of the pipelines of three steps.
const THREE: u32 = 1_600;
/// Has no divisor in common with the number of such pipelines, so these are all different.
const STRIDE: u64 = 7_919;
/// The shortest list.
const SHORTEST: usize = 5;

/// Lists of a length that pipelines are compared on.
const PROBES: usize = 24;

type Step = (&'static str, &'static str);

fn rule(number: u32) -> Option<Rule> {
    if !OWN.contains(&number) {
        return None;
    }
    let steps = steps(number);
    let name = |place: usize| steps.get(place).map_or("none", |step| step.0);
    let text = RuleText {
        id: RuleText::id_of(&[
            ("first", &name(0), ""),
            ("second", &name(1), "none"),
            ("third", &name(2), "none"),
        ]),
        signature: "def change_list(numbers: list[int]) -> list[int]".to_owned(),
        task: task(&steps),
        parameters: vec![
            ("DEPTH", Value::int(steps.len())),
            ("FIRST", Value::str(name(0))),
            ("SECOND", Value::str(name(1))),
            ("THIRD", Value::str(name(2))),
        ],
        lowest_difficulty: 1,
    };
    let answer = |steps: Vec<Step>| {
        move |args: &[Value]| {
            let numbers = args::ints(args, 0)?;
            if numbers.len() < SHORTEST {
                return None;
            }
            let changed = run(&steps, numbers).into_iter();
            Some(Value::List(changed.map(Value::int).collect()))
        }
    };
    let without_last = steps[..steps.len() - 1].to_vec();
    let rule = Rule::new(text, Uneven::ints(0, 15, SHORTEST, 3), answer(steps));
    Some(rule.mistaken_for(answer(without_last)))
}

/// The steps with this number: one, then two, then three.
fn steps(number: u32) -> Vec<Step> {
    let (depth, place) = if number < ONE {
        (1, number.into())
    } else if number < ONE + TWO {
        (2, u64::from(number - ONE))
    } else {
        let all = u64::from(ONE).pow(3);
        (3, u64::from(number - ONE - TWO) * STRIDE % all)
    };
    let mut index = Index::new(place);
    (0..depth).map(|_| *index.pick(&STEPS)).collect()
}

/// The pipelines that no earlier one is, nor no step at all, nor hardly ever another answer than
/// one: found by what they make of short, longer and long lists.
static OWN: LazyLock<HashSet<u32>> = LazyLock::new(|| {
    let parts = [probes(5..8), probes(8..17), probes(30..35)];
    let mut known: Vec<HashSet<Vec<Vec<i64>>>> = Vec::new();
    known.extend(parts.iter().map(|lists| HashSet::from([lists.clone()])));
    let mut own = HashSet::new();
    for number in 0..FAMILY.size {
        let steps = steps(number);
        let mut is_own = true;
        for (lists, known) in parts.iter().zip(&mut known) {
            let answer = |list: &Vec<i64>| run(&steps, list.clone());
            let answers: Vec<Vec<i64>> = lists.iter().map(answer).collect();
            let different = answers.iter().collect::<HashSet<_>>().len();
            // To be new for lists of each length is to be another function at each difficulty.
            let is_new = known.insert(answers);
            is_own &= is_new && different > PROBES / 2;
        }
        if is_own {
            own.insert(number);
        }
    }
    own
});

/// Lists of numbers, each of these lengths as often as the others.
fn probes(lengths: Range<usize>) -> Vec<Vec<i64>> {
    let mut state: i64 = 1;
    let mut random = || {
        state = state * 48_271 % 2_147_483_647;
        state / 16 % 16
    };
    let lengths = lengths.cycle().take(PROBES);
    lengths
        .map(|length| (0..length).map(|_| random()).collect())
        .collect()
}

fn run(steps: &[Step], numbers: Vec<i64>) -> Vec<i64> {
    steps
        .iter()
        .fold(numbers, |list, step| changed(list, step.0))
}

fn changed(mut list: Vec<i64>, step: &str) -> Vec<i64> {
    let count = list.len();
    match step {
        "reverse" => list.reverse(),
        "sort" => list.sort_unstable(),
        "sort-down" => list.sort_unstable_by_key(|x| -x),
        "drop-1" => list = list.split_off(count.min(1)),
        "drop-2" => list = list.split_off(count.min(2)),
        "drop-last" => list.truncate(count.saturating_sub(1)),
        "take-3" => list.truncate(3),
        "last-3" => list = list.split_off(count.saturating_sub(3)),
        "left-1" => list.rotate_left(count.min(1)),
        "left-2" => list.rotate_left(count.min(2)),
        "right-1" => list.rotate_right(count.min(1)),
        "dedupe" => {
            let mut seen = HashSet::new();
            list.retain(|x| seen.insert(*x));
        }
        "every-2" => list = list.into_iter().step_by(2).collect(),
        "even" => list.retain(|x| x % 2 == 0),
        "odd" => list.retain(|x| x % 2 != 0),
        "double" => list.iter_mut().for_each(|x| *x *= 2),
        "plus-place" => (0..).zip(&mut list).for_each(|(place, x)| *x += place),
        "sums" => {
            let mut sum = 0;
            for x in &mut list {
                sum += *x;
                *x = sum;
            }
        }
        "differences" => list = list.windows(2).map(|pair| pair[1] - pair[0]).collect(),
        _ => list.extend_from_within(..),
    }
    if step == "mirror" {
        list[count..].reverse();
    }
    list
}

fn task(steps: &[Step]) -> String {
    let last = "Return the resulting list.";
    match steps {
        [(_, only)] => format!("{only} {last}"),
        _ => {
            let mut task =
                "Change the list in steps, each with the result of the step before.".to_owned();
            for (number, (_, words)) in (1..).zip(steps) {
                task += &format!(" Step {number}: {words}");
            }
            format!("{task} {last}")
        }
    }
}
