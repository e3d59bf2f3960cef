//! A GGUF, version 3, of a few values and float32 tensors.

/// The alignment of tensors where no key says another one.
const ALIGNMENT: usize = 32;

/// A value of the metadata.
pub(super) enum Value {
    Text(String),
    Float(f32),
    Integer(u32),
}

/// Shape in our order (the last dimension is contiguous) and numbers.
pub(super) struct Numbers {
    pub name: String,
    pub shape: Vec<i64>,
    pub values: Vec<f32>,
}

/// The bytes of a file.
pub(super) fn file(metadata: &[(&str, Value)], tensors: &[Numbers]) -> Vec<u8> {
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(3_u32.to_le_bytes());
    bytes.extend((tensors.len() as u64).to_le_bytes());
    bytes.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata {
        put_text(&mut bytes, key);
        put_value(&mut bytes, value);
    }
    let mut start = 0_usize;
    for tensor in tensors {
        put_text(&mut bytes, &tensor.name);
        bytes.extend((tensor.shape.len() as u32).to_le_bytes());
        // GGML names the contiguous dimension first.
        for size in tensor.shape.iter().rev() {
            bytes.extend(size.to_le_bytes());
        }
        const F32: u32 = 0;
        bytes.extend(F32.to_le_bytes());
        bytes.extend((start as u64).to_le_bytes());
        start = (start + 4 * tensor.values.len()).next_multiple_of(ALIGNMENT);
    }
    for tensor in tensors {
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
        bytes.extend(tensor.values.iter().flat_map(|value| value.to_le_bytes()));
    }
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
    bytes
}

/// The kind of a value and the value, by the specification's `gguf_metadata_value_type`.
fn put_value(bytes: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Integer(number) => {
            bytes.extend(4_u32.to_le_bytes());
            bytes.extend(number.to_le_bytes());
        }
        Value::Float(number) => {
            bytes.extend(6_u32.to_le_bytes());
            bytes.extend(number.to_le_bytes());
        }
        Value::Text(text) => {
            bytes.extend(8_u32.to_le_bytes());
            put_text(bytes, text);
        }
    }
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}
