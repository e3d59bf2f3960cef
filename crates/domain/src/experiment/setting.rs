//! `KEY=VALUE` on the command line: a dotted key, and a TOML value or a text without quotes.

use std::borrow::Cow;

use toml::{
    Value,
    de::{DeTable, DeValue},
};

/// `setting` as a line of TOML.
///
/// # Errors
/// It is none: what to write instead.
pub(super) fn as_toml(setting: &str) -> Result<Cow<'_, str>, String> {
    let Some((key, value)) = setting.split_once('=') else {
        return Err("write KEY=VALUE, as in train.rank=8".to_owned());
    };
    if !key.split('.').all(|part| is_bare(part.trim())) {
        return Err(format!(
            "`{key}` is no key: write names with dots between them, as in train.rank=8"
        ));
    }
    let names = key.split('.').count();
    if DeTable::parse(setting).is_ok_and(|table| says_one_value(table.get_ref(), names)) {
        return Ok(Cow::Borrowed(setting));
    }
    let text = value.trim();
    if text.starts_with(['"', '\'', '[', '{']) {
        return Err(format!(
            "`{text}` is no TOML: write a text as it is, and a list as '[\"a\", \"b\"]' (the \
             shell takes away quotes that stand in no others)"
        ));
    }
    Ok(Cow::Owned(format!(
        "{key}={}",
        Value::String(text.to_owned())
    )))
}

/// What a key may be in TOML without quotes.
fn is_bare(part: &str) -> bool {
    let is_bare_char = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !part.is_empty() && part.chars().all(is_bare_char)
}

/// Whether there is one value, at the end of a dotted key of `names`: a text with a newline in it
/// could be read as several.
fn says_one_value(table: &DeTable<'_>, names: usize) -> bool {
    match table.values().next().map(|value| value.get_ref()) {
        _ if table.len() != 1 => false,
        Some(DeValue::Table(inner)) if names > 1 => says_one_value(inner, names - 1),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_toml_is_a_text() {
        let table = [
            ("train.rank=8", "train.rank=8"),
            ("a=true", "a=true"),
            ("a=[\"x\", 1]", "a=[\"x\", 1]"),
            ("a='x'", "a='x'"),
            ("a=x", "a=\"x\""),
            ("a.b=Qwen/Qwen3-0.6B", "a.b=\"Qwen/Qwen3-0.6B\""),
            ("a= two words ", "a=\"two words\""),
            ("a=x=y", "a=\"x=y\""),
            ("a=", "a=\"\""),
            ("a=007", "a=\"007\""),
        ];
        for (setting, toml) in table {
            assert_eq!(as_toml(setting).unwrap(), toml);
        }
    }

    #[test]
    fn a_setting_sets_one_key() {
        let both = as_toml("a=1\nb=2").unwrap();
        let table: toml::Table = toml::from_str(&both).unwrap();
        assert_eq!(table["a"].as_str(), Some("1\nb=2"));
        assert_eq!(table.len(), 1);
        for wrong in [
            "a",
            "",
            "=1",
            ".a=1",
            "a.=1",
            "a b=1",
            "[a]\nb=1",
            "a=[x]",
            "a={x",
            "a=\"x",
            "#a=1",
            "a=[1]\nb=2",
            "a.b=[1]\na.c=2",
        ] {
            assert!(as_toml(wrong).is_err(), "{wrong}");
        }
    }
}
