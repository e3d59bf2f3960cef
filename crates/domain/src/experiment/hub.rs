//! Models that are named as the Hugging Face hub names them.

/// The longest name that the hub gives an organisation or a model.
const MAX_NAME_BYTES: usize = 96;
/// What git allows for a reference.
const MAX_REVISION_BYTES: usize = 255;

/// Whether `source` is `organisation/name`, and nothing that could only be a path.
pub fn is_hub_id(source: &str) -> bool {
    match source.split_once('/') {
        Some((organisation, name)) => {
            // A file that is not here is a missing file, not a repository.
            is_name(organisation) && is_name(name) && !name.ends_with(".gguf")
        }
        None => false,
    }
}

fn is_name(part: &str) -> bool {
    let is_sized = !part.is_empty() && part.len() <= MAX_NAME_BYTES;
    is_sized && part.chars().all(is_name_char) && !part.starts_with('.') && !part.ends_with('.')
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.".contains(c)
}

/// Whether `text` can name a branch, a tag or a commit: it becomes part of a path and of an
/// address.
pub fn is_revision(text: &str) -> bool {
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains("..");
    let is_char = |c: char| is_name_char(c) || "/+@=".contains(c);
    text.len() <= MAX_REVISION_BYTES && text.chars().all(is_char) && text.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_two_parts() {
        for id in ["Qwen/Qwen2.5-Coder-1.5B-Instruct", "org/name", "a_b/c-d.e"] {
            assert!(is_hub_id(id), "{id}");
        }
        for other in [
            "./folder", "a/b/c", "/a", "name", "../x", "a/b.gguf", "a/b c", "a/", "~/m",
        ] {
            assert!(!is_hub_id(other), "{other}");
        }
    }

    #[test]
    fn a_revision_stays_in_its_folder() {
        for revision in ["main", "v1.0", "refs/pr/3", "feature/x", "0123abc"] {
            assert!(is_revision(revision), "{revision}");
        }
        for other in [
            "", "../x", "a/../b", "/a", "a/", "a//b", ".git", "a b", "a..b", "a?b",
        ] {
            assert!(!is_revision(other), "{other}");
        }
    }
}
