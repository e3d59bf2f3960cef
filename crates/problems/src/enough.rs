//! Checks that the cases which a part wants exist, before any is drawn.

use std::collections::BTreeMap;

use groklab_domain::experiment::Problems;

use crate::{
    capacity::{count, surely},
    cases::class_of,
    catalog::Listed,
    error::Error,
    family::Rule,
    inputs::Class,
    part::Part,
};

/// Problems of one rule at one difficulty.
type Asked = BTreeMap<(u32, u8), (&'static Listed, u64)>;

pub(crate) fn check(part: &Part, spec: &Problems) -> Result<(), Error> {
    let mut asked = Asked::new();
    for number in 0..part.count {
        let ask = part.asks(number);
        let key = (ask.rule.index, ask.difficulty);
        asked.entry(key).or_insert((ask.rule, 0)).1 += 1;
    }
    for ((_, difficulty), (listed, problems)) in asked {
        let rule = part.folder.make(listed);
        let mut wanted: BTreeMap<Class, u64> = BTreeMap::new();
        for place in 0..spec.visible + spec.hidden {
            let class = class_of(&rule, place, spec.visible);
            *wanted.entry(class).or_default() += problems;
        }
        for (class, wanted) in wanted {
            check_class(part, &rule, difficulty, class, wanted)?;
        }
    }
    Ok(())
}

fn check_class(
    part: &Part,
    rule: &Rule,
    difficulty: u8,
    class: Class,
    wanted: u64,
) -> Result<(), Error> {
    // The quick bound first: counting exactly takes long, and most files ask for far less than
    // there is.
    if surely(rule, difficulty, class, part.split, wanted) {
        return Ok(());
    }
    let family = part.folder.name();
    let capacity = count(family, rule, difficulty, class).of(part.split);
    if capacity >= wanted {
        return Ok(());
    }
    Err(Error::Capacity {
        split: part.split,
        family,
        rule: rule.text.id.clone(),
        difficulty,
        class,
        wanted,
        capacity,
    })
}
