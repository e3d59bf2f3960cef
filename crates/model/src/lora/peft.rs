//! peft's `adapter_config.json`, read and written. Every field is read, or known not to decide what
//! is computed, or refused by its name unless it is off; a field of another type than peft's
//! `LoraConfig` gives it is an error. Compared with peft 0.21.2.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Map, Value, json};

use super::{
    LoraSpec,
    modules::{Choice, Layers, Modules, Place, path},
    pattern::Pattern,
};
use crate::{
    error::{Error, Result},
    load::HubName,
};

/// Fields that are read below.
const READ: [&str; 14] = [
    "peft_type",
    "task_type",
    "r",
    "lora_alpha",
    "lora_dropout",
    "use_rslora",
    "rank_pattern",
    "alpha_pattern",
    "target_modules",
    "exclude_modules",
    "layers_to_transform",
    "layers_pattern",
    "bias",
    "init_lora_weights",
];

/// Fields that may have any value: weights, once trained, are computed with in the same way
/// whatever they say.
const HARMLESS: [&str; 10] = [
    // Where peft finds the base. Which base is computed with is for the caller to say, and checked
    // where the weights' file names its digest.
    "base_model_name_or_path",
    "revision",
    "auto_mapping",
    // Who wrote the file.
    "peft_version",
    // Whether peft lets the weights be trained.
    "inference_mode",
    // How EVA distributed ranks before training; what came of it stands in `rank_pattern` and
    // `alpha_pattern`.
    "eva_config",
    // Speaks of `modules_to_save` and of embeddings, which are refused.
    "ensure_weight_tying",
    // Peft passes over it in files.
    "runtime_config",
    // Is used with `megatron_config` alone, which is refused.
    "megatron_core",
    // Is used with `use_qalora` alone, which is refused.
    "qalora_group_size",
];

/// What a file says about what is computed.
pub(super) struct PeftConfig {
    rank: i64,
    alpha: f64,
    dropout: f64,
    rslora: bool,
    ranks: Vec<(Pattern, i64)>,
    alphas: Vec<(Pattern, f64)>,
    pub(super) modules: Modules,
    /// Whether training moves A alone (MiCA).
    pub(super) freezes_b: bool,
}

impl PeftConfig {
    /// Reads the contents of the file.
    ///
    /// # Errors
    /// It names the field that is unknown, of another type, or asks for something else than LoRA.
    pub(super) fn read(file: &[u8]) -> Result<Self> {
        let not_json = |error: serde_json::Error| {
            Error::Adapter(format!(
                "adapter_config.json is not a JSON object ({error})"
            ))
        };
        let fields = Fields(serde_json::from_slice(file).map_err(not_json)?);
        fields.refuse_variants()?;
        if let Some(name) = ["rank_pattern", "alpha_pattern"]
            .into_iter()
            .find(|name| !matches!(fields.get(name), Value::Null | Value::Object(_)))
        {
            return Err(fields.wrong(name, "an object of patterns"));
        }
        // Read once more: serde_json's map need not keep the order of keys, and the first that
        // matches decides.
        let orders: Orders = serde_json::from_slice(file).map_err(not_json)?;
        let whole = |value: &Value| value.as_i64().filter(|&number| number > 0);
        Ok(Self {
            rank: whole(fields.get("r"))
                .ok_or_else(|| fields.wrong("r", "a whole number above 0"))?,
            alpha: fields
                .get("lora_alpha")
                .as_f64()
                .ok_or_else(|| fields.wrong("lora_alpha", "a number"))?,
            dropout: fields
                .or("lora_dropout", &json!(0.0))
                .as_f64()
                .ok_or_else(|| fields.wrong("lora_dropout", "a number"))?,
            rslora: fields
                .or("use_rslora", &json!(false))
                .as_bool()
                .ok_or_else(|| fields.wrong("use_rslora", "true or false"))?,
            ranks: fields.by_pattern(
                "rank_pattern",
                orders.rank_pattern,
                "whole numbers above 0",
                whole,
            )?,
            alphas: fields.by_pattern(
                "alpha_pattern",
                orders.alpha_pattern,
                "numbers",
                Value::as_f64,
            )?,
            modules: fields.modules()?,
            freezes_b: fields.get("init_lora_weights") == "mica",
        })
    }

    /// The shape of an adapter that touches `places`.
    pub(super) fn spec(&self, places: &BTreeSet<Place>) -> Result<LoraSpec> {
        let targets = places.iter().map(|&(_, target)| target).collect();
        let mut spec = LoraSpec {
            rslora: self.rslora,
            ..LoraSpec::plain(self.rank, self.alpha, self.dropout, targets)
        };
        for &place in places {
            let path = path(place);
            let rank = first_match(&self.ranks, &path)
                .map_err(|reason| Error::Adapter(format!("`rank_pattern` {reason}")))?;
            let alpha = first_match(&self.alphas, &path)
                .map_err(|reason| Error::Adapter(format!("`alpha_pattern` {reason}")))?;
            let own = (rank.unwrap_or(self.rank), alpha.unwrap_or(self.alpha));
            if own != (self.rank, self.alpha) {
                spec.exceptions.insert(place, own);
            }
        }
        spec.checked()
    }
}

