//! Which linears an adapter's configuration chooses, as peft decides it
//! (`check_target_module_exists`): by the ends of their paths, by a regular expression over whole
//! paths, or all; without those that are excluded; in all layers or in some.

use std::collections::BTreeSet;

use super::{Target, pattern::Pattern};
use crate::error::{Error, Result};

/// A linear of a model: its layer, and which of the seven it is.
pub(crate) type Place = (usize, Target);

/// The choice.
pub(crate) struct Modules {
    pub targets: Choice,
    pub excluded: Option<Choice>,
    pub layers: Option<Layers>,
}

/// What `target_modules` or `exclude_modules` names.
pub(crate) enum Choice {
    All,
    /// Names such as `q_proj`, or longer ends such as `layers.3.mlp.up_proj`.
    Ends(Vec<String>),
    Pattern(Pattern),
}

/// What `layers_to_transform` and `layers_pattern` name.
pub(crate) struct Layers {
    pub numbers: Vec<usize>,
    /// What stands before a layer's number; anything does where there is none.
    pub before: Vec<Pattern>,
}

impl Modules {
    /// The linears that it chooses in a model of `layers`.
    ///
    /// # Errors
    /// It chooses nothing, or something that is none of the seven linears, or takes too long to
    /// decide.
    pub(crate) fn places(&self, layers: usize) -> Result<BTreeSet<Place>> {
        // A name that fits nothing was meant for something: it is not passed over because others
        // fit.
        self.refuse_foreign(layers)?;
        let mut chosen = BTreeSet::new();
        for place in places(layers) {
            if self
                .choose(&path(place))
                .map_err(|reason| Error::Adapter(format!("choosing linears {reason}")))?
            {
                chosen.insert(place);
            }
        }
        if chosen.is_empty() {
            Err(Error::Adapter(
                "`target_modules` matches no linear that may be chosen".into(),
            ))
        } else {
            Ok(chosen)
        }
    }

    fn refuse_foreign(&self, layers: usize) -> Result<()> {
        let Choice::Ends(ends) = &self.targets else {
            return Ok(());
        };
        let known = |end: &&String| places(layers).any(|place| ends_with(&path(place), end));
        match ends.iter().find(|end| !known(end)) {
            Some(foreign) => foreign.parse::<Target>().map(drop),
            None => Ok(()),
        }
    }

    fn choose(&self, path: &str) -> Result<bool, String> {
        if self
            .excluded
            .as_ref()
            .map_or(Ok(false), |excluded| excluded.names(path))?
        {
            return Ok(false);
        }
        match (&self.targets, &self.layers) {
            // A whole path is chosen whatever `layers_to_transform` says.
            (Choice::Ends(ends), Some(layers)) if !ends.iter().any(|end| end == path) => {
                Ok(self.targets.names(path)? && layers.contain(path)?)
            }
            (targets, _) => targets.names(path),
        }
    }
}

impl Choice {
    /// What chooses exactly `chosen` in a model of `layers`: plain names where a linear is chosen
    /// in every layer.
    pub(crate) fn ends_of(chosen: &BTreeSet<Place>, layers: usize) -> Vec<String> {
        let everywhere =
            |target: Target| (0..layers).all(|layer| chosen.contains(&(layer, target)));
        let end = |&(layer, target): &Place| match everywhere(target) {
            true => target.name().to_owned(),
            false => format!("layers.{layer}.{}", target.module()),
        };
        let ends: BTreeSet<String> = chosen.iter().map(end).collect();
        ends.into_iter().collect()
    }

    fn names(&self, path: &str) -> Result<bool, String> {
        match self {
            Self::All => Ok(true),
            Self::Ends(ends) => Ok(ends.iter().any(|end| ends_with(path, end))),
            Self::Pattern(pattern) => pattern.matches(path),
        }
    }
}

impl Layers {
    fn contain(&self, path: &str) -> Result<bool, String> {
        let number = if self.before.is_empty() {
            // The third part of `model.layers.N.…`.
            path.split('.').nth(2).map(str::to_owned)
        } else {
            self.number_behind(path)?
        };
        Ok(number
            .and_then(|number| number.parse().ok())
            .is_some_and(|number| self.numbers.contains(&number)))
    }

    /// The layer's number in `path`, as the first pattern that matches finds it.
    fn number_behind(&self, path: &str) -> Result<Option<String>, String> {
        for before in &self.before {
            if before.matches(path)? {
                return before.group(path, "idx");
            }
        }
        Ok(None)
    }
}

