//! How many cases there are: by rule, difficulty, answer class and split. Exact where a space is
//! small enough to walk through, else a lower bound: the exact number of indices, times a share
//! measured on a fixed sample of them less six standard deviations.

use groklab_domain::Split;
use num_bigint::BigUint;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use crate::{
    bucket::{SHARES, SHARES_TOTAL, canonical, split_of},
    error::Error,
    family::Rule,
    index::Index,
    inputs::Class,
    registry::{by_name, rule_by_id},
};

/// Spaces up to this many indices are counted exactly.
const EXACT: u32 = 1 << 17;
/// Members of a class to see, and indices to try at most, for a lower bound.
// With 64 members the bound is a quarter of what there is, with 1,024 it is 81 % (`docs/log.md`).
// The first is enough for most files; where it is not, the second is asked.
const FEW: (u32, u32) = (8, 1 << 9);
const QUICK: (u32, u32) = (64, 1 << 13);
const CAREFUL: (u32, u32) = (1024, 1 << 16);

/// Cases of one rule at one difficulty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capacity {
    pub classes: Vec<ClassCapacity>,
}

/// Cases of one answer class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassCapacity {
    pub class: Class,
    /// Per split, in the order of `Split::ALL`; `u64::MAX` where there are more.
    pub cases: [u64; 4],
    /// Whether `cases` is exact, rather than a lower bound.
    pub exact: bool,
}

impl ClassCapacity {
    /// The cases that `split` may draw from.
    pub fn of(&self, split: Split) -> u64 {
        self.cases[place(split)]
    }
}

/// The cases of `family/rule` at `difficulty`, by answer class and split.
pub fn capacity(family: &str, rule: &str, difficulty: u8) -> Result<Capacity, Error> {
    let folder = by_name(family)?;
    let rule = folder.make(rule_by_id(folder, rule)?);
    if !(1..=10).contains(&difficulty) {
        return Err(Error::Difficulty(difficulty));
    }
    let mut classes: Vec<ClassCapacity> = Vec::new();
    for class in rule.inputs.classes() {
        // A class that takes more turns than others is named more than once.
        if classes.iter().all(|known| known.class != *class) {
            classes.push(count(folder.name(), &rule, difficulty, class));
        }
    }
    Ok(Capacity { classes })
}

/// Counts a class, exactly if it can.
pub(crate) fn count(family: &str, rule: &Rule, difficulty: u8, class: Class) -> ClassCapacity {
    let size = rule.inputs.size(difficulty, class);
    match small(&size) {
        Some(size) => ClassCapacity {
            class,
            cases: walk(family, rule, difficulty, class, size),
            exact: true,
        },
        None => ClassCapacity {
            class,
            cases: bound(rule, difficulty, class, &size, CAREFUL),
            exact: false,
        },
    }
}

/// Whether `split` surely has `wanted` cases of the class; cheap, and sometimes wrongly no.
pub(crate) fn surely(rule: &Rule, difficulty: u8, class: Class, split: Split, wanted: u64) -> bool {
    let size = rule.inputs.size(difficulty, class);
    // Most spaces are vast. Of indices with a twentieth of the density that eight hits suggest, as
    // many draws would find eight with one chance in 10⁸.
    let (seen, tried) = sample(rule, difficulty, class, &size, FEW);
    if seen == FEW.0 && shares(&(&size * seen / (20 * tried)))[place(split)] >= wanted {
        return true;
    }
    bound(rule, difficulty, class, &size, QUICK)[place(split)] >= wanted
}

/// The size, if the space is small enough to be walked through.
pub(crate) fn small(size: &BigUint) -> Option<u32> {
    u32::try_from(size).ok().filter(|size| *size <= EXACT)
}

fn walk(family: &str, rule: &Rule, difficulty: u8, class: Class, size: u32) -> [u64; 4] {
    let mut cases = [0; 4];
    for number in 0..size {
        let Some(drawn) = rule.draw(difficulty, class, Index::new(number)) else {
            continue;
        };
        let text = canonical(rule, &drawn.args);
        cases[place(split_of(family, &rule.text.id, &text))] += 1;
    }
    cases
}

/// A lower bound of the cases by split.
fn bound(
    rule: &Rule,
    difficulty: u8,
    class: Class,
    size: &BigUint,
    limits: (u32, u32),
) -> [u64; 4] {
    let (seen, tried) = sample(rule, difficulty, class, size, limits);
    let least = less_six_deviations(u64::from(seen));
    // Nothing is tried in an empty space.
    shares(&(size * least / u64::from(tried.max(1))))
}

/// Members of the class among random indices, and how many indices were tried: until `enough` were
/// seen or `most` tried.
fn sample(
    rule: &Rule,
    difficulty: u8,
    class: Class,
    size: &BigUint,
    (enough, most): (u32, u32),
) -> (u32, u32) {
    // Always the same draws: the client and the coordinator must come to the same answer.
    let mut rng = ChaCha8Rng::from_seed([7; 32]);
    let (mut seen, mut tried) = (0, 0);
    while seen < enough && tried < most && *size > BigUint::ZERO {
        tried += 1;
        let index = Index::random(size, &mut rng);
        seen += u32::from(rule.draw(difficulty, class, index).is_some());
    }
    (seen, tried)
}

/// How many of `total` cases surely fall into each split.
fn shares(total: &BigUint) -> [u64; 4] {
    SHARES.map(|(_, share)| {
        // How many of them fall into a split is chance once more.
        u64::try_from(total * share / SHARES_TOTAL).map_or(u64::MAX, less_six_deviations)
    })
}

/// `count` less six standard deviations of a Poisson count, at least 0.
fn less_six_deviations(count: u64) -> u64 {
    // The root rounded up: a bound that is a little too high would promise cases that there are
    // not.
    count.saturating_sub(6 * (count.isqrt() + 1))
}

fn place(split: Split) -> usize {
    SHARES
        .iter()
        .position(|(known, _)| *known == split)
        .expect("every split has a share")
}
