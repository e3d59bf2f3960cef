//! A `.gguf` file: header, metadata, weights by their Hugging Face names. Reads versions 2 and 3,
//! little endian; every length is checked.

use std::{collections::HashMap, path::Path};

use tch::Tensor;

use super::{
    gguf_names::{hugging_face_name, stored_name},
    mapped::Mapped,
    quant::{self, Type},
};
use crate::{
    config::{Architecture, Config},
    error::{Error, Result},
};

/// A value of the metadata.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Meta {
    Integer(i64),
    Float(f64),
    Bool(bool),
    Text(String),
    /// A text that is not UTF-8.
    Bytes(Vec<u8>),
    List(Vec<Meta>),
}

pub(crate) struct Gguf {
    file: Mapped,
    metadata: HashMap<String, Meta>,
    tensors: HashMap<String, Entry>,
}

struct Entry {
    kind: Result<Type, String>,
    /// In our order: the last dimension is contiguous.
    shape: Vec<i64>,
    start: usize,
}

impl Gguf {
    /// Maps `path` and reads its header.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = Mapped::open(path)?;
        let (metadata, tensors) = read_header(&file).map_err(|reason| Error::Corrupt {
            path: path.into(),
            reason,
        })?;
        Ok(Self {
            file,
            metadata,
            tensors,
        })
    }

    pub(crate) fn meta(&self, key: &str) -> Option<&Meta> {
        self.metadata.get(key)
    }

    pub(crate) fn text(&self, key: &str) -> Result<Option<&str>> {
        self.typed(key, "a text", |value| {
            if let Meta::Text(text) = value {
                Some(text.as_str())
            } else {
                None
            }
        })
    }

    pub(crate) fn integer(&self, key: &str) -> Result<Option<i64>> {
        self.typed(key, "a whole number", |value| {
            if let Meta::Integer(number) = value {
                Some(*number)
            } else {
                None
            }
        })
    }

    pub(crate) fn float(&self, key: &str) -> Result<Option<f64>> {
        self.typed(key, "a number", |value| {
            if let Meta::Float(number) = value {
                Some(*number)
            } else {
                None
            }
        })
    }

    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>> {
        self.typed(key, "true or false", |value| {
            if let Meta::Bool(flag) = value {
                Some(*flag)
            } else {
                None
            }
        })
    }

    /// The value of `key`, if there is one; one of another type is an error, never a default.
    fn typed<'a, T>(
        &'a self,
        key: &str,
        wanted: &str,
        read: impl Fn(&'a Meta) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.meta(key) else {
            return Ok(None);
        };
        let wrong = || Error::Config {
            what: format!("`{}`", self.path().display()),
            reason: format!("`{key}`: {wanted} is wanted"),
        };
        read(value).ok_or_else(wrong).map(Some)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The Hugging Face names and the shapes of all weights that have one, in no order.
    pub(crate) fn weights(&self, config: &Config) -> Vec<(String, Vec<i64>)> {
        let tensors = self.tensors.iter();
        let named = tensors.filter_map(|(stored, entry)| {
            let name = hugging_face_name(stored, config.post_norms())?;
            Some((name, entry.shape.clone()))
        });
        named.collect()
    }

    /// Whether there is a weight of this Hugging Face name.
    pub(crate) fn has(&self, name: &str, config: &Config) -> bool {
        stored_name(name, config.post_norms())
            .is_some_and(|stored| self.tensors.contains_key(&stored))
    }

    /// Keys and values of the metadata, in no order.
    pub(super) fn metadata(&self) -> impl Iterator<Item = (&str, &Meta)> {
        self.metadata
            .iter()
            .map(|(key, value)| (key.as_str(), value))
    }

    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    /// The shape of the tensor that the file calls `stored`.
    pub(super) fn shape(&self, stored: &str) -> Option<&[i64]> {
        self.tensors.get(stored).map(|entry| entry.shape.as_slice())
    }

    /// The tensor that the file calls `stored`, dequantised to float32.
    pub(crate) fn stored(&self, stored: &str) -> Result<Tensor> {
        let wrong = |reason: String| Error::Weight {
            name: stored.into(),
            reason,
        };
        let entry = self
            .tensors
            .get(stored)
            .ok_or_else(|| wrong("the file has none".into()))?;
        let kind = entry.kind.clone().map_err(|value| Error::Unsupported {
            what: "quantisation",
            value,
            supported: "F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K",
        })?;
        let (values, size) = kind.block();
        let count: i64 = entry.shape.iter().product();
        if entry
            .shape
            .last()
            .is_none_or(|width| width % values as i64 != 0)
        {
            return Err(wrong(format!(
                "it has shape {:?}, which is not whole blocks",
                entry.shape
            )));
        }
        let end = entry.start.checked_add(count as usize / values * size);
        let place = entry.start..end.unwrap_or(usize::MAX);
        let bytes = self.file.get(place.clone()).ok_or_else(|| Error::Corrupt {
            path: self.path().into(),
            reason: format!("it ends before `{stored}` does"),
        })?;
        let numbers = quant::dequantise(kind, bytes);
        self.file.let_go(place);
        Ok(Tensor::from_slice(&numbers).view(entry.shape.as_slice()))
    }

    /// The weight with this Hugging Face name, dequantised, and its name in the file; q and k of a
    /// llama come back in the order of Hugging Face's rotation.
    pub(crate) fn tensor(&self, name: &str, config: &Config) -> Result<(String, Tensor)> {
        let stored = stored_name(name, config.post_norms()).ok_or_else(|| Error::Weight {
            name: name.into(),
            reason: "has no name in a GGUF".into(),
        })?;
        let tensor = self.stored(&stored)?;
        let heads = match name.rsplit_once('.').map(|(module, _)| module) {
            Some(module) if module.ends_with("q_proj") => Some(config.heads),
            Some(module) if module.ends_with("k_proj") => Some(config.kv_heads),
            _ => None,
        };
        let permuted = heads.filter(|_| config.architecture == Architecture::Llama);
        Ok((
            stored,
            permuted.map_or(tensor.shallow_clone(), |heads| unpermute(&tensor, heads)),
        ))
    }
}

