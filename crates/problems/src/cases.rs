//! The cases of one problem: visible and hidden ones, of the rule's classes in turn, and hidden
//! ones that tell the rule from what it is mistaken for.

use groklab_domain::{Value, experiment::Problems, seed};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use crate::{
    aims::{Aims, tells},
    catalog::Listed,
    draw::{Draw, Seen},
    error::Error,
    family::{Answer, Drawn, Rule},
    inputs::Class,
    part::{Asked, Part},
    problem::Case,
    siblings::{SIBLINGS, make, siblings},
};

/// Cases among which one that tells a sibling is looked for.
const CHOOSY_DRAWS: u32 = 200;
/// Cases among which one that tells a constant is looked for; nothing may stand in for it.
const CONSTANT_DRAWS: u32 = 5_000;

/// Cases take the classes in turn, the visible ones first. Hidden ones after the fourth may have a
/// turn of their own.
pub(crate) fn class_of(rule: &Rule, place: u32, visible: u32) -> Class {
    let inputs = &rule.inputs;
    let (classes, turn) = match (inputs.further(), place.checked_sub(visible + 4)) {
        (Some(further), Some(turn)) => (further, turn),
        _ => (inputs.classes(), place),
    };
    classes[turn as usize % classes.len()]
}

/// One problem whose cases are wanted.
pub(crate) struct CaseOrder<'a> {
    pub spec: &'a Problems,
    pub seed: u64,
    pub part: &'a Part,
    pub asked: Asked,
    pub rule: Rule,
}

impl CaseOrder<'_> {
    /// The cases, the visible ones first.
    pub fn cases(&self, seen: &mut Seen) -> Result<Vec<Case>, Error> {
        let (spec, part, rule) = (self.spec, self.part, &self.rule);
        let others = siblings(part.folder, self.asked.rule);
        let meant = make(part.folder, &others[..others.len().min(SIBLINGS)]);
        let mut draw = self.draw(seen);
        let mut cases = Vec::new();
        for place in 0..spec.visible {
            let class = class_of(rule, place, spec.visible);
            cases.push(case(draw.next(class, (1, 0), |_| 0)?, true));
        }
        let mut aims = Aims::new(rule, &meant, spec.hidden, shared_answer(&cases));
        let mut hidden: Vec<Drawn> = Vec::new();
        for number in 0..spec.hidden {
            let class = class_of(rule, spec.visible + number, spec.visible);
            let effort = effort(&aims, (spec.hidden - number) as usize);
            let fitting = draw.next(class, effort, |case| aims.told_by(case))?;
            aims.take(&fitting.0);
            hidden.push(fitting.0.clone());
            cases.push(case(fitting, false));
        }
        let constant_passes = spec.hidden > 1 && aims.leaves_constant();
        let mistaken = if constant_passes {
            Some("a constant".to_owned())
        } else {
            self.mistaken(&others, &hidden)
        };
        match mistaken {
            Some(mistaken) => Err(self.untold(mistaken)),
            None => Ok(cases),
        }
    }

    /// What would pass all hidden cases and should not. A sibling that answers alike on all that
    /// this problem can ask is passed over for the next.
    fn mistaken(&self, others: &[&Listed], hidden: &[Drawn]) -> Option<String> {
        let is_told = |other: &Answer| hidden.iter().any(|case| tells(other, case));
        if !self.rule.mistakes().all(is_told) {
            return Some("a usual mistake".to_owned());
        }
        let (mut told, mut untold) = (0, None);
        for other in others {
            let sibling = self.part.folder.make(other);
            if is_told(sibling.reference()) {
                told += 1;
            } else {
                untold.get_or_insert_with(|| format!("`{}`", other.id));
            }
            if told == SIBLINGS {
                return None;
            }
        }
        untold
    }

    fn draw<'s>(&'s self, seen: &'s mut Seen) -> Draw<'s> {
        Draw {
            folder: self.part.folder,
            rule: &self.rule,
            number: self.asked.rule.index,
            difficulty: self.asked.difficulty,
            split: self.part.split,
            rng: self.stream(),
            seen,
        }
    }

    fn untold(&self, mistaken: String) -> Error {
        Error::Untold {
            split: self.part.split,
            family: self.part.folder.name(),
            rule: self.rule.text.id.clone(),
            difficulty: self.asked.difficulty,
            hidden: self.spec.hidden,
            mistaken,
        }
    }

    /// The random stream of one problem: ChaCha8 with the derived seed as the first eight bytes of
    /// its key.
    fn stream(&self) -> ChaCha8Rng {
        let parts: [&[u8]; 5] = [
            b"problem",
            self.part.split.as_str().as_bytes(),
            self.part.folder.name().as_bytes(),
            self.asked.rule.id.as_bytes(),
            &self.asked.repetition.to_le_bytes(),
        ];
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed::derive(self.seed, &parts).to_le_bytes());
        ChaCha8Rng::from_seed(key)
    }
}

/// How many cases to look at for the next place, and how many aims one of them must tell. Cases are
/// taken as they come as long as enough places are left.
fn effort(aims: &Aims<'_>, places: usize) -> (u32, usize) {
    let left = aims.left();
    if left == 0 || places > left + 1 {
        return (1, 0);
    }
    let tries = if aims.leaves_constant() && places <= 2 {
        CONSTANT_DRAWS
    } else {
        CHOOSY_DRAWS
    };
    (tries, left.div_ceil(places))
}

fn case((drawn, canonical): (Drawn, String), visible: bool) -> Case {
    Case {
        args: drawn.args,
        expected: drawn.expected,
        visible,
        canonical,
    }
}

/// The answer that all cases share, if they do.
fn shared_answer(cases: &[Case]) -> Option<Value> {
    let (first, rest) = cases.split_first()?;
    let shared = rest.iter().all(|case| case.expected == first.expected);
    shared.then(|| first.expected.clone())
}