/// The value of the first pattern that matches, as peft's `get_pattern_key` finds it.
fn first_match<T: Copy>(patterns: &[(Pattern, T)], path: &str) -> Result<Option<T>, String> {
    for (pattern, value) in patterns {
        if pattern.matches(path)? {
            return Ok(Some(*value));
        }
    }
    Ok(None)
}

/// The contents of a file for an adapter of this shape that touches what `ends` name, trained on
/// `base`: null where the hub has no name for it, as a path would mean another model, or none, on
/// another machine.
pub(super) fn write(spec: &LoraSpec, ends: &[String], base: Option<&HubName>) -> Vec<u8> {
    let commit = base.and_then(|base| base.commit);
    let mut fields: BTreeMap<&str, Value> = BTreeMap::from([
        (
            "base_model_name_or_path",
            json!(base.map(|base| base.id.as_str())),
        ),
        ("revision", json!(commit.map(|commit| commit.to_string()))),
        ("bias", json!("none")),
        ("fan_in_fan_out", json!(false)),
        ("inference_mode", json!(true)),
        ("init_lora_weights", json!(true)),
        ("lora_alpha", short(spec.alpha)),
        ("lora_dropout", json!(spec.dropout)),
        ("modules_to_save", Value::Null),
        ("peft_type", json!("LORA")),
        ("r", json!(spec.rank)),
        ("target_modules", json!(ends)),
        ("task_type", json!("CAUSAL_LM")),
        ("use_dora", json!(false)),
        ("use_rslora", json!(spec.rslora)),
    ]);
    // A whole path matches itself and no other linear's.
    let own = |entry: &dyn Fn(&(i64, f64)) -> Option<Value>| -> Map<String, Value> {
        spec.exceptions
            .iter()
            .filter_map(|(&place, own)| Some((path(place), entry(own)?)))
            .collect()
    };
    let ranks = own(&|&(rank, _)| (rank != spec.rank).then(|| json!(rank)));
    let alphas = own(&|&(_, alpha)| (alpha != spec.alpha).then(|| short(alpha)));
    for (field, map) in [("rank_pattern", ranks), ("alpha_pattern", alphas)] {
        if !map.is_empty() {
            fields.insert(field, Value::Object(map));
        }
    }
    serde_json::to_vec_pretty(&fields).expect("a map of plain values is JSON")
}

/// A number as people write it.
fn short(number: f64) -> Value {
    if number.fract() == 0.0 {
        json!(number as i64)
    } else {
        json!(number)
    }
}

/// The fields of a file.
struct Fields(Map<String, Value>);

impl Fields {
    /// The field; null where it is absent.
    fn get(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or(&Value::Null)
    }

    /// The field, or `default` where it is absent. A null stays one.
    fn or<'a>(&'a self, name: &str, default: &'a Value) -> &'a Value {
        self.0.get(name).unwrap_or(default)
    }

    fn wrong(&self, name: &str, wanted: &str) -> Error {
        match self.0.get(name) {
            Some(value) => Error::Adapter(format!(
                "adapter_config.json: `{name}` is {value}, not {wanted}"
            )),
            None => Error::Adapter(format!("adapter_config.json has no `{name}`, {wanted}")),
        }
    }

    /// Refuses what would compute something else than LoRA.
    fn refuse_variants(&self) -> Result<()> {
        let refuse = |name: &str, why: &str| {
            let value = self.get(name);
            Err(Error::Adapter(format!(
                "adapter_config.json: `{name}` {value} is not supported{why}"
            )))
        };
        if self.get("peft_type") != "LORA" {
            return refuse("peft_type", "; supported: \"LORA\"");
        }
        // Others have a head of another kind.
        if !self.get("task_type").is_null() && self.get("task_type") != "CAUSAL_LM" {
            return refuse("task_type", "; supported: \"CAUSAL_LM\"");
        }
        // Before fields that only come with it, such as `loftq_config`: this error has the reason
        // and a fix.
        if let Some(why) = why_not(self.or("init_lora_weights", &json!(true))) {
            return refuse("init_lora_weights", why);
        }
        let passed_over =
            |name: &&String| !READ.contains(&name.as_str()) && !HARMLESS.contains(&name.as_str());
        if let Some(name) = self
            .0
            .keys()
            .filter(passed_over)
            .find(|name| !is_off(self.get(name)))
        {
            return refuse(
                name,
                "; only LoRA as it was first described, and rsLoRA, are computed",
            );
        }
        if self.or("bias", &json!("none")) != "none" {
            return refuse("bias", "; supported: \"none\"");
        }
        Ok(())
    }

