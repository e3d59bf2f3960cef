//! An adapter's two files, `adapter_config.json` and `adapter_model.safetensors`, read and written. Variants of LoRA that would compute
//! something else (DoRA, rsLoRA, per-layer ranks, trained biases or heads) are refused by name.

use std::{collections::BTreeMap, path::Path};

use groklab_domain::Digest;
use safetensors::SafeTensors;
use serde_json::{Value, json};
use tch::{Kind, Tensor};

use super::{LoraSpec, NamedTensor, Target, modules::Modules, write_safetensors};
use crate::{
    config::Config,
    digest,
    error::{Error, Result},
    load::kind_of,
    model::Model,
};

/// More than any model has; a file that names a higher one is damaged or hostile.
const MOST_LAYERS: usize = 10_000;

/// LoRA weights with their files. Cheap to keep: the tensors are on the CPU in float32.
pub struct Adapter {
    pub(crate) spec: LoraSpec,
    /// A `[rank, in]` and B `[out, rank]` by layer and target.
    pub(crate) weights: BTreeMap<(usize, Target), (Tensor, Tensor)>,
    /// Which linears it touches; `weights` has no others.
    modules: Modules,
    /// The base it was made for, where its file says so.
    base: Option<Digest>,
    config_file: Vec<u8>,
    weights_file: Vec<u8>,
}

impl Adapter {
    /// Reads the contents of `adapter_config.json` and `adapter_model.safetensors`.
    pub fn from_files(config_file: Vec<u8>, weights_file: Vec<u8>) -> Result<Self> {
        let json: Value =
            serde_json::from_slice(&config_file).map_err(|e| Error::Adapter(format!("adapter_config.json is not JSON ({e})")))?;
        let damaged = |reason: String| Error::Adapter(format!("adapter_model.safetensors is damaged ({reason})"));
        let (_, metadata) = SafeTensors::read_metadata(&weights_file).map_err(|e| damaged(e.to_string()))?;
        let base = metadata.metadata().as_ref().and_then(|map| map.get("base_digest")).map(|text| text.parse::<Digest>());
        let base = base.transpose().map_err(|e| damaged(e.to_string()))?;
        let tensors = SafeTensors::deserialize(&weights_file).map_err(|e| damaged(e.to_string()))?;
        refuse_variants(&json)?;
        let layers = layers_in(&tensors)?;
        let modules = Modules::read(&json["target_modules"], layers)?;
        let spec = read_spec(&json, modules.targets(layers))?;
        let weights = read_weights(&tensors, &modules)?;
        Ok(Self { spec, weights, modules, base, config_file, weights_file })
    }

    /// Reads both files from `folder`.
    pub fn open(folder: &Path) -> Result<Self> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).map_err(|source| Error::Read { path, source })
        };
        Self::from_files(read("adapter_config.json")?, read("adapter_model.safetensors")?)
    }

    /// Makes the files of an adapter for `model`.
    pub(crate) fn write(spec: LoraSpec, weights: BTreeMap<(usize, Target), (Tensor, Tensor)>, model: &Model) -> Self {
        let base = model.base_digest();
        let modules = Modules::of(weights.keys(), model.config.layers);
        let config_file = write_spec(&spec, modules.list().unwrap_or_default());
        let named: Vec<NamedTensor<'_>> = weights
            .iter()
            .flat_map(|((layer, target), (a, b))| {
                let name = |part: &str| format!("base_model.model.model.layers.{layer}.{}.lora_{part}.weight", target.module());
                [NamedTensor { name: name("A"), tensor: a }, NamedTensor { name: name("B"), tensor: b }]
            })
            .collect();
        let metadata = BTreeMap::from([("base_digest", base.to_string()), ("format", "pt".to_owned())]);
        let weights_file = write_safetensors(&named, &metadata);
        Self { spec, weights, modules, base: Some(base), config_file, weights_file }
    }

    /// The adapter's name: SHA-256 over configuration, weights and base.
    pub fn id(&self) -> Digest {
        let base = self.base.map(|digest| digest.to_string()).unwrap_or_default();
        digest::of_parts(b"groklab adapter 1", &[&self.config_file, &self.weights_file, base.as_bytes()])
    }

    /// The contents of `adapter_config.json`.
    pub fn config_file(&self) -> &[u8] {
        &self.config_file
    }

    /// The contents of `adapter_model.safetensors`.
    pub fn weights_file(&self) -> &[u8] {
        &self.weights_file
    }

    /// Its shape.
    pub fn spec(&self) -> &LoraSpec {
        &self.spec
    }

    /// Refuses a base it was not made for, and weights that are not exactly those of the linears it shall touch there.
    pub(crate) fn check_against(&self, model: &Model) -> Result<()> {
        if let Some(adapter) = self.base.filter(|base| *base != model.base_digest()) {
            return Err(Error::OtherBase { adapter, model: model.base_digest() });
        }
        let expected = self.modules.count(model.config.layers);
        if self.weights.len() != expected {
            return Err(Error::Adapter(format!("it has {} pairs of weights, the model needs {expected}", self.weights.len())));
        }
        self.weights.iter().try_for_each(|(&place, (a, b))| check_shapes(place, a, b, &self.spec, &model.config))
    }
}