fn places(layers: usize) -> impl Iterator<Item = Place> {
    (0..layers).flat_map(|layer| Target::ALL.map(|target| (layer, target)))
}

/// The path of a linear in a Hugging Face model.
pub(crate) fn path((layer, target): Place) -> String {
    format!("model.layers.{layer}.{}", target.module())
}

/// Whether `path` is `end` or ends with it behind a dot.
fn ends_with(path: &str, end: &str) -> bool {
    path.strip_suffix(end)
        .is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(list: &[&str]) -> Choice {
        Choice::Ends(list.iter().map(|&end| end.to_owned()).collect())
    }

    fn pattern(text: &str) -> Choice {
        Choice::Pattern(Pattern::full(text).unwrap())
    }

    fn only(targets: Choice) -> Modules {
        Modules {
            targets,
            excluded: None,
            layers: None,
        }
    }

    fn chosen(modules: &Modules) -> Vec<Place> {
        modules.places(12).unwrap().into_iter().collect()
    }

    #[test]
    fn ends_are_compared_at_dots() {
        let places = only(ends(&[
            "q_proj",
            "mlp.up_proj",
            "layers.1.self_attn.v_proj",
        ]))
        .places(12)
        .unwrap();
        assert!(
            places.contains(&(1, Target::V))
                && !places.contains(&(11, Target::V))
                && !places.contains(&(0, Target::V))
        );
        assert_eq!(places.len(), 12 + 12 + 1);
        let refused = |list: &[&str]| only(ends(list)).places(12).unwrap_err().to_string();
        assert!(refused(&["proj"]).contains("`proj`"));
        assert!(refused(&["q_proj", "lm_head"]).contains("`lm_head`"));
        assert!(refused(&[]).contains("`target_modules`"));
    }

    #[test]
    fn a_pattern_matches_whole_paths() {
        let modules = only(pattern(r"model\.layers\.(0|11)\.self_attn\.[qv]_proj"));
        assert_eq!(
            (
                modules.places(12).unwrap().len(),
                modules.places(4).unwrap().len()
            ),
            (4, 2)
        );
        assert!(
            only(pattern("q_proj")).places(12).is_err(),
            "an end alone is not the whole path"
        );
        assert_eq!(only(pattern(r".*\.q_proj")).places(12).unwrap().len(), 12);
        assert_eq!(only(Choice::All).places(12).unwrap().len(), 84);
    }

    #[test]
    fn what_is_excluded_is_not_chosen_by_anything() {
        let without = |targets, excluded| Modules {
            targets,
            excluded: Some(excluded),
            layers: None,
        };
        assert_eq!(
            without(Choice::All, ends(&["mlp.up_proj", "q_proj"]))
                .places(12)
                .unwrap()
                .len(),
            60
        );
        assert_eq!(
            chosen(&without(ends(&["q_proj"]), pattern(r".*\.(?!3\.)\d+\..*"))),
            [(3, Target::Q)]
        );
        let whole_path = without(ends(&["model.layers.2.mlp.up_proj"]), ends(&["up_proj"]));
        assert!(whole_path.places(12).is_err());
    }

    #[test]
    fn layers_are_chosen_by_their_number() {
        let some = |targets, before: &[&str]| Modules {
            targets,
            excluded: None,
            layers: Some(Layers {
                numbers: vec![1, 10],
                before: before
                    .iter()
                    .map(|text| Pattern::layers(text).unwrap())
                    .collect(),
            }),
        };
        for before in [&[][..], &["layers"], &["h", "layers"], &["model.layers"]] {
            assert_eq!(
                chosen(&some(ends(&["q_proj"]), before)),
                [(1, Target::Q), (10, Target::Q)],
                "{before:?}"
            );
        }
        assert!(some(ends(&["q_proj"]), &["h"]).places(12).is_err());
        // A whole path is chosen whatever the layers are.
        let both = some(
            ends(&["model.layers.3.mlp.up_proj", "layers.10.mlp.up_proj"]),
            &[],
        );
        assert_eq!(chosen(&both), [(3, Target::Up), (10, Target::Up)]);
    }

    #[test]
    fn a_choice_is_written_as_it_is_read() {
        let choice = BTreeSet::from([(0, Target::Q), (1, Target::Q), (1, Target::Up)]);
        let written = Choice::ends_of(&choice, 2);
        assert_eq!(written, ["layers.1.mlp.up_proj", "q_proj"]);
        assert_eq!(only(Choice::Ends(written)).places(2).unwrap(), choice);
    }
}
