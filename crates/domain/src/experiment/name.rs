//! What experiments may be called, and what may be written on them.

use super::invalid::Invalid;

/// How many tags an experiment may have.
pub const MAX_TAGS: usize = 32;
const MAX_BYTES: usize = 64;

/// A name must be good for a folder, and for the command line: there a `-` begins a flag, and names
/// come before ids.
pub fn check_name(name: &str) -> Result<(), Invalid> {
    if !is_word(name) {
        return Err(invalid("name", name, WORD));
    }
    if uuid::Uuid::try_parse(name).is_ok() {
        let fix = "it reads as an id and could hide the experiment that has it; use a word";
        return Err(invalid("name", name, fix));
    }
    Ok(())
}

/// A tag is written as a name is.
pub fn check_tag(tag: &str) -> Result<(), Invalid> {
    if is_word(tag) {
        Ok(())
    } else {
        Err(invalid("tag", tag, WORD))
    }
}

const WORD: &str = "use 1 to 64 letters, digits, `-`, `_` or `.`, not starting with `-` or `.`";

fn is_word(text: &str) -> bool {
    let legal = |ch: char| ch.is_ascii_alphanumeric() || "-_.".contains(ch);
    (1..=MAX_BYTES).contains(&text.len())
        && text.chars().all(legal)
        && !text.starts_with(['.', '-'])
}

fn invalid(key: &'static str, value: &str, fix: &str) -> Invalid {
    Invalid {
        key,
        value: format!("\"{value}\""),
        fix: fix.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_tags_are_words() {
        for word in ["a", "A-1_b.c", "x".repeat(64).as_str()] {
            assert_eq!((check_name(word), check_tag(word)), (Ok(()), Ok(())));
        }
        for no_word in [
            "",
            "-a",
            ".a",
            "a b",
            "a/b",
            "ä",
            "a\0",
            "x".repeat(65).as_str(),
        ] {
            let refused = check_name(no_word).unwrap_err().to_string();
            assert!(refused.starts_with("`name` = \""), "{refused}");
            let refused = check_tag(no_word).unwrap_err().to_string();
            assert!(refused.starts_with("`tag` = \""), "{refused}");
        }
        let id = "0198c0de-0000-7000-8000-000000000001";
        assert!(check_name(id).unwrap_err().fix.contains("reads as an id"));
        assert_eq!(check_tag(id), Ok(()));
    }
}
