//! Regular expressions as Python's `re` understands them, for peft takes its patterns there. What
//! would be read otherwise here, or takes too long to decide, is refused with the reason.

use fancy_regex::{Regex, RegexBuilder};

/// Paths of linears have some fifty characters; a pattern that needs more attempts than this on one
/// is no description of a choice.
const MAX_BACKTRACKS: usize = 100_000;

/// A pattern, ready to be used on paths of linears.
pub(crate) struct Pattern(Regex);

impl Pattern {
    /// `text` as `re.fullmatch` takes it.
    pub(crate) fn full(text: &str) -> Result<Self, String> {
        Self::compile(text, &format!(r"\A(?:{text})\z"))
    }

    /// `text` as a key of peft's `rank_pattern` and `alpha_pattern`: the end of a path
    /// (`get_pattern_key`).
    pub(crate) fn key(text: &str) -> Result<Self, String> {
        Self::compile(text, &format!(r"\A(?:(.*\.)?({text})$)"))
    }

    /// `text` as peft's `layers_pattern`: what stands before a layer's number
    /// (`check_target_module_exists`).
    pub(crate) fn layers(text: &str) -> Result<Self, String> {
        Self::compile(text, &format!(r"\A(?:(?:^|.*?\.){text}\.(?P<idx>\d+)\.)"))
    }

    fn compile(text: &str, whole: &str) -> Result<Self, String> {
        if let Some(part) = foreign_to_python(text) {
            return Err(format!("`{part}` is not read as Python reads it"));
        }
        // Alone as well, for an unbalanced bracket must not close one of the frame's.
        Regex::new(text).map_err(|error| error.to_string())?;
        RegexBuilder::new(whole)
            .backtrack_limit(MAX_BACKTRACKS)
            .build()
            .map(Self)
            .map_err(|error| error.to_string())
    }

    pub(crate) fn matches(&self, path: &str) -> Result<bool, String> {
        self.0
            .is_match(path)
            .map_err(|error| format!("on `{path}`: {error}"))
    }

    /// What the group `name` took of `path`; nothing where the pattern doesn't match, or matches
    /// without that group.
    pub(crate) fn group(&self, path: &str, name: &str) -> Result<Option<String>, String> {
        let captures = self
            .0
            .captures(path)
            .map_err(|error| format!("on `{path}`: {error}"))?;
        Ok(captures.and_then(|captures| Some(captures.name(name)?.as_str().to_owned())))
    }
}

/// The part of a pattern that means something else to Python, or nothing: escapes that it does not
/// know, `\<` and `\>` (plain characters there), and operations between sets (`[a-z&&[^b]]`).
fn foreign_to_python(text: &str) -> Option<String> {
    const ESCAPES: &str = "AbBdDsSwWZafnrtvx123456789";
    let mut characters = text.chars().peekable();
    let (mut in_set, mut at_start) = (false, false);
    while let Some(character) = characters.next() {
        let next = characters.peek().copied();
        let first = std::mem::take(&mut at_start);
        match character {
            '\\' => {
                let escaped = characters.next()?;
                if matches!(escaped, '<' | '>')
                    || (escaped.is_alphanumeric() && !ESCAPES.contains(escaped))
                {
                    return Some(format!("\\{escaped}"));
                }
            }
            '[' if !in_set => (in_set, at_start) = (true, true),
            '^' if in_set && first => at_start = true,
            ']' if in_set && !first => in_set = false,
            '[' => return Some("[".into()),
            '&' | '-' | '~' | '|' if in_set && next == Some(character) => {
                return Some(format!("{character}{character}"));
            }
            '(' if !in_set && next == Some('?') => {
                if let Some(group) = foreign_group(&characters.clone().take(3).collect::<String>())
                {
                    return Some(group);
                }
            }
            _ => {}
        }
    }
    None
}

/// What stands behind the bracket of a group, where Python has no such group: `(?<name>…)`,
/// `(?'name'…)` and the like.
fn foreign_group(behind: &str) -> Option<String> {
    const KNOWN: [&str; 14] = [
        "?:", "?=", "?!", "?<=", "?<!", "?P", "?#", "?(", "?>", "?i", "?m", "?s", "?x", "?-",
    ];
    let known = KNOWN.iter().any(|known| behind.starts_with(known));
    (!known).then(|| format!("({}", behind.chars().take(2).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(text: &str, path: &str) -> bool {
        Pattern::full(text).unwrap().matches(path).unwrap()
    }

    #[test]
    fn whole_paths_are_matched_as_python_does() {
        // The right column is what `bool(re.fullmatch(pattern, "model.layers.1.self_attn.q_proj"))`
        // of Python 3.11 says.
        let cases = [
            (r"^(?!.*(lm_head|embed)).*\.(q_proj|v_proj)$", true),
            (r"^(?!.*layers\.1\.).*\.(q_proj|v_proj)$", false),
            (r".*(?<!k)(?<!v)_proj", true),
            (r".*(?<!q)_proj", false),
            (r"(?=.*self_attn).*proj", true),
            (r"model\.(?P<a>l)ayers\.1\.se(?P=a)f_attn\..*", true),
            (r"model|model\.layers\.1\.self_attn\.q_proj", true),
            (r".*\.q_proj\Z", true),
            (r"q_proj", false),
            (r".*[]_]proj", true),
            (r".*[^]_]proj", false),
            (r"(?i).*Q_PROJ", true),
            (r".*\.q{,1}_proj", true),
            (r".*\.q{1_proj", false),
            (r"(?:model|x)(?>\.\w+)+", true),
            (r".*+q_proj", false),
        ];
        for (text, expected) in cases {
            assert_eq!(
                full(text, "model.layers.1.self_attn.q_proj"),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn what_python_reads_otherwise_is_refused_with_the_part() {
        let foreign = [
            (r".*\<q_proj", r"\<"),
            (r"\p{L}+", r"\p"),
            (r".*\z", r"\z"),
            (r"[a-z&&[^q]]+", "&&"),
            ("[[:alpha:]]+", "["),
            (r"(?<a>q)_proj", "(?<"),
            (r"(?U).*q_proj", "(?U"),
            (r"\Kq", r"\K"),
        ];
        for (text, part) in foreign {
            let error = Pattern::full(text).err().expect(text);
            assert!(error.contains(&format!("`{part}`")), "{text}: {error}");
        }
        for broken in ["(unclosed", "a)|(b", "*", "[a", "a\\"] {
            assert!(Pattern::full(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_pattern_that_takes_too_long_is_an_error_and_no_answer() {
        let slow = Pattern::full(r"((?=.)(\w|\.|_)*)*(?<!j)$").unwrap();
        let path = "model.layers.1.self_attn.q_proj";
        assert!(slow.matches(path).unwrap_err().contains(path));
    }
}
