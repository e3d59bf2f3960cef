//! Texts from candidates, made fit for a line of a log or a terminal.

/// The first `max_chars` characters of `text`, with an ellipsis if any were left off.
/// Characters that could end the line or change its direction are escaped.
pub fn shorten(text: &str, max_chars: usize) -> String {
    let mut out = String::new();
    for character in text.chars().take(max_chars) {
        if disturbs_a_line(character) {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    // Counting all of a long text would take longer than to look for one more character.
    if text.chars().nth(max_chars).is_some() {
        out.push('…');
    }
    out
}

/// Control characters, the separators that some readers take for a line's end, and the marks
/// that change the direction of what follows.
fn disturbs_a_line(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stays_on_its_line() {
        assert_eq!(
            shorten("a\nb\u{2028}c\u{202e}d\u{85}é", 40),
            "a\\nb\\u{2028}c\\u{202e}d\\u{85}é"
        );
    }
}
