//! Makes an experiment's problems: plan, check that enough cases exist, then draw them from their
//! buckets.

use std::collections::{BTreeMap, HashSet};

use groklab_domain::{Split, Value, experiment::Problems, seed};
use num_bigint::BigUint;
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

/// Random draws before a space is walked through instead; one too large for that then counts as
/// used up.
const DRAWS: u32 = 200_000;
/// Spaces up to this many indices are walked through: many more than are counted, since only the
/// last cases need it.
const WALKED: u32 = 1 << 22;
/// Draws in which a case with another answer is looked for.
const CHOOSY_DRAWS: u32 = 2_000;

/// All problems of an experiment: by split, then family in the order of `spec.families`, then
/// number. A problem depends on the seed, its split, family and number alone, so a larger split
/// begins with the problems of a smaller one.
///
/// # Errors
/// What is wrong with `spec`: unknown or unsuitable names, rules that test would ask and train
/// would not, more cases than exist.
pub fn make(spec: &Problems, seed: u64) -> Result<Vec<Problem>, Error> {
    for name in &spec.families {
        by_name(name)?;
    }
    let parts = plan(spec)?;
    // All parts before any is made: a large file is refused at once, with the number of cases there
    // are.
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
            let class = class_of(rule, place, spec.visible);
            wanted
                .entry((rule.about().id, difficulty, class))
                .or_insert((rule, 0))
                .1 += 1;
        }
    }
    for ((_, difficulty, class), (rule, wanted)) in wanted {
        // The quick bound first: counting exactly takes long, and most files ask for far less than
        // there is.
        if !capacity::surely(rule, difficulty, class, part.split, wanted) {
            let capacity =
                capacity::count(part.family.name, rule, difficulty, class).of(part.split);
            if capacity < wanted {
                let (split, family, rule) = (part.split, part.family.name, rule.about().id);
                return Err(Error::Capacity {
                    split,
                    family,
                    rule,
                    difficulty,
                    class,
                    wanted,
                    capacity,
                });
            }
        }
    }
    Ok(())
}

/// Cases take the rule's answer classes in turn, the visible ones first. Hidden ones after the
/// fourth may have a turn of their own.
fn class_of(rule: &dyn Rule, place: u32, visible: u32) -> Class {
    let (classes, turn) = match (rule.further(), place.checked_sub(visible + 4)) {
        (Some(further), Some(turn)) => (further, turn),
        _ => (rule.classes(), place),
    };
    classes[turn as usize % classes.len()]
}

