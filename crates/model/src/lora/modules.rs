//! Which linears `target_modules` of an adapter's configuration chooses, as peft decides it: by the ends of their paths, by a regular
//! expression over whole paths, or all. So an adapter may touch some layers and not others.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

use super::Target;
use crate::error::{Error, Result};

/// The choice.
pub(crate) enum Modules {
    All,
    /// Names such as `q_proj`, or longer ends such as `layers.3.mlp.up_proj`.
    Ends(Vec<String>),
    Pattern(Regex),
}

impl Modules {
    /// Reads the field for a model of which at least `layers` are touched.
    ///
    /// # Errors
    /// It chooses nothing, or something that is none of the seven linears.
    pub(crate) fn read(value: &Value, layers: usize) -> Result<Self> {
        let refuse = |why: &str| Err(Error::Adapter(format!("target_modules {value} is not supported{why}")));
        let modules = match value {
            Value::String(text) if text == "all-linear" => Self::All,
            // Python matches the whole path.
            Value::String(text) => match Regex::new(&format!("^(?:{text})$")) {
                Ok(pattern) => Self::Pattern(pattern),
                Err(_) => return refuse(" (not a regular expression known here)"),
            },
            Value::Array(list) => Self::Ends(list.iter().map(|name| name.as_str().unwrap_or_default().to_owned()).collect()),
            _ => return refuse(""),
        };
        let paths: Vec<String> = places(layers).map(|(layer, target)| path(layer, target)).collect();
        if let Self::Ends(ends) = &modules
            && let Some(foreign) = ends.iter().find(|end| !paths.iter().any(|path| ends_with(path, end)))
        {
            foreign.parse::<Target>()?;
        }
        if modules.targets(layers).is_empty() { refuse(" (it matches no linear)") } else { Ok(modules) }
    }

    /// What chooses exactly `chosen` in a model of `layers`: plain names where a linear is chosen in every layer.
    pub(crate) fn of<'a>(chosen: impl Iterator<Item = &'a (usize, Target)>, layers: usize) -> Self {
        let chosen: BTreeSet<(usize, Target)> = chosen.copied().collect();
        let everywhere = |target: Target| (0..layers).all(|layer| chosen.contains(&(layer, target)));
        let end = |&(layer, target): &(usize, Target)| match everywhere(target) {
            true => target.name().to_owned(),
            false => format!("layers.{layer}.{}", target.module()),
        };
        let ends: BTreeSet<String> = chosen.iter().map(end).collect();
        Self::Ends(ends.into_iter().collect())
    }

    pub(crate) fn choose(&self, layer: usize, target: Target) -> bool {
        match self {
            Self::All => true,
            Self::Ends(ends) => ends.iter().any(|end| ends_with(&path(layer, target), end)),
            Self::Pattern(pattern) => pattern.is_match(&path(layer, target)),
        }
    }

    /// How many linears of a model of `layers` it chooses.
    pub(crate) fn count(&self, layers: usize) -> usize {
        places(layers).filter(|&(layer, target)| self.choose(layer, target)).count()
    }

    /// The linears that it chooses in at least one of `layers`, in their order.
    pub(crate) fn targets(&self, layers: usize) -> Vec<Target> {
        Target::ALL.into_iter().filter(|&target| (0..layers).any(|layer| self.choose(layer, target))).collect()
    }

    /// The list for a configuration; none unless this is a list.
    pub(crate) fn list(&self) -> Option<&[String]> {
        if let Self::Ends(ends) = self { Some(ends) } else { None }
    }
}

fn places(layers: usize) -> impl Iterator<Item = (usize, Target)> {
    (0..layers).flat_map(|layer| Target::ALL.map(|target| (layer, target)))
}

/// The path of a linear in a Hugging Face model.
fn path(layer: usize, target: Target) -> String {
    format!("model.layers.{layer}.{}", target.module())
}

/// Whether `path` is `end` or ends with it behind a dot.
fn ends_with(path: &str, end: &str) -> bool {
    path.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<Modules> {
        Modules::read(&value, 12)
    }

    #[test]
    fn ends_are_compared_at_dots() {
        let modules = read(json!(["q_proj", "mlp.up_proj", "layers.1.self_attn.v_proj"])).unwrap();
        assert_eq!(modules.targets(12), [Target::Q, Target::V, Target::Up]);
        assert!(modules.choose(1, Target::V) && !modules.choose(11, Target::V) && !modules.choose(0, Target::V));
        assert_eq!(modules.count(12), 12 + 12 + 1);
        assert!(read(json!(["proj"])).err().unwrap().to_string().contains("`proj`"));
        assert!(read(json!(["q_proj", "lm_head"])).err().unwrap().to_string().contains("`lm_head`"));
        assert!(read(json!([])).is_err());
    }

    #[test]
    fn a_pattern_matches_whole_paths() {
        let modules = read(json!(r"model\.layers\.(0|11)\.self_attn\.[qv]_proj")).unwrap();
        assert_eq!((modules.targets(12), modules.count(12), modules.count(4)), (vec![Target::Q, Target::V], 4, 2));
        assert!(read(json!("q_proj")).is_err(), "an end alone is not the whole path");
        assert_eq!(read(json!(r".*\.q_proj")).unwrap().count(12), 12);
        assert_eq!(read(json!("all-linear")).unwrap().count(12), 84);
    }

    #[test]
    fn a_choice_is_written_as_it_is_read() {
        let chosen = [(0, Target::Q), (1, Target::Q), (1, Target::Up)];
        let written = Modules::of(chosen.iter(), 2);
        assert_eq!(written.list().unwrap(), ["layers.1.mlp.up_proj", "q_proj"]);
        let again = Modules::read(&json!(written.list()), 2).unwrap();
        assert!(places(2).all(|place| again.choose(place.0, place.1) == chosen.contains(&place)));
    }
}