/// A llama GGUF pairs the two halves of a head's rotation row by row; Hugging Face keeps them one
/// behind the other.
fn unpermute(weight: &Tensor, heads: i64) -> Tensor {
    let size = weight.size();
    weight
        .view([heads, size[0] / heads / 2, 2, size[1]])
        .transpose(1, 2)
        .contiguous()
        .view(size.as_slice())
}

/// The other way.
pub(crate) fn permute(weight: &Tensor, heads: i64) -> Tensor {
    let size = weight.size();
    weight
        .reshape([heads, 2, size[0] / heads / 2, size[1]])
        .transpose(1, 2)
        .contiguous()
        .view(size.as_slice())
}

type Header = (HashMap<String, Meta>, HashMap<String, Entry>);

fn read_header(bytes: &[u8]) -> Result<Header, String> {
    let mut reader = Reader { bytes, at: 0 };
    if reader.take(4)? != b"GGUF" {
        return Err("it does not begin with GGUF".into());
    }
    let version = reader.u32()?;
    if !(2..=3).contains(&version) {
        return Err(format!("version {version}; versions 2 and 3 are read"));
    }
    let (tensor_count, meta_count) = (reader.u64()?, reader.u64()?);
    let mut metadata = HashMap::new();
    for _ in 0..meta_count {
        let key = reader.text()?;
        let kind = reader.u32()?;
        metadata.insert(key, reader.meta(kind)?);
    }
    let mut tensors = HashMap::new();
    for _ in 0..tensor_count {
        let (name, entry) = read_entry(&mut reader)?;
        tensors.insert(name, entry);
    }
    let alignment = if let Some(Meta::Integer(n)) = metadata.get("general.alignment") {
        usize::try_from(*n).unwrap_or(0)
    } else {
        32
    };
    let data = reader
        .at
        .checked_next_multiple_of(alignment)
        .ok_or("an alignment that makes no sense")?;
    for entry in tensors.values_mut() {
        entry.start = entry
            .start
            .checked_add(data)
            .ok_or("an offset that is too large")?;
    }
    Ok((metadata, tensors))
}

