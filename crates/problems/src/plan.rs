//! Who is asked what: each split's problems are dealt to its families, each family's to its rules.

use groklab_domain::{Holdout, Split, experiment::Problems};

use crate::{
    choose::{Chosen, choose},
    error::Error,
    named::Names,
    part::Part,
    seen_in_train,
};

/// The parts of all splits, in the order of the problems.
pub(crate) fn parts(spec: &Problems, seed: u64) -> Result<Vec<Part>, Error> {
    let [low, high] = spec.difficulty;
    if let Some(wrong) = [low, high].into_iter().find(|d| !(1..=10).contains(d)) {
        return Err(Error::Difficulty(wrong));
    }
    if low > high {
        return Err(Error::Difficulty(low));
    }
    let names = Names::read(spec)?;
    // Families are held out for val and test as well.
    if !spec.held_out.is_empty() && spec.ood == 0 && spec.holdout != Holdout::Family {
        return Err(Error::NotAsked {
            held_out: spec.held_out.clone(),
        });
    }
    let mut parts = Vec::new();
    for (split, count) in [
        (Split::Train, spec.train),
        (Split::Val, spec.val),
        (Split::Test, spec.test),
        (Split::Ood, spec.ood),
    ] {
        if count > 0 {
            let chosen = choose(spec, &names, seed, split)?;
            parts.extend(deal(spec, split, count, chosen)?);
        }
    }
    match spec.holdout {
        // `case` means other inputs of the same functions, so train must ask every rule.
        Holdout::Case => seen_in_train::rules(&parts, spec)?,
        Holdout::Composition => seen_in_train::parameters(&parts, spec)?,
        _ => {}
    }
    Ok(parts)
}

/// Deals `count` problems to the families in turn.
fn deal(
    spec: &Problems,
    split: Split,
    count: u32,
    chosen: Vec<Chosen>,
) -> Result<Vec<Part>, Error> {
    if chosen.is_empty() {
        let fix = match spec.learnable.as_slice() {
            [] => "hold out less, or add families",
            _ => {
                "none of `learnable` is among the rules that this file would train on; make a \
                 pilot of this very file"
            }
        };
        return Err(Error::NothingLeft { split, fix });
    }
    let families = u32::try_from(chosen.len()).expect("there are few families");
    let mut parts = Vec::new();
    for (i, chosen) in (0..).zip(chosen) {
        parts.push(Part {
            split,
            folder: chosen.folder,
            rules: chosen.rules,
            // What does not divide goes to the first ones, so that a larger split only adds
            // problems.
            count: count / families + u32::from(i < count % families),
            difficulty: spec.difficulty,
            problems_per_rule: spec.problems_per_rule.max(1),
        });
    }
    Ok(parts)
}
