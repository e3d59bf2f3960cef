//! Code and values that a model wrote, for a terminal: coloured where it shows colours, and never with control characters of its own.

use std::sync::LazyLock;

use serde_json::Value;
use syntect::{
    easy::HighlightLines,
    highlighting::{Theme, ThemeSet},
    parsing::SyntaxSet,
    util::{LinesWithEndings, as_24_bit_terminal_escaped},
};

static SYNTAXES: LazyLock<SyntaxSet> = LazyLock::new(SyntaxSet::load_defaults_newlines);
static THEME: LazyLock<Option<Theme>> = LazyLock::new(|| {
    ThemeSet::load_defaults()
        .themes
        .remove("base16-eighties.dark")
});

/// Text whose control characters, and those that change the direction of writing, are spelled out; line ends stay.
pub fn printable(text: &str) -> String {
    let spelled = |c: char| match c {
        '\n' => "\n".to_owned(),
        '\t' => "    ".to_owned(),
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            c.escape_unicode().to_string()
        }
        c if c.is_control() => c.escape_default().to_string(),
        c => c.to_string(),
    };
    text.chars().map(spelled).collect()
}

/// Python in colours; as it is where `colours` is false.
pub fn python(text: &str, colours: bool) -> String {
    let text = printable(text);
    let (Some(theme), Some(syntax)) = (
        THEME.as_ref().filter(|_| colours),
        SYNTAXES.find_syntax_by_extension("py"),
    ) else {
        return text;
    };
    let mut highlighter = HighlightLines::new(syntax, theme);
    let line = |line: &str| match highlighter.highlight_line(line, &SYNTAXES) {
        Ok(parts) => as_24_bit_terminal_escaped(&parts, false),
        Err(_) => line.to_owned(),
    };
    let coloured: String = LinesWithEndings::from(&text).map(line).collect();
    format!("{coloured}\u{1b}[0m")
}

/// A call as one would type it: `solve(12, "a")`, from a JSON array of arguments.
pub fn call(entry: &str, args: &Value) -> String {
    let args: Vec<String> = args
        .as_array()
        .into_iter()
        .flatten()
        .map(|arg| printable(&arg.to_string()))
        .collect();
    format!("{entry}({})", args.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_cannot_write_to_the_terminal() {
        let text = "a\u{1b}[2J\r\u{7}b\n\tc\u{202e}\u{9b}1m";
        assert_eq!(
            printable(text),
            "a\\u{1b}[2J\\r\\u{7}b\n    c\\u{202e}\\u{9b}1m"
        );
        assert!(!python(text, true).contains("\u{1b}[2J"));
    }

    #[test]
    fn colours_change_nothing_else() {
        let code = "def solve(n):\n    return n + 1  # next\n";
        assert_eq!(python(code, false), code);
        let coloured = python(code, true);
        let mut bare = String::new();
        let mut rest = coloured.as_str();
        while let Some((before, after)) = rest.split_once('\u{1b}') {
            bare.push_str(before);
            rest = after.split_once('m').unwrap().1;
        }
        assert!(coloured.len() > code.len());
        assert_eq!(bare + rest, code);
    }

    #[test]
    fn a_call_reads_as_typed() {
        assert_eq!(
            call("solve", &serde_json::json!([12, "a", [1]])),
            "solve(12, \"a\", [1])"
        );
    }
}