fn read_entry(reader: &mut Reader<'_>) -> Result<(String, Entry), String> {
    let name = reader.text()?;
    let dimensions = reader.u32()?;
    if dimensions > 4 {
        return Err(format!("`{name}` has {dimensions} dimensions"));
    }
    let mut shape = Vec::new();
    for _ in 0..dimensions {
        let size = i64::try_from(reader.u64()?).map_err(|_| format!("`{name}` is too large"))?;
        // GGML names the contiguous dimension first.
        shape.insert(0, size);
    }
    let product = shape
        .iter()
        .try_fold(1_i64, |product, &size| product.checked_mul(size));
    product
        // So that no count of bytes can overflow.
        .filter(|&count| count < 1 << 40)
        .ok_or_else(|| format!("`{name}` is too large"))?;
    // One that is not known is refused when its weight is read, so that the error can name it.
    let kind = Type::parse(reader.u32()?);
    let start = reader.u64()? as usize;
    Ok((name, Entry { kind, shape, start }))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(n);
        let slice = end
            .and_then(|end| self.bytes.get(self.at..end))
            .ok_or("it ends within its header")?;
        self.at += n;
        Ok(slice)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        Ok(self.take(N)?.try_into().expect("take gave N bytes"))
    }

    fn u32(&mut self) -> Result<u32, String> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, String> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn text(&mut self) -> Result<String, String> {
        let length = self.u64()? as usize;
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    fn meta(&mut self, kind: u32) -> Result<Meta, String> {
        // The numbers of the specification's `gguf_metadata_value_type`.
        Ok(match kind {
            0 => Meta::Integer(self.array::<1>()?[0].into()),
            1 => Meta::Integer(i8::from_le_bytes(self.array()?).into()),
            2 => Meta::Integer(u16::from_le_bytes(self.array()?).into()),
            3 => Meta::Integer(i16::from_le_bytes(self.array()?).into()),
            4 => Meta::Integer(self.u32()?.into()),
            5 => Meta::Integer(i32::from_le_bytes(self.array()?).into()),
            6 => Meta::Float(f32::from_le_bytes(self.array()?).into()),
            7 => Meta::Bool(self.array::<1>()?[0] != 0),
            8 => {
                let length = self.u64()? as usize;
                let bytes = self.take(length)?.to_vec();
                String::from_utf8(bytes)
                    .map_or_else(|error| Meta::Bytes(error.into_bytes()), Meta::Text)
            }
            9 => self.list()?,
            10 | 11 => Meta::Integer(i64::from_le_bytes(self.array()?)),
            12 => Meta::Float(f64::from_le_bytes(self.array()?)),
            other => return Err(format!("metadata of the unknown kind {other}")),
        })
    }

    fn list(&mut self) -> Result<Meta, String> {
        let (kind, count) = (self.u32()?, self.u64()?);
        if kind == 9 {
            return Err("a list of lists in its metadata".into());
        }
        // Memory grows with what is read, whatever the count claims.
        (0..count)
            .map(|_| self.meta(kind))
            .collect::<Result<_, _>>()
            .map(Meta::List)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_or_foreign_header_is_an_error() {
        assert!(read_header(b"GGU").is_err());
        assert!(read_header(b"NOPE0000").is_err_and(|reason| reason.contains("GGUF")));
        let mut bytes = b"GGUF\x03\0\0\0".to_vec();
        bytes.extend(u64::MAX.to_le_bytes());
        bytes.extend(u64::MAX.to_le_bytes());
        assert!(read_header(&bytes).is_err());
    }

    #[test]
    fn unpermuting_puts_the_halves_behind_each_other() {
        // Rows of one head of width 4, stored as (0, 2, 1, 3).
        let stored = Tensor::from_slice(&[0.0_f32, 2.0, 1.0, 3.0]).view([4, 1]);
        let rows = Vec::<f32>::try_from(unpermute(&stored, 1).flatten(0, -1)).unwrap();
        assert_eq!(rows, [0.0, 1.0, 2.0, 3.0]);
        // And back, with two heads of six rows.
        let weight = Tensor::arange(24, (tch::Kind::Float, tch::Device::Cpu)).view([12, 2]);
        assert_eq!(unpermute(&permute(&weight, 2), 2), weight);
    }
}
