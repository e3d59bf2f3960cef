//! Draws cases of a rule from the bucket of a split, none of them twice.

use std::collections::HashSet;

use groklab_domain::Split;
use num_bigint::BigUint;
use rand_chacha::ChaCha8Rng;

use crate::{
    bucket::{canonical, split_of},
    catalog::Folder,
    error::Error,
    family::{Drawn, Rule},
    index::Index,
    inputs::Class,
};

/// Random draws before a space is walked through instead; one too large for that then counts as
/// used up.
const DRAWS: u32 = 200_000;
/// Spaces up to this many indices are walked through: many more than are counted, since only the
/// last cases need it.
const WALKED: u32 = 1 << 22;

/// Cases of a part so far: rules by their numbers, cases by their hashes.
#[derive(Default)]
pub(crate) struct Seen(HashSet<(u32, [u8; 16])>);

impl Seen {
    fn key(rule: u32, canonical: &str) -> (u32, [u8; 16]) {
        let hash = blake3::hash(canonical.as_bytes());
        let half = hash.as_bytes()[..16].try_into();
        (rule, half.expect("a blake3 hash has 32 bytes"))
    }
}

/// Draws the cases of one problem.
pub(crate) struct Draw<'a> {
    pub folder: &'static Folder,
    pub rule: &'a Rule,
    /// The rule's number in its family.
    pub number: u32,
    pub difficulty: u8,
    pub split: Split,
    pub rng: ChaCha8Rng,
    pub seen: &'a mut Seen,
}

/// A case with its canonical form.
pub(crate) type Fitting = (Drawn, String);

impl Draw<'_> {
    /// A new case of the class and the split: the first of `tries` that is worth `wanted`, else the
    /// best of those that were seen.
    pub fn next(
        &mut self,
        class: Class,
        (tries, wanted): (u32, usize),
        worth: impl Fn(&Drawn) -> usize,
    ) -> Result<Fitting, Error> {
        let size = self.rule.inputs.size(self.difficulty, class);
        let (mut found, mut best) = (None, 0);
        for _ in 0..tries {
            let Some(next) = self.fitting_at_random(class, &size) else {
                break;
            };
            let value = worth(&next.0);
            if found.is_none() || value > best {
                (found, best) = (Some(next), value);
            }
            if best >= wanted {
                break;
            }
        }
        // At random as long as that finds something, for a walk always takes the first that are
        // left.
        let found = found
            .or_else(|| self.walk(class, &size))
            .ok_or_else(|| self.used_up(class, &size))?;
        self.seen.0.insert(Seen::key(self.number, &found.1));
        Ok(found)
    }

    fn fitting_at_random(&mut self, class: Class, size: &BigUint) -> Option<Fitting> {
        if *size == BigUint::ZERO {
            return None;
        }
        for _ in 0..DRAWS {
            let index = Index::random(size, &mut self.rng);
            if let Some(found) = self.fitting(class, index) {
                return Some(found);
            }
        }
        None
    }

    /// The first case that is left, if the space is small enough to look at all of it.
    fn walk(&self, class: Class, size: &BigUint) -> Option<Fitting> {
        (0..walkable(size)?).find_map(|i| self.fitting(class, Index::new(i)))
    }

    fn used_up(&self, class: Class, size: &BigUint) -> Error {
        let number = self.number;
        let of_rule = self.seen.0.iter().filter(|(rule, _)| *rule == number);
        Error::UsedUp {
            split: self.split,
            family: self.folder.name(),
            rule: self.rule.text.id.clone(),
            difficulty: self.difficulty,
            class,
            taken: of_rule.count(),
            tries: DRAWS + walkable(size).unwrap_or(0),
        }
    }

    fn fitting(&self, class: Class, mut index: Index) -> Option<Fitting> {
        let rule = self.rule;
        // The cheapest tests first: this runs for every index that is tried.
        let args = rule.inputs.draw(self.difficulty, class, &mut index)?;
        let canonical = canonical(rule, &args);
        if split_of(self.folder.name(), &rule.text.id, &canonical) != self.split {
            return None;
        }
        if self.seen.0.contains(&Seen::key(self.number, &canonical)) {
            return None;
        }
        let expected = rule.answer(&args)?;
        Some((Drawn { args, expected }, canonical))
    }
}

/// The size, if the space is small enough to be walked through.
fn walkable(size: &BigUint) -> Option<u32> {
    u32::try_from(size).ok().filter(|size| *size <= WALKED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        family::{Family, RuleText, Unit},
        inputs::Inputs,
        python::Python,
    };
    use groklab_domain::Value;
    use rand_chacha::rand_core::SeedableRng;

    /// A space of a million indices with a single case.
    struct Hay;

    const PLACE: u32 = 1_000_000;

    impl Inputs for Hay {
        fn size(&self, _: u8, _: Class) -> BigUint {
            BigUint::from(PLACE + 1)
        }

        fn draw(&self, _: u8, _: Class, index: &mut Index) -> Option<Vec<Value>> {
            (*index == Index::new(PLACE)).then(|| vec![Value::int(1)])
        }
    }

    fn needle(_: u32) -> Option<Rule> {
        let text = RuleText {
            id: "needle".to_owned(),
            signature: "def f(n: int) -> int".to_owned(),
            task: String::new(),
            parameters: Vec::new(),
            lowest_difficulty: 1,
        };
        Some(Rule::new(text, Hay, |args| args.first().cloned()))
    }

    const HAY: Family = Family {
        name: "hay",
        description: "",
        version: 1,
        unit: Unit::Rule,
        ordered: None,
        size: 1,
        rule: needle,
    };

    static FOLDER: Folder = Folder::new(
        "hay",
        HAY,
        Python {
            reference: "",
            wrong: &[],
            blind: &[],
        },
    );

    #[test]
    fn the_last_case_is_found_and_the_end_is_named() {
        let rule = needle(0).unwrap();
        let mut draw = Draw {
            folder: &FOLDER,
            rule: &rule,
            number: 0,
            difficulty: 1,
            split: split_of("hay", "needle", "1"),
            rng: ChaCha8Rng::from_seed([1; 32]),
            seen: &mut Seen::default(),
        };
        assert_eq!(draw.next("any", (1, 0), |_| 0).unwrap().1, "1");
        let error = draw.next("any", (1, 0), |_| 0).unwrap_err();
        let expected = matches!(
            error,
            Error::UsedUp {
                taken: 1,
                tries: 1_200_001,
                ..
            }
        );
        assert!(expected, "{error}");
    }
}
