//! Makes an experiment's problems: plan, check that enough cases exist, then draw them from their buckets.

use std::collections::{BTreeMap, HashSet};

use groklab_domain::{Split, Value, experiment::Problems, seed};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use crate::{
    bucket::{canonical, split_of},
    capacity,
    error::Error,
    families::by_name,
    family::{Class, Family, Rule},
    index::Index,
    plan::{Part, plan},
    problem::{Case, Problem, prompt},
};

/// Draws before a small space is walked through instead, or a large one counts as used up.
const DRAWS: u32 = 200_000;
/// Draws in which a case with another answer is looked for.
const CHOOSY_DRAWS: u32 = 2_000;

/// All problems of an experiment: by split, then family in the order of `spec.families`, then number. A problem depends on the seed, its
/// split, family and number alone, so a larger split begins with the problems of a smaller one.
///
/// # Errors
/// What is wrong with `spec`: unknown or unsuitable names, rules that test would ask and train would not, more cases than exist.
pub fn make(spec: &Problems, seed: u64) -> Result<Vec<Problem>, Error> {
    for name in &spec.families {
        by_name(name)?;
    }
    let parts = plan(spec)?;
    for part in &parts {
        enough(part, spec)?;
    }
    let mut problems = Vec::new();
    for part in &parts {
        make_part(part, spec, seed, &mut problems)?;
    }
    Ok(problems)
}

/// Checks that the cases the part wants exist.
fn enough(part: &Part, spec: &Problems) -> Result<(), Error> {
    let mut wanted: BTreeMap<(&str, u8, Class), (&'static dyn Rule, u64)> = BTreeMap::new();
    for number in 0..part.count {
        let (rule, difficulty) = part.asks(number);
        for place in 0..spec.visible + spec.hidden {
            let class = class_of(rule, place);
            wanted.entry((rule.about().id, difficulty, class)).or_insert((rule, 0)).1 += 1;
        }
    }
    for ((_, difficulty, class), (rule, wanted)) in wanted {
        if !capacity::surely(rule, difficulty, class, part.split, wanted) {
            let capacity = capacity::count(part.family.name, rule, difficulty, class).of(part.split);
            if capacity < wanted {
                return Err(short(part, rule, difficulty, class, wanted, capacity));
            }
        }
    }
    Ok(())
}

fn short(part: &Part, rule: &dyn Rule, difficulty: u8, class: Class, wanted: u64, capacity: u64) -> Error {
    Error::Capacity { split: part.split, family: part.family.name, rule: rule.about().id, difficulty, class, wanted, capacity }
}

/// Cases take the rule's answer classes in turn, the visible ones first.
fn class_of(rule: &dyn Rule, place: u32) -> Class {
    let classes = rule.classes();
    classes[place as usize % classes.len()]
}

fn make_part(part: &Part, spec: &Problems, seed: u64, problems: &mut Vec<Problem>) -> Result<(), Error> {
    let mut seen = HashSet::new();
    for number in 0..part.count {
        let (rule, difficulty) = part.asks(number);
        let about = rule.about();
        let mut draw = Draw { family: part.family, rule, difficulty, split: part.split, rng: stream(seed, part, number), seen: &mut seen };
        let mut cases: Vec<Case> = Vec::new();
        for place in 0..spec.visible + spec.hidden {
            let class = class_of(rule, place);
            let avoid = if place + 1 == spec.visible + spec.hidden { same_answer(&cases) } else { None };
            let (args, expected, canonical) =
                draw.next(class, avoid).ok_or_else(|| short(part, rule, difficulty, class, 1 + u64::from(number), u64::from(number)))?;
            cases.push(Case { args, expected, visible: place < spec.visible, canonical });
        }
        problems.push(Problem {
            ordinal: u32::try_from(problems.len()).expect("submit limits the splits to 100,000 problems each"),
            family: part.family.name.to_owned(),
            rule: about.id.to_owned(),
            difficulty,
            split: part.split,
            prompt: prompt(about, &cases),
            entry: about.entry().to_owned(),
            signature: about.signature.to_owned(),
            cases,
        });
    }
    Ok(())
}

/// The answer that all cases so far share, if they do: the last case then looks for another, so that no constant is right.
fn same_answer(cases: &[Case]) -> Option<Value> {
    let (first, rest) = cases.split_first()?;
    rest.iter().all(|case| case.expected == first.expected).then(|| first.expected.clone())
}

/// The random stream of one problem: ChaCha8 with the derived seed as the first eight bytes of its key.
fn stream(seed: u64, part: &Part, number: u32) -> ChaCha8Rng {
    let parts: [&[u8]; 4] = [b"problem", part.split.as_str().as_bytes(), part.family.name.as_bytes(), &number.to_le_bytes()];
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed::derive(seed, &parts).to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// Draws the cases of one problem.
struct Draw<'a> {
    family: &'static Family,
    rule: &'static dyn Rule,
    difficulty: u8,
    split: Split,
    rng: ChaCha8Rng,
    /// Rule and canonical form of the part's cases so far.
    seen: &'a mut HashSet<(&'static str, String)>,
}

impl Draw<'_> {
    /// A new case of the class and the split: arguments, answer, canonical form. `None` when all are used up.
    fn next(&mut self, class: Class, avoid: Option<Value>) -> Option<(Vec<Value>, Value, String)> {
        let size = self.rule.size(self.difficulty, class);
        let random = (0..DRAWS).find_map(|attempt| {
            let index = Index::random(&size, &mut self.rng);
            let avoid = avoid.as_ref().filter(|_| attempt < CHOOSY_DRAWS);
            self.fitting(class, index, avoid)
        });
        let found = random.or_else(|| (0..capacity::small(&size)?).find_map(|i| self.fitting(class, Index::new(i), None)))?;
        self.seen.insert((self.rule.about().id, found.2.clone()));
        Some(found)
    }

    fn fitting(&self, class: Class, index: Index, avoid: Option<&Value>) -> Option<(Vec<Value>, Value, String)> {
        let drawn = self.rule.draw(self.difficulty, class, index)?;
        let canonical = canonical(&drawn.args);
        let id = self.rule.about().id;
        let fits = avoid != Some(&drawn.expected)
            && split_of(self.family.name, id, &canonical) == self.split
            && !self.seen.contains(&(id, canonical.clone()));
        fits.then_some((drawn.args, drawn.expected, canonical))
    }
}
