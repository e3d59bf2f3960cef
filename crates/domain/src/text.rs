//! Texts that someone else chose.

/// The first `max_chars` characters, with an ellipsis where any were left off: no answer and no log
/// line grows with what was sent.
pub fn shortened(text: &str, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