    fn modules(&self) -> Result<Modules> {
        let targets = match self.get("target_modules") {
            // peft leaves out the output head, so these are the seven linears of every layer.
            Value::String(text) if text.eq_ignore_ascii_case("all-linear") => Choice::All,
            _ => self.choice("target_modules")?,
        };
        let excluded = if is_off(self.get("exclude_modules")) {
            None
        } else {
            Some(self.choice("exclude_modules")?)
        };
        let layers = self.layers()?;
        if layers.is_some() && !matches!(targets, Choice::Ends(_)) {
            return Err(self.wrong(
                "target_modules",
                "a list, which `layers_to_transform` needs",
            ));
        }
        Ok(Modules {
            targets,
            excluded,
            layers,
        })
    }

    fn choice(&self, name: &str) -> Result<Choice> {
        match self.get(name) {
            Value::String(text) => Ok(Choice::Pattern(self.pattern(name, Pattern::full(text))?)),
            value => {
                Ok(Choice::Ends(texts(value).ok_or_else(|| {
                    self.wrong(name, "a text or a list of texts")
                })?))
            }
        }
    }

    fn layers(&self) -> Result<Option<Layers>> {
        let before = match self.get("layers_pattern") {
            value if is_off(value) => Vec::new(),
            Value::String(text) => vec![text.clone()],
            value => texts(value)
                .ok_or_else(|| self.wrong("layers_pattern", "a text or a list of texts"))?,
        };
        let value = self.get("layers_to_transform");
        if value.is_null() && !before.is_empty() {
            return Err(self.wrong(
                "layers_to_transform",
                "the numbers that `layers_pattern` needs",
            ));
        }
        let number = |value: &Value| {
            value
                .as_u64()
                .and_then(|number| usize::try_from(number).ok())
        };
        let numbers: Option<Vec<usize>> = match value {
            Value::Null => return Ok(None),
            Value::Array(list) if list.is_empty() => return Ok(None),
            Value::Array(list) => list.iter().map(number).collect(),
            value => number(value).map(|one| vec![one]),
        };
        let numbers = numbers.ok_or_else(|| {
            self.wrong("layers_to_transform", "a layer's number or a list of them")
        })?;
        let before = before
            .iter()
            .map(|text| self.pattern("layers_pattern", Pattern::layers(text)))
            .collect::<Result<_>>()?;
        Ok(Some(Layers { numbers, before }))
    }

    /// A field that gives values to the linears whose paths its keys match.
    fn by_pattern<T>(
        &self,
        name: &str,
        entries: Option<Ordered>,
        wanted: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Vec<(Pattern, T)>> {
        let one = |(key, value): (String, Value)| {
            let value =
                read(&value).ok_or_else(|| self.wrong(name, &format!("an object of {wanted}")))?;
            Ok((self.pattern(name, Pattern::key(&key))?, value))
        };
        entries
            .map_or(Vec::new(), |Ordered(entries)| entries)
            .into_iter()
            .map(one)
            .collect()
    }

    fn pattern(&self, name: &str, pattern: Result<Pattern, String>) -> Result<Pattern> {
        pattern.map_err(|reason| {
            self.wrong(name, &format!("a regular expression known here ({reason})"))
        })
    }
}

/// Why weights that began as `init_lora_weights` says are no adapter of the untouched base; nothing
/// where they are.
fn why_not(init: &Value) -> Option<&'static str> {
    const CONVERT: &str = ": it changes the base's weights, so that the adapter fits only the \
        changed base; save it again with peft's \
                           `path_initial_model_for_weight_conversion`, or merge it";
    const MERGE: &str = ": it changes the base's weights, so that the adapter fits only the \
        changed base; merge it with peft";
    const UNKNOWN: &str =
        "; supported: true, false, \"gaussian\", \"orthogonal\", \"eva\", \"mica\"";
    let name = match init {
        // Null is peft's false.
        Value::Null | Value::Bool(_) => return None,
        Value::String(name) => name.to_ascii_lowercase(),
        _ => return Some(UNKNOWN),
    };
    let begins = |prefix: &str| name.starts_with(prefix);
    match name.as_str() {
        "gaussian" | "orthogonal" | "eva" | "mica" => None,
        _ if begins("pissa") || begins("corda") || begins("olora") || begins("lora_ga") => {
            Some(CONVERT)
        }
        _ if begins("loftq") => Some(MERGE),
        _ => Some(UNKNOWN),
    }
}

/// Whether Python takes it for false: nothing that was asked for.
fn is_off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    value
        .as_array()?
        .iter()
        .map(|text| text.as_str().map(str::to_owned))
        .collect()
}

/// The fields of which the order of keys counts: the first pattern that matches decides.
#[derive(Deserialize)]
struct Orders {
    #[serde(default)]
    rank_pattern: Option<Ordered>,
    #[serde(default)]
    alpha_pattern: Option<Ordered>,
}

/// An object's entries as they stand in the file.
struct Ordered(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Ordered;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object of patterns")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}