fn check_shapes((layer, target): (usize, Target), a: &Tensor, b: &Tensor, spec: &LoraSpec, config: &Config) -> Result<()> {
    let (input, output) = target.sizes(config);
    if layer >= config.layers || a.size() != [spec.rank, input] || b.size() != [output, spec.rank] {
        let shapes = format!("{:?} and {:?} at layer {layer} {}", a.size(), b.size(), target.name());
        return Err(Error::Adapter(format!("shapes {shapes} don't fit rank {} and a linear of {input} to {output}", spec.rank)));
    }
    Ok(())
}

/// Fields of peft's configuration that change what is computed, which are not implemented.
const REFUSED: [&str; 16] = [
    "use_dora",
    "use_rslora",
    "use_qalora",
    "use_bdlora",
    "rank_pattern",
    "alpha_pattern",
    "modules_to_save",
    "layers_to_transform",
    "layers_pattern",
    "layer_replication",
    "lora_bias",
    "fan_in_fan_out",
    "target_parameters",
    "trainable_token_indices",
    "exclude_modules",
    "alora_invocation_tokens",
];

/// Refuses what would compute something else than plain LoRA.
fn refuse_variants(json: &Value) -> Result<()> {
    let refuse = |what: &str| Err(Error::Adapter(format!("{what} is not supported")));
    if json["peft_type"] != "LORA" {
        return refuse(&format!("peft_type {}", json["peft_type"]));
    }
    let empty = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    };
    if let Some(field) = REFUSED.into_iter().find(|field| !empty(&json[*field])) {
        return refuse(&format!("{field} {}", json[field]));
    }
    if !matches!(json["bias"].as_str(), None | Some("none")) {
        return refuse(&format!("bias {}", json["bias"]));
    }
    Ok(())
}

fn read_spec(json: &Value, targets: Vec<Target>) -> Result<LoraSpec> {
    let field = |name: &str| json[name].as_f64().ok_or_else(|| Error::Adapter(format!("adapter_config.json has no number `{name}`")));
    let spec =
        LoraSpec { rank: field("r")? as i64, alpha: field("lora_alpha")?, dropout: json["lora_dropout"].as_f64().unwrap_or(0.0), targets };
    spec.checked()
}

/// Layers that the weights speak of: one more than the highest.
fn layers_in(tensors: &SafeTensors<'_>) -> Result<usize> {
    let named = tensors.names().into_iter().filter_map(|name| parse_name(name).map(|(layer, ..)| (layer, name)));
    match named.max() {
        Some((layer, name)) if layer >= MOST_LAYERS => Err(Error::Adapter(format!("weight `{name}`: no model has so many layers"))),
        highest => Ok(highest.map_or(1, |(layer, _)| layer + 1)),
    }
}

fn write_spec(spec: &LoraSpec, modules: &[String]) -> Vec<u8> {
    let alpha = if spec.alpha.fract() == 0.0 { json!(spec.alpha as i64) } else { json!(spec.alpha) };
    let fields: BTreeMap<&str, Value> = BTreeMap::from([
        ("base_model_name_or_path", Value::Null),
        ("bias", json!("none")),
        ("fan_in_fan_out", json!(false)),
        ("inference_mode", json!(true)),
        ("init_lora_weights", json!(true)),
        ("lora_alpha", alpha),
        ("lora_dropout", json!(spec.dropout)),
        ("modules_to_save", Value::Null),
        ("peft_type", json!("LORA")),
        ("r", json!(spec.rank)),
        ("target_modules", json!(modules)),
        ("task_type", json!("CAUSAL_LM")),
        ("use_dora", json!(false)),
        ("use_rslora", json!(false)),
    ]);
    serde_json::to_vec_pretty(&fields).expect("a map of plain values is JSON")
}

fn read_weights(tensors: &SafeTensors<'_>, modules: &Modules) -> Result<BTreeMap<(usize, Target), (Tensor, Tensor)>> {
    let mut halves = BTreeMap::new();
    for (name, view) in tensors.iter() {
        let place = parse_name(name).filter(|&(layer, target, _)| modules.choose(layer, target));
        let place = place.ok_or_else(|| Error::Adapter(format!("weight `{name}` belongs to none of the targets")))?;
        let kind = kind_of(view.dtype()).ok_or_else(|| Error::Adapter(format!("weight `{name}` has the type {:?}", view.dtype())))?;
        let shape: Vec<i64> = view.shape().iter().map(|&n| n as i64).collect();
        halves.insert(place, Tensor::from_data_size(view.data(), &shape, kind).to_kind(Kind::Float));
    }
    let mut pairs = BTreeMap::new();
    while let Some(((layer, target, is_b), a)) = halves.pop_first() {
        let b = if is_b { None } else { halves.remove(&(layer, target, true)) };
        let b = b.ok_or_else(|| Error::Adapter(format!("layer {layer} {} has only one of A and B", target.name())))?;
        pairs.insert((layer, target), (a, b));
    }
    Ok(pairs)
}

/// Layer, target, and whether it is B, from peft's name of a weight.
fn parse_name(name: &str) -> Option<(usize, Target, bool)> {
    let (layer, rest) = name.strip_prefix("base_model.model.model.layers.")?.split_once('.')?;
    let (module, is_b) = match rest.strip_suffix(".lora_A.weight") {
        Some(module) => (module, false),
        None => (rest.strip_suffix(".lora_B.weight")?, true),
    };
    let target = Target::ALL.into_iter().find(|target| target.module() == module)?;
    Some((layer.parse().ok()?, target, is_b))
}
