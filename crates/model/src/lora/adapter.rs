//! An adapter's two files, `adapter_config.json` and `adapter_model.safetensors`, read and written.
//! What would compute something else than LoRA is refused by name, and so is a weight that has no
//! place.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use groklab_domain::Digest;
use safetensors::{SafeTensorError, SafeTensors};
use tch::{Kind, Tensor};

use super::{
    LoraSpec, NamedTensor, Target,
    modules::{Choice, Modules, Place, path},
    peft::{self, PeftConfig},
    write_safetensors,
};
use crate::{
    config::Config,
    digest,
    error::{Error, Result},
    load::kind_of,
    model::Model,
};

/// More than any model has; a file that names a higher one is damaged or hostile.
const MOST_LAYERS: usize = 10_000;

const WEIGHTS: &str = "adapter_model.safetensors";
/// The same in Python's own format, which can run code when it is read.
const PICKLED: &str = "adapter_model.bin";

/// LoRA weights with their files. Cheap to keep: the tensors are on the CPU in float32.
pub struct Adapter {
    pub(crate) spec: LoraSpec,
    /// A `[rank, in]` and B `[out, rank]` by layer and target.
    pub(crate) weights: BTreeMap<Place, (Tensor, Tensor)>,
    /// Which linears it touches; `weights` has no others.
    modules: Modules,
    /// Whether training would move A alone.
    freezes_b: bool,
    /// The base it was made for, where its file says so.
    base: Option<Digest>,
    config_file: Vec<u8>,
    weights_file: Vec<u8>,
}

impl Adapter {
    /// Reads the contents of `adapter_config.json` and `adapter_model.safetensors`.
    ///
    /// # Errors
    /// It names the field that asks for something else than LoRA, or the weight that is not read.
    pub fn from_files(config_file: Vec<u8>, weights_file: Vec<u8>) -> Result<Self> {
        let config = PeftConfig::read(&config_file)?;
        let (_, metadata) = SafeTensors::read_metadata(&weights_file).map_err(unreadable)?;
        let base = metadata
            .metadata()
            .as_ref()
            .and_then(|map| map.get("base_digest"))
            .map(|text| text.parse::<Digest>());
        let base = base.transpose().map_err(|error| {
            Error::Adapter(format!("{WEIGHTS} is damaged (its `base_digest`: {error})"))
        })?;
        let tensors = SafeTensors::deserialize(&weights_file).map_err(unreadable)?;
        let chosen = config.modules.places(layers_in(&tensors)?)?;
        let weights = read_weights(&tensors, &chosen)?;
        let spec = config.spec(&chosen)?;
        Ok(Self {
            spec,
            weights,
            modules: config.modules,
            freezes_b: config.freezes_b,
            base,
            config_file,
            weights_file,
        })
    }

    /// Reads both files from `folder`.
    pub fn open(folder: &Path) -> Result<Self> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).map_err(|source| Error::Read { path, source })
        };
        // Beside readable weights it is only a second copy.
        if folder.join(PICKLED).exists() && !folder.join(WEIGHTS).exists() {
            let folder = folder.display();
            let why = format!(
                "`{folder}` has {PICKLED}, which is not read; open it with peft and save it again, \
                    which writes {WEIGHTS}"
            );
            return Err(Error::Adapter(why));
        }
        Self::from_files(read("adapter_config.json")?, read(WEIGHTS)?)
    }

    /// Makes the files of an adapter for `model`.
    pub(crate) fn write(
        spec: LoraSpec,
        weights: BTreeMap<Place, (Tensor, Tensor)>,
        model: &Model,
    ) -> Self {
        let base = model.base_digest();
        let ends = Choice::ends_of(&weights.keys().copied().collect(), model.config.layers);
        let config_file = peft::write(&spec, &ends, model.hub_name.as_ref());
        let named: Vec<NamedTensor<'_>> = weights
            .iter()
            .flat_map(|(&place, (a, b))| {
                let name =
                    |part: &str| format!("base_model.model.{}.lora_{part}.weight", path(place));
                [
                    NamedTensor {
                        name: name("A"),
                        tensor: a,
                    },
                    NamedTensor {
                        name: name("B"),
                        tensor: b,
                    },
                ]
            })
            .collect();
        let metadata = BTreeMap::from([
            ("base_digest", base.to_string()),
            ("format", "pt".to_owned()),
        ]);
        let weights_file = write_safetensors(&named, &metadata);
        let modules = Modules {
            targets: Choice::Ends(ends),
            excluded: None,
            layers: None,
        };
        Self {
            spec,
            weights,
            modules,
            freezes_b: false,
            base: Some(base),
            config_file,
            weights_file,
        }
    }

    /// The adapter's name: SHA-256 over configuration, weights and base.
    pub fn id(&self) -> Digest {
        let base = self
            .base
            .map(|digest| digest.to_string())
            .unwrap_or_default();
        digest::of_parts(
            b"groklab adapter 1",
            &[&self.config_file, &self.weights_file, base.as_bytes()],
        )
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

    /// Refuses a base it was not made for, and weights that are not exactly those of the linears it
    /// is to touch there.
    pub(crate) fn check_against(&self, model: &Model) -> Result<()> {
        self.check_base(&model.config, model.base_digest())
    }

    /// The same for a base of these sizes and this digest.
    pub(crate) fn check_base(&self, config: &Config, digest: Digest) -> Result<()> {
        if let Some(adapter) = self.base.filter(|base| *base != digest) {
            return Err(Error::OtherBase {
                adapter,
                model: digest,
            });
        }
        // The file was read as if there were no more layers than it names; here the model says how
        // many there are.
        let expected = self.modules.places(config.layers)?.len();
        if self.weights.len() != expected {
            return Err(Error::Adapter(format!(
                "it has {} pairs of weights, the model needs {expected}",
                self.weights.len()
            )));
        }
        self.weights
            .iter()
            .try_for_each(|(&place, (a, b))| check_shapes(place, a, b, &self.spec, config))
    }

    /// Refuses to be trained on where training moves less than A and B.
    pub(crate) fn check_trainable(&self) -> Result<()> {
        if self.freezes_b {
            let why = "`init_lora_weights` \"mica\" trains A alone, which is not supported; set it \
                to true to train A and B";
            return Err(Error::Adapter(why.into()));
        }
        Ok(())
    }
}

