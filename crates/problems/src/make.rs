//! An experiment's problems: planned and checked at once, made one by one as they are wanted.

use std::collections::HashSet;

use groklab_domain::{Split, experiment::Problems, grokking::UnitCounts};

use crate::{
    cases::CaseOrder,
    draw::Seen,
    enough,
    error::Error,
    part::Part,
    plan::parts,
    problem::{Problem, prompt, rule_name},
    registry::by_name,
};

/// What will be asked. Its counts are known before a problem is made.
pub struct Plan {
    spec: Problems,
    seed: u64,
    parts: Vec<Part>,
}

/// One family's share of a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    pub split: Split,
    pub family: &'static str,
    pub problems: u32,
    /// What passes or fails together among these problems.
    pub units: u32,
}

impl Plan {
    /// `seed` counts where the table names none of its own.
    ///
    /// # Errors
    /// What is wrong with `spec`: unknown or unsuitable names, versions that this build does not
    /// make, rules that test would ask and train would not, more cases than exist.
    pub fn new(spec: &Problems, seed: u64) -> Result<Self, Error> {
        let seed = spec.seed.unwrap_or(seed);
        check_versions(spec)?;
        let parts = parts(spec, seed)?;
        // All parts before any is made: a large file is refused at once, with the number of cases
        // there are.
        for part in &parts {
            enough::check(part, spec)?;
        }
        Ok(Self {
            spec: spec.clone(),
            seed,
            parts,
        })
    }

    /// How many problems and units there are, by split, then family in the order of the file.
    pub fn shares(&self) -> Vec<Share> {
        let mut shares = Vec::new();
        for part in &self.parts {
            shares.push(Share {
                split: part.split,
                family: part.folder.name(),
                problems: part.count,
                units: part.units(),
            });
        }
        shares
    }

    /// How many units each split has.
    pub fn units(&self) -> UnitCounts {
        let count = |split| {
            let of = self.parts.iter().filter(|part| part.split == split);
            of.map(|part| part.units() as usize).sum()
        };
        UnitCounts {
            train: count(Split::Train),
            val: count(Split::Val),
            test: count(Split::Test),
        }
    }

    /// The rules that training may ask, as `family/rule`; how many it asks is a matter of sizes.
    pub fn trained(&self) -> HashSet<String> {
        let mut trained = HashSet::new();
        for part in self.parts.iter().filter(|part| part.split == Split::Train) {
            for rule in &part.rules {
                trained.insert(format!("{}/{}", part.folder.name(), rule.id));
            }
        }
        trained
    }

    /// Every problem's split, in the order of the ordinals.
    pub fn splits(&self) -> Vec<Split> {
        let mut splits = Vec::new();
        for part in &self.parts {
            splits.extend(std::iter::repeat_n(part.split, part.count as usize));
        }
        splits
    }

    /// The problems, by split, then family in the order of the file, then number. Each depends on
    /// the seed, its split, rule and repetition alone, so a larger split begins with the problems
    /// of a smaller one.
    pub fn problems(&self) -> impl Iterator<Item = Result<Problem, Error>> {
        self.problems_of(|_, _| true)
    }

    /// The problems of those splits and families alone; nothing is computed for the others.
    pub fn problems_of(
        &self,
        is_wanted: impl Fn(Split, &str) -> bool,
    ) -> impl Iterator<Item = Result<Problem, Error>> {
        let mut first = 0;
        let mut wanted = Vec::new();
        for part in &self.parts {
            if is_wanted(part.split, part.folder.name()) {
                wanted.push((part, first));
            }
            first += part.count;
        }
        wanted.into_iter().flat_map(move |(part, first)| {
            // For this part alone: cases of other splits lie in other buckets, and another family's
            // rules are not this one's.
            let mut seen = Seen::default();
            (0..part.count).map(move |number| self.problem(part, first, number, &mut seen))
        })
    }

