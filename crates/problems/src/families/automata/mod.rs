//! Finite automata that the prompt describes: how many states, which ways between them, and what is
//! asked of a run.

use std::{collections::BTreeMap, sync::LazyLock};

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::Text,
};

pub(super) const FAMILY: Family = Family {
    name: "automata",
    description: "run a finite automaton over a string",
    version: 1,
    unit: Unit::Rule,
    ordered: Some("STATES"),
    size: (STATES.len() * MACHINES as usize * ASKED.len()) as u32,
    rule,
};

const STATES: [usize; 5] = [3, 4, 5, 6, 7];
/// Machines that are tried for each number of states.
const MACHINES: u64 = 120;
/// What is asked of a run: an id, the type, and the words for it; the last state is `{last}`.
const ASKED: [(&str, &str, &str); 3] = [
    ("end", "int", "Return the state after the last letter."),
    (
        "visits",
        "int",
        "Return after how many of the letters the machine is in state {last}.",
    ),
    (
        "path",
        "list[int]",
        "Return the list of the states after each letter, in order; the start is not in it.",
    ),
];

/// By state: where `a` leads, and where `b` does.
type Machine = Vec<[usize; 2]>;

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let (asked, kind, question) = *index.pick(&ASKED);
    let states = *index.pick(&STATES);
    let seed = index.take(MACHINES);
    // Three states can count a pattern of two letters, as `patterns` has it.
    if states == 3 && asked == "visits" {
        return None;
    }
    let machine = KNOWN.get(&(states, seed))?.clone();
    let ways: Vec<String> = machine
        .iter()
        .enumerate()
        .map(|(state, [a, b])| format!("from state {state}, a leads to {a} and b to {b}"))
        .collect();
    let last = (states - 1).to_string();
    let text = RuleText {
        id: format!("states={states},machine={seed},asked={asked}"),
        signature: format!("def run(s: str) -> {kind}"),
        task: format!(
            "A machine starts in state 0 and reads the string s of letters a and b: {}. {}",
            ways.join("; "),
            question.replace("{last}", &last)
        ),
        parameters: vec![
            ("STATES", Value::int(states)),
            ("WAYS", Value::List(machine.iter().map(row).collect())),
            ("ASKED", Value::str(asked)),
        ],
        lowest_difficulty: 1,
    };
    let exchanged: Machine = machine.iter().map(|[a, b]| [*b, *a]).collect();
    if !differ(&machine, &exchanged, asked) {
        return None;
    }
    let inputs = Text::of("ab").sized(12, 3);
    let rule = Rule::new(text, inputs, move |args| {
        answer(args::text(args, 0)?, &machine, asked)
    });
    Some(rule.mistaken_for(move |args| answer(args::text(args, 0)?, &exchanged, asked)))
}

fn row([a, b]: &[usize; 2]) -> Value {
    Value::List(vec![Value::int(*a), Value::int(*b)])
}

/// Machines by their number of states and seed, of which no two often answer alike.
static KNOWN: LazyLock<BTreeMap<(usize, u64), Machine>> = LazyLock::new(|| {
    let mut known: BTreeMap<(usize, u64), Machine> = BTreeMap::new();
    for states in STATES {
        for seed in 0..MACHINES {
            let Some(machine) = machine(states, seed) else {
                continue;
            };
            let is_new = |asked| known.values().all(|other| differ(&machine, other, asked));
            if is_new("end") && is_new("visits") {
                known.insert((states, seed), machine);
            }
        }
    }
    known
});

/// Some strings that machines are compared on.
fn strings() -> impl Iterator<Item = String> {
    (0..64u32).map(|n| {
        let mut index = Index::new(n * 67 % 4096);
        (0..12).map(|_| *index.pick(&['a', 'b'])).collect()
    })
}

/// The machine with this seed; `None` where it has states that are never reached, or that are never
/// left, or that both letters leave for the same one.
fn machine(states: usize, seed: u64) -> Option<Machine> {
    // A step of a linear congruential generator spreads neighbouring seeds.
    let random = (seed + 1).wrapping_mul(6_364_136_223_846_793_005) ^ (states as u64) << 40;
    let mut index = Index::new(random);
    let target = |index: &mut Index| usize::try_from(index.take(states as u64)).unwrap_or(0);
    let machine: Machine = (0..states)
        .map(|_| [target(&mut index), target(&mut index)])
        .collect();
    let mut reached = vec![0];
    let mut place = 0;
    while let Some(state) = reached.get(place) {
        let [a, b] = machine[*state];
        if a == b {
            return None;
        }
        for next in [a, b] {
            if !reached.contains(&next) {
                reached.push(next);
            }
        }
        place += 1;
    }
    (reached.len() == states).then_some(machine)
}

/// Whether the answers differ on a quarter of some strings at least.
fn differ(one: &Machine, other: &Machine, asked: &str) -> bool {
    let different = strings().filter(|s| answer(s, one, asked) != answer(s, other, asked));
    different.count() >= 16
}

fn answer(s: &str, machine: &Machine, asked: &str) -> Option<Value> {
    let (mut state, mut path) = (0, Vec::new());
    for letter in s.chars() {
        let place = ['a', 'b'].iter().position(|known| *known == letter)?;
        state = machine[state][place];
        path.push(state);
    }
    Some(match asked {
        "end" => Value::int(state),
        "visits" => {
            let last = machine.len() - 1;
            Value::int(path.iter().filter(|state| **state == last).count())
        }
        _ => Value::List(path.into_iter().map(Value::int).collect()),
    })
}
