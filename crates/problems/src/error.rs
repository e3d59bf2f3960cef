//! Why an experiment's problems cannot be made. All of these are the caller's to fix, and all but
//! `UsedUp` and `Untold` are found before any problem is made.

use groklab_domain::{Holdout, Split};

/// What is wrong with the `[problems]` table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("unknown family `{name}`{near}; known are {known}")]
    UnknownFamily {
        name: String,
        near: String,
        known: String,
    },
    #[error("unknown rule `{name}` of `{family}`{near}; known are {known}")]
    UnknownRule {
        family: &'static str,
        name: String,
        near: String,
        known: String,
    },
    #[error("unknown difficulty {0}: use 1 to 10")]
    Difficulty(u8),
    #[error(
        "held_out `{name}` does not fit holdout = \"family\": name the family `{family}`, or use \
            holdout = \"rule\""
    )]
    HeldOutLevel { name: String, family: &'static str },
    #[error("held_out `{name}`: add `{family}` to families, so that training knows the family")]
    HeldOutStranger { name: String, family: &'static str },
    #[error(
        "{key} `{name}` is asked from difficulty {lowest} on, not at {highest} and below: raise \
            the highest difficulty, or leave it out"
    )]
    TooHard {
        key: &'static str,
        name: String,
        lowest: u8,
        highest: u8,
    },
    #[error(
        "held_out = {held_out:?} is asked by no split: set `problems.ood` too, which asks what is \
            named"
    )]
    NotAsked { held_out: Vec<String> },
    #[error(
        "learnable `{family}` is a whole family: name rules, as `{family}/rule`, or the file that \
            `grokctl pilot` wrote"
    )]
    LearnableFamily { family: &'static str },
    #[error("`{split}` has nothing left to ask: {fix}")]
    NothingLeft { split: Split, fix: &'static str },
    #[error(
        "`{split}` has none of the {of} rules of `{family}` with holdout = \"{holdout}\": leave \
            the family out, {fix}, or use holdout = \"case\""
    )]
    NoRule {
        split: Split,
        family: &'static str,
        of: usize,
        holdout: Holdout,
        fix: &'static str,
    },
    #[error(
        "holdout = \"extrapolation\" needs a parameter with an order, and `{family}` declares \
            none: leave the family out, or use holdout = \"rule\""
    )]
    NotOrdered { family: &'static str },
    #[error(
        "versions: `{family}` = {wanted}, but this build makes version {built}: use the build \
            that made it, or remove the entry and get other problems"
    )]
    Version {
        family: &'static str,
        wanted: u32,
        built: u32,
    },
    #[error(
        "`{split}` would ask {wanted} rules of `{family}`, train only {trained}: raise train to at \
            least {train}, {fewer}or use holdout = \"rule\""
    )]
    Unseen {
        split: Split,
        family: &'static str,
        wanted: usize,
        trained: usize,
        train: usize,
        /// How else to ask fewer rules, with a comma behind it, where there is a way.
        fewer: String,
    },
    #[error(
        "`{split}` would ask `{family}` with {parameter} = {value}, train never does: {fix}, or \
            use holdout = \"rule\""
    )]
    Uncovered {
        split: Split,
        family: &'static str,
        parameter: &'static str,
        value: String,
        fix: String,
    },
    #[error(
        "`{split}` has no {hidden} hidden cases of `{family}/{rule}` at difficulty {difficulty} \
            that tell it from {mistaken}: raise hidden, or widen the range of difficulty"
    )]
    Untold {
        split: Split,
        family: &'static str,
        rule: String,
        difficulty: u8,
        hidden: u32,
        mistaken: String,
    },
    #[error(
        "`{split}` wants {wanted} `{class}` cases of `{family}/{rule}` at difficulty {difficulty}, \
            there are {capacity}: ask for fewer \
         problems or cases, or widen the range of difficulty"
    )]
    Capacity {
        split: Split,
        family: &'static str,
        rule: String,
        difficulty: u8,
        class: &'static str,
        wanted: u64,
        capacity: u64,
    },
    #[error(
        "`{split}` found no `{class}` case of `{family}/{rule}` at difficulty {difficulty} that \
            the {taken} cases before it leave, in \
         {tries} tries: ask for fewer problems or cases, or widen the range of difficulty"
    )]
    UsedUp {
        split: Split,
        family: &'static str,
        rule: String,
        difficulty: u8,
        class: &'static str,
        taken: usize,
        tries: u32,
    },
}

/// The nearest known word as `, did you mean …`, or nothing where none is near.
pub(crate) fn near<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let best = known
        .map(|k| (strsim::damerau_levenshtein(word, k), k))
        .min();
    match best {
        // Beyond about a third of its letters it is another word and no slip.
        Some((distance, k)) if distance <= 1 + k.len() / 3 => format!(", did you mean `{k}`?"),
        _ => String::new(),
    }
}
