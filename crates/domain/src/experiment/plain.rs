//! What serde says of a value, in the words of those who write the files: no names of Rust's types.

/// `message` in plain words. What is no message of serde's stays as it is.
pub fn plain(message: &str) -> String {
    if let Some(key) = message.strip_prefix("missing field ") {
        return format!("missing key {key}");
    }
    match wanted(message) {
        Some(wanted) => format!("use {wanted}"),
        None => message.to_owned(),
    }
}

/// What should stand there instead, where a value's type or size is wrong or its word unknown.
pub(super) fn wanted(message: &str) -> Option<String> {
    let (found, wanted) = message.split_once(", expected ")?;
    if found.starts_with("unknown variant ") {
        return Some(wanted.to_owned());
    }
    // serde gives its messages as texts alone, so they are told apart by how they begin.
    let typed = ["invalid type: ", "invalid value: ", "invalid length "]
        .iter()
        .any(|start| found.starts_with(start));
    typed.then(|| kind(wanted))
}

/// A type's name in plain words.
fn kind(name: &str) -> String {
    let plain = match name {
        "u8" => "a whole number from 0 to 255",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number, 0 or more",
        "f64" => "a number",
        "a boolean" => "true or false",
        "a string" => TEXT,
        "a sequence" => "a list in brackets",
        "a map" => "a table",
        _ if name.starts_with("struct ") => "a table",
        _ => name,
    };
    plain.to_owned()
}

pub(super) const TEXT: &str = "a text in quotes";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_named_in_plain_words() {
        let table = [
            (
                "invalid type: string \"eight\", expected u32",
                "use a whole number from 0 to 4294967295",
            ),
            (
                "invalid value: integer `-1`, expected usize",
                "use a whole number, 0 or more",
            ),
            (
                "invalid type: map, expected a string",
                "use a text in quotes",
            ),
            (
                "unknown variant `grpo`, expected `rft` or `none`",
                "use `rft` or `none`",
            ),
            (
                "unknown variant `a`, expected one of `b`, `c`, `d`",
                "use one of `b`, `c`, `d`",
            ),
            ("missing field `source`", "missing key `source`"),
            (
                "string values must be quoted, expected literal string",
                "string values must be quoted, expected literal string",
            ),
        ];
        for (message, expected) in table {
            assert_eq!(plain(message), expected);
        }
    }
}
