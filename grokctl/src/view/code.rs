//! Code and values that a model wrote, for a terminal: coloured where it shows colours, and never
//! with control characters of its own.

use std::sync::LazyLock;

use serde_json::Value;
use syntect::{
    easy::HighlightLines,
    highlighting::{Theme, ThemeSet},
    parsing::SyntaxSet,
    util::{LinesWithEndings, as_24_bit_terminal_escaped},
};

static SYNTAXES: LazyLock<SyntaxSet> = LazyLock::new(SyntaxSet::load_defaults_newlines);
static THEME: LazyLock<Option<Theme>> = LazyLock::new(load_theme);

const THEME_NAME: &str = "base16-eighties.dark";
const COLOURS_END: &str = "\u{1b}[0m";
const TAB: &str = "    ";

fn load_theme() -> Option<Theme> {
    ThemeSet::load_defaults().themes.remove(THEME_NAME)
}

/// Text whose control characters, and those that change the direction of writing, are spelled out;
/// line ends stay.
pub fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => printable.push(c),
            '\t' => printable.push_str(TAB),
            c if changes_direction(c) => printable.extend(c.escape_unicode()),
            c if c.is_control() => printable.extend(c.escape_default()),
            c => printable.push(c),
        }
    }
    printable
}

/// With these a line can look like another one, see CVE-2021-42574.
fn changes_direction(c: char) -> bool {
    matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Python in colours; as it is where `colours` is false.
pub fn python(text: &str, colours: bool) -> String {
    let text = printable(text);
    if !colours {
        return text;
    }
    let (Some(theme), Some(syntax)) = (&*THEME, SYNTAXES.find_syntax_by_extension("py")) else {
        return text;
    };
    let mut highlighter = HighlightLines::new(syntax, theme);
    let mut coloured = String::new();
    for line in LinesWithEndings::from(&text) {
        match highlighter.highlight_line(line, &SYNTAXES) {
            Ok(parts) => coloured.push_str(&as_24_bit_terminal_escaped(&parts, false)),
            // Models write what is no Python; it is shown without colours.
            Err(_) => coloured.push_str(line),
        }
    }
    coloured + COLOURS_END
}

/// A call as one would type it: `solve(12, "a")`, from a JSON array of arguments.
pub fn call(entry: &str, args: &Value) -> String {
    let mut shown = Vec::new();
    for arg in args.as_array().into_iter().flatten() {
        shown.push(printable(&arg.to_string()));
    }
    format!("{entry}({})", shown.join(", "))
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
