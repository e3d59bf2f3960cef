//! Writes values in the form that `seen.rs` describes and the runner reads.

use groklab_domain::Value;

/// Appends `value`.
pub fn write_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::None => out.push(b'N'),
        Value::Bool(true) => out.push(b'T'),
        Value::Bool(false) => out.push(b'F'),
        // Python reads signed little-endian numbers of any length.
        Value::Int(n) => write_tagged_blob(b'I', &n.to_signed_bytes_le(), out),
        Value::Float(x) => {
            out.push(b'D');
            out.extend(x.to_le_bytes());
        }
        Value::Str(text) => write_tagged_blob(b'U', text.as_bytes(), out),
        Value::List(items) => write_sequence(b'L', items, out),
        Value::Tuple(items) => write_sequence(b'P', items, out),
        Value::Dict(pairs) => {
            out.push(b'M');
            out.extend(length_prefix(pairs.len()));
            for (key, value) in pairs {
                write_value(key, out);
                write_value(value, out);
            }
        }
    }
}

/// Appends the items as one list (tag `L`) or tuple (tag `P`).
pub fn write_sequence(tag: u8, items: &[Value], out: &mut Vec<u8>) {
    out.push(tag);
    out.extend(length_prefix(items.len()));
    for item in items {
        write_value(item, out);
    }
}

/// `value` alone.
pub fn encoded(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_value(value, &mut bytes);
    bytes
}

/// Appends `length (u32) | bytes`.
pub fn write_blob(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(length_prefix(bytes.len()));
    out.extend(bytes);
}

fn write_tagged_blob(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    write_blob(bytes, out);
}

/// A length as the wire has it. Lengths beyond 32 bits saturate: the other side then refuses the
/// request as cut off.
pub fn length_prefix(count: usize) -> [u8; 4] {
    u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes()
}
