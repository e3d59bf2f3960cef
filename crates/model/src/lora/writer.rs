//! Writes safetensors whose bytes depend on nothing but their content: sorted names, sorted
//! metadata.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tch::{Kind, Tensor};

/// A tensor with its name in a file.
pub(crate) struct NamedTensor<'a> {
    pub name: String,
    pub tensor: &'a Tensor,
}

/// The bytes of a file with `tensors` as float32 and `metadata`.
pub(crate) fn write_safetensors(
    tensors: &[NamedTensor<'_>],
    metadata: &BTreeMap<&str, String>,
) -> Vec<u8> {
    let sorted: BTreeMap<&str, &Tensor> = tensors
        .iter()
        .map(|named| (named.name.as_str(), named.tensor))
        .collect();
    let mut entries: BTreeMap<&str, Value> =
        BTreeMap::from([("__metadata__", sorted_object(metadata))]);
    let mut data = Vec::new();
    for (name, tensor) in sorted {
        let start = data.len();
        data.extend(float_bytes(tensor));
        entries.insert(
            name,
            json!({"data_offsets": [start, data.len()], "dtype": "F32", "shape": tensor.size()}),
        );
    }
    let mut header = serde_json::to_vec(&entries).expect("maps of texts and numbers are JSON");
    // Blanks at its end are part of the format and align what follows.
    header.resize(header.len().next_multiple_of(8), b' ');
    [
        &(header.len() as u64).to_le_bytes(),
        header.as_slice(),
        &data,
    ]
    .concat()
}

fn sorted_object(map: &BTreeMap<&str, String>) -> Value {
    Value::Object(
        map.iter()
            .map(|(key, value)| ((*key).to_owned(), Value::from(value.as_str())))
            .collect::<Map<_, _>>(),
    )
}

fn float_bytes(tensor: &Tensor) -> Vec<u8> {
    let tensor = tensor
        .detach()
        .to_device(tch::Device::Cpu)
        .to_kind(Kind::Float)
        .contiguous();
    let mut values = vec![0.0_f32; tensor.numel()];
    tensor.copy_data(&mut values, tensor.numel());
    values.into_iter().flat_map(f32::to_le_bytes).collect()
}