    fn problem(
        &self,
        part: &Part,
        first: u32,
        number: u32,
        seen: &mut Seen,
    ) -> Result<Problem, Error> {
        let asked = part.asks(number);
        let order = CaseOrder {
            spec: &self.spec,
            seed: self.seed,
            part,
            rule: part.folder.make(asked.rule),
            asked,
        };
        let cases = order.cases(seen)?;
        let text = order.rule.text;
        Ok(Problem {
            ordinal: first + number,
            family: part.folder.name().to_owned(),
            difficulty: order.asked.difficulty,
            split: part.split,
            prompt: prompt(&text, &cases),
            entry: text.entry().to_owned(),
            signature: text.signature,
            rule: rule_name(part.folder.family.unit, &text.id, &cases),
            cases,
        })
    }
}

/// All problems of an experiment.
///
/// # Errors
/// Those of [`Plan::new`], and cases that ran out only when they were drawn.
pub fn make(spec: &Problems, seed: u64) -> Result<Vec<Problem>, Error> {
    Plan::new(spec, seed)?.problems().collect()
}

/// Fills in the versions of the families that the file asks and holds out.
///
/// # Errors
/// An unknown family.
pub fn record_versions(spec: &mut Problems) -> Result<(), Error> {
    for name in spec.families.iter().chain(&spec.held_out) {
        let family = name
            .split_once('/')
            .map_or(name.as_str(), |(family, _)| family);
        let family = &by_name(family)?.family;
        // What the file says stays, and is checked.
        let versions = &mut spec.versions;
        versions
            .entry(family.name.to_owned())
            .or_insert(family.version);
    }
    Ok(())
}

fn check_versions(spec: &Problems) -> Result<(), Error> {
    for (name, wanted) in &spec.versions {
        let family = &by_name(name)?.family;
        // What is left of a family that is not asked any more decides nothing.
        let named = spec.families.iter().chain(&spec.held_out);
        let is_named = named
            .filter_map(|name| name.split('/').next())
            .any(|of| of == name);
        if is_named && family.version != *wanted {
            return Err(Error::Version {
                family: family.name,
                wanted: *wanted,
                built: family.version,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use groklab_domain::{
        Value,
        metrics::{ProblemRef, unit_of},
    };

    use super::*;
    use crate::{
        catalog::Folder,
        family::{Family, Rule, RuleText, Unit},
        inputs::Numbers,
        python::Python,
    };

    fn next(_: u32) -> Option<Rule> {
        let text = RuleText {
            id: "step=1".to_owned(),
            signature: "def f(n: int) -> int".to_owned(),
            task: "Return the next number.".to_owned(),
            parameters: Vec::new(),
            lowest_difficulty: 1,
        };
        let reference = |args: &[Value]| Some(Value::int(crate::args::int(args, 0)? + 1));
        Some(Rule::new(text, Numbers::LARGE, reference))
    }

    const SINGLE: Family = Family {
        name: "single",
        description: "",
        version: 1,
        unit: Unit::Problem,
        ordered: None,
        size: 1,
        rule: next,
    };

    static FOLDER: Folder = Folder::new(
        "single",
        SINGLE,
        Python {
            reference: "",
            wrong: &[],
            blind: &[],
        },
    );

    /// Units of the problems that a plan makes of so many in test, and of what it counts.
    fn units(count: u32) -> (BTreeSet<String>, usize) {
        let part = Part {
            split: Split::Test,
            folder: &FOLDER,
            rules: FOLDER.listed().iter().collect(),
            count,
            difficulty: [1, 3],
            problems_per_rule: 1,
        };
        let plan = Plan {
            spec: Problems::default(),
            seed: 1,
            parts: vec![part],
        };
        let mut units = BTreeSet::new();
        for problem in plan.problems() {
            let problem = problem.unwrap();
            assert_eq!(problem.rule_id(), "step=1");
            units.insert(unit_of(&ProblemRef {
                ordinal: problem.ordinal,
                split: problem.split,
                family: &problem.family,
                rule: &problem.rule,
            }));
        }
        (units, plan.units().test)
    }

    #[test]
    fn a_family_whose_unit_is_the_problem_has_a_unit_for_each() {
        let ((few, counted), (many, _)) = (units(5), units(12));
        assert_eq!((few.len(), counted, many.len()), (5, 5, 12));
        assert!(few.is_subset(&many));
    }
}