fn make_part(
    part: &Part,
    spec: &Problems,
    seed: u64,
    problems: &mut Vec<Problem>,
) -> Result<(), Error> {
    // For this part alone: cases of other splits lie in other buckets, and another family's rules
    // are not this one's.
    let mut seen = HashSet::new();
    for number in 0..part.count {
        let (rule, difficulty) = part.asks(number);
        let about = rule.about();
        let mut draw = Draw {
            family: part.family,
            rule,
            difficulty,
            split: part.split,
            // A stream for each problem, so that one more draw in one of them moves none of the
            // others.
            rng: stream(seed, part, number),
            seen: &mut seen,
        };
        let mut cases: Vec<Case> = Vec::new();
        for place in 0..spec.visible + spec.hidden {
            let class = class_of(rule, place, spec.visible);
            let avoid = if place + 1 == spec.visible + spec.hidden {
                // Only the last case can still tell, and it is always a hidden one.
                same_answer(&cases)
            } else {
                None
            };
            let (args, expected, canonical) = draw.next(class, avoid)?;
            cases.push(Case {
                args,
                expected,
                visible: place < spec.visible,
                canonical,
            });
        }
        problems.push(Problem {
            ordinal: u32::try_from(problems.len())
                .expect("submit limits the splits to 100,000 problems each"),
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

/// The answer that all cases so far share, if they do: the last case then looks for another, so
/// that no constant is right.
fn same_answer(cases: &[Case]) -> Option<Value> {
    let (first, rest) = cases.split_first()?;
    rest.iter()
        .all(|case| case.expected == first.expected)
        .then(|| first.expected.clone())
}

/// The random stream of one problem: ChaCha8 with the derived seed as the first eight bytes of its
/// key.
fn stream(seed: u64, part: &Part, number: u32) -> ChaCha8Rng {
    let parts: [&[u8]; 4] = [
        b"problem",
        part.split.as_str().as_bytes(),
        part.family.name.as_bytes(),
        &number.to_le_bytes(),
    ];
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed::derive(seed, &parts).to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// The size, if the space is small enough to be walked through.
fn walkable(size: &BigUint) -> Option<u32> {
    u32::try_from(size).ok().filter(|size| *size <= WALKED)
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
    /// A new case of the class and the split: arguments, answer, canonical form.
    fn next(
        &mut self,
        class: Class,
        avoid: Option<Value>,
    ) -> Result<(Vec<Value>, Value, String), Error> {
        let size = self.rule.size(self.difficulty, class);
        let random = (0..DRAWS).find_map(|attempt| {
            let index = Index::random(&size, &mut self.rng);
            // Where hardly any case has another answer, the problem is made all the same.
            let avoid = avoid.as_ref().filter(|_| attempt < CHOOSY_DRAWS);
            self.fitting(class, index, avoid)
        });
        // At random as long as that finds something, for a walk always takes the first that are
        // left.
        let found = random
            .or_else(|| self.walk(class, &size))
            .ok_or_else(|| self.used_up(class, &size))?;
        self.seen.insert((self.rule.about().id, found.2.clone()));
        Ok(found)
    }

    /// The first case that is left, if the space is small enough to look at all of it.
    fn walk(&self, class: Class, size: &BigUint) -> Option<(Vec<Value>, Value, String)> {
        (0..walkable(size)?).find_map(|i| self.fitting(class, Index::new(i), None))
    }

    fn used_up(&self, class: Class, size: &BigUint) -> Error {
        Error::UsedUp {
            split: self.split,
            family: self.family.name,
            rule: self.rule.about().id,
            difficulty: self.difficulty,
            class,
            taken: self.seen.len(),
            tries: DRAWS + walkable(size).unwrap_or(0),
        }
    }

    fn fitting(
        &self,
        class: Class,
        index: Index,
        avoid: Option<&Value>,
    ) -> Option<(Vec<Value>, Value, String)> {
        let drawn = self.rule.draw(self.difficulty, class, index)?;
        let canonical = canonical(self.rule, &drawn.args);
        let id = self.rule.about().id;
        // The cheapest test first: this runs for every index that is tried.
        let fits = avoid != Some(&drawn.expected)
            && split_of(self.family.name, id, &canonical) == self.split
            && !self.seen.contains(&(id, canonical.clone()));
        fits.then_some((drawn.args, drawn.expected, canonical))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::{Drawn, RuleText, Solutions};

    /// A space of a million indices with a single case.
    struct Needle;

    const PLACE: u32 = 1_000_000;

    impl Rule for Needle {
        fn about(&self) -> &RuleText {
            &RuleText {
                id: "needle",
                lowest_difficulty: 1,
                signature: "def f(n: int) -> int",
                task: "",
            }
        }

        fn classes(&self) -> &'static [Class] {
            &["needle"]
        }

        fn size(&self, _: u8, _: Class) -> BigUint {
            BigUint::from(PLACE + 1)
        }

        fn draw(&self, _: u8, _: Class, index: Index) -> Option<Drawn> {
            (index == Index::new(PLACE)).then(|| Drawn {
                args: vec![Value::int(1)],
                expected: Value::int(1),
            })
        }

        fn solutions(&self) -> Solutions {
            Solutions {
                reference: String::new(),
                wrong: Vec::new(),
            }
        }
    }

    static HAY: Family = Family {
        name: "hay",
        description: "",
        rules: &[&Needle],
    };

    #[test]
    fn the_last_case_is_found_and_the_end_is_named() {
        let (rng, seen) = (ChaCha8Rng::from_seed([1; 32]), &mut HashSet::new());
        let mut draw = Draw {
            family: &HAY,
            rule: &Needle,
            difficulty: 1,
            split: split_of("hay", "needle", "1"),
            rng,
            seen,
        };
        assert_eq!(draw.next("needle", None).unwrap().2, "1");
        let error = draw.next("needle", None).unwrap_err();
        assert!(
            matches!(
                error,
                Error::UsedUp {
                    taken: 1,
                    tries: 1_200_001,
                    ..
                }
            ),
            "{error}"
        );
    }
}
