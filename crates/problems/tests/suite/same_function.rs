//! That no two rules of any families are the same function. Rules with one kind of signature that
//! answer alike on 64 shared inputs are asked again about 64 inputs of each; those that answer alike
//! on these too are the same.

use std::collections::{BTreeMap, HashMap, HashSet};

use groklab_domain::Value;
use groklab_problems::{Folder, Index, Rule, families};
use num_bigint::BigUint;

/// Inputs that rules are compared on.
const PROBES: usize = 64;
/// Probes that a rule of another family is tried on before all of them.
const FIRST: usize = 4;

type Args = Vec<Value>;
type Answers = Vec<Option<String>>;

/// Rules of one family with one kind of signature.
struct Kin {
    folder: &'static Folder,
    rules: Vec<Rule>,
    probes: Vec<Args>,
}

/// A number that looks random below `size`.
fn scattered(attempt: usize, size: &BigUint) -> BigUint {
    let mut bytes = [0; 128];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&attempt.to_le_bytes());
    hasher.finalize_xof().fill(&mut bytes);
    BigUint::from_bytes_le(&bytes) % size
}

/// An input of the rule, at any of its difficulties up to `highest`.
fn probe(rule: &Rule, attempt: usize, highest: u8) -> Option<Args> {
    let lowest = rule.text.lowest_difficulty;
    let span = usize::from(highest.max(lowest) - lowest) + 1;
    let difficulty = lowest + u8::try_from(attempt / 5 % span).unwrap();
    let classes = rule.inputs.classes();
    let class = classes[attempt % classes.len()];
    let size = rule.inputs.size(difficulty, class);
    let index = Index::new(scattered(attempt, &size));
    Some(rule.draw(difficulty, class, index)?.args)
}

/// Inputs of these rules in turn.
fn probes(rules: &[&Rule], highest: u8) -> Vec<Args> {
    let mut probes = Vec::new();
    for attempt in 0..100 * PROBES {
        // A large prime, so that the rules that are asked are scattered too.
        let rule = rules[attempt * 7919 % rules.len()];
        probes.extend(probe(rule, attempt, highest));
        if probes.len() == PROBES {
            break;
        }
    }
    probes
}

/// What the rule answers, as texts; illegal inputs have none.
fn answers(rule: &Rule, probes: &[Args]) -> Answers {
    let answer = |args: &Args| rule.answer(args).map(|value| value.python());
    probes.iter().map(answer).collect()
}

/// Whether the rules answer alike on inputs of both.
fn is_same(one: &Rule, other: &Rule) -> bool {
    [one, other].iter().all(|rule| {
        let probes = probes(&[rule], 10);
        answers(one, &probes) == answers(other, &probes)
    })
}

fn by_kind() -> BTreeMap<String, Vec<Kin>> {
    let mut kinds: BTreeMap<String, Vec<Kin>> = BTreeMap::new();
    for folder in families() {
        let mut by_kind: BTreeMap<String, Vec<Rule>> = BTreeMap::new();
        for rule in folder.rules() {
            by_kind.entry(rule.text.kind()).or_default().push(rule);
        }
        for (kind, rules) in by_kind {
            let probes = probes(&rules.iter().collect::<Vec<_>>(), 4);
            let kin = Kin {
                folder,
                rules,
                probes,
            };
            kinds.entry(kind).or_default().push(kin);
        }
    }
    kinds
}

/// Complains of the rules of `kin` and of the families like it that are one function.
fn compare(kin: &Kin, others: &[Kin], same: &mut Vec<String>) {
    let mut known: HashMap<Answers, Vec<&Rule>> = HashMap::new();
    let name = kin.folder.name();
    let mut complain = |one: &Rule, family: &str, other: &Rule| {
        if is_same(one, other) {
            same.push(format!(
                "{name}/{} is {family}/{}",
                one.text.id, other.text.id
            ));
        }
    };
    for rule in &kin.rules {
        let alike = known.entry(answers(rule, &kin.probes)).or_default();
        for other in alike.iter() {
            complain(other, name, rule);
        }
        alike.push(rule);
    }
    let starts: HashSet<Answers> = known
        .keys()
        .map(|answers| answers[..FIRST].to_vec())
        .collect();
    for stranger in others.iter().filter(|other| other.folder.name() != name) {
        for rule in &stranger.rules {
            // Most differ at once.
            if !starts.contains(&answers(rule, &kin.probes[..FIRST])) {
                continue;
            }
            for other in known.get(&answers(rule, &kin.probes)).into_iter().flatten() {
                complain(other, stranger.folder.name(), rule);
            }
        }
    }
}

#[test]
fn no_two_rules_are_the_same_function() {
    let mut same = Vec::new();
    for kin_of_kind in by_kind().values() {
        for kin in kin_of_kind {
            compare(kin, kin_of_kind, &mut same);
        }
    }
    let count = same.len();
    same.truncate(40);
    assert!(
        same.is_empty(),
        "{count} same functions:\n{}",
        same.join("\n")
    );
}
