//! Why an experiment's problems cannot be made. All of these are the caller's to fix, and all but
//! `UsedUp` are found before any problem is made.

use groklab_domain::Split;

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
        family: String,
        name: String,
        near: String,
        known: String,
    },
    #[error("unknown difficulty {0}: use 1 to 10")]
    Difficulty(u8),
    #[error("held_out `{name}` does not fit holdout = \"{holdout}\": name a {wanted}")]
    HeldOutLevel {
        name: String,
        holdout: &'static str,
        wanted: &'static str,
    },
    #[error("held_out `{name}`: add `{family}` to families, so that training knows the family")]
    HeldOutStranger { name: String, family: &'static str },
    #[error(
        "held_out `{family}/{rule}` is asked from difficulty {lowest} on, not at {highest} and \
            below"
    )]
    HeldOutTooHard {
        family: &'static str,
        rule: &'static str,
        lowest: u8,
        highest: u8,
    },
    #[error("`{split}` has nothing left to ask: hold out less, or add families")]
    NothingLeft { split: Split },
    #[error(
        "`{split}` would ask {wanted} rules of `{family}`, train only {trained}: raise train to at \
            least {train}, lower the highest \
         difficulty (fewer rules), or use holdout = \"rule\""
    )]
    Unseen {
        split: Split,
        family: &'static str,
        wanted: u32,
        trained: u32,
        train: u32,
    },
    #[error(
        "`{split}` wants {wanted} `{class}` cases of `{family}/{rule}` at difficulty {difficulty}, \
            there are {capacity}: ask for fewer \
         problems or cases, or widen the range of difficulty"
    )]
    Capacity {
        split: Split,
        family: &'static str,
        rule: &'static str,
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
        rule: &'static str,
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