fn check_shapes(
    (layer, target): Place,
    a: &Tensor,
    b: &Tensor,
    spec: &LoraSpec,
    config: &Config,
) -> Result<()> {
    let (input, output) = target.sizes(config);
    let rank = spec.rank_at((layer, target));
    if layer >= config.layers || a.size() != [rank, input] || b.size() != [output, rank] {
        let shapes = format!(
            "{:?} and {:?} at layer {layer} {}",
            a.size(),
            b.size(),
            target.name()
        );
        return Err(Error::Adapter(format!(
            "shapes {shapes} don't fit rank {rank} and a linear of {input} to {output}"
        )));
    }
    Ok(())
}

fn unreadable(error: SafeTensorError) -> Error {
    let reason = error.to_string();
    // A type that the library has no name for.
    if reason.contains("unknown variant") {
        return Error::Adapter(format!(
            "{WEIGHTS}: a weight has a type that is not supported ({reason})"
        ));
    }
    Error::Adapter(format!("{WEIGHTS} is damaged ({reason})"))
}

/// Layers that the weights speak of: one more than the highest.
fn layers_in(tensors: &SafeTensors<'_>) -> Result<usize> {
    let named = tensors
        .names()
        .into_iter()
        .filter_map(|name| parse_name(name).map(|(layer, ..)| (layer, name)));
    match named.max() {
        Some((layer, name)) if layer >= MOST_LAYERS => Err(Error::Adapter(format!(
            "weight `{name}`: no model has so many layers"
        ))),
        highest => Ok(highest.map_or(1, |(layer, _)| layer + 1)),
    }
}

/// The pairs of the linears in `chosen`, in float32.
fn read_weights(
    tensors: &SafeTensors<'_>,
    chosen: &BTreeSet<Place>,
) -> Result<BTreeMap<Place, (Tensor, Tensor)>> {
    let refuse = |name: &str, why: &str| Error::Adapter(format!("weight `{name}` {why}"));
    let mut names = tensors.names();
    // So that of several faults the same is named every time.
    names.sort_unstable();
    let mut halves = BTreeMap::new();
    for name in names {
        let (layer, target, is_b) = parse_name(name)
            .filter(|&(layer, target, _)| chosen.contains(&(layer, target)))
            .ok_or_else(|| refuse(name, "belongs to none of the targets"))?;
        let view = tensors
            .tensor(name)
            .map_err(|error| refuse(name, &format!("cannot be read ({error})")))?;
        let dtype = view.dtype();
        let kind = kind_of(dtype).ok_or_else(|| {
            refuse(
                name,
                &format!("has the type {dtype}, which is not supported; supported: F32, F16, BF16"),
            )
        })?;
        let shape: Vec<i64> = view.shape().iter().map(|&n| n as i64).collect();
        let tensor = Tensor::from_data_size(view.data(), &shape, kind).to_kind(Kind::Float);
        // `lora_A.weight` and `lora_A.default.weight` name the same half.
        if halves.insert((layer, target, is_b), tensor).is_some() {
            return Err(refuse(name, "is there a second time under another name"));
        }
    }
    let mut pairs = BTreeMap::new();
    // An A sorts before its B: a B that comes first has none.
    while let Some(((layer, target, is_b), a)) = halves.pop_first() {
        let b = if is_b {
            None
        } else {
            halves.remove(&(layer, target, true))
        };
        let b = b.ok_or_else(|| {
            Error::Adapter(format!(
                "layer {layer} {} has only one of A and B",
                target.name()
            ))
        })?;
        pairs.insert((layer, target), (a, b));
    }
    Ok(pairs)
}

/// Layer, target, and whether it is B, from peft's name of a weight. State dicts that were saved as
/// they are also name the adapter, which is `default` unless somebody gave it another name.
fn parse_name(name: &str) -> Option<(usize, Target, bool)> {
    let (number, rest) = name
        .strip_prefix("base_model.model.model.layers.")?
        .split_once('.')?;
    let (module, half) = rest.rsplit_once(".lora_")?;
    let is_b = match half {
        "A.weight" | "A.default.weight" => false,
        "B.weight" | "B.default.weight" => true,
        _ => return None,
    };
    let target = Target::ALL
        .into_iter()
        .find(|target| target.module() == module)?;
    let layer: usize = number.parse().ok()?;
    // Not `+1` or `01`, which peft would look for in vain.
    (layer.to_string() == number).then_some((layer, target, is_b))
}
