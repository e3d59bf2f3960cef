//! The bytes behind each token of a vocabulary.

use std::collections::HashMap;

use serde_json::json;
use tokenizers::{DecoderWrapper, Tokenizer};

/// How a vocabulary writes bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// Every byte as one printable character, as in GPT-2.
    ByteLevel,
    /// Text with U+2581 for a space, and a token such as `<0x0A>` for each byte, as in Gemma.
    Pieces,
}

impl Spelling {
    /// None where tokens cannot be decoded one by one: a decoder that strips a text's first space,
    /// as Llama 2's does, depends on where a token stands.
    pub(super) fn of(decoder: &DecoderWrapper) -> Option<Self> {
        let pieces = json!({"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "\u{2581}"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"}]});
        if is_byte_level(decoder) {
            return Some(Self::ByteLevel);
        }
        let stated = serde_json::to_value(decoder).ok()?;
        (stated == pieces).then_some(Self::Pieces)
    }
}

fn is_byte_level(decoder: &DecoderWrapper) -> bool {
    match decoder {
        DecoderWrapper::ByteLevel(_) => true,
        DecoderWrapper::Sequence(list) => list.get_decoders().iter().any(is_byte_level),
        _ => false,
    }
}

/// Special tokens that stand for text nevertheless: what marks a thought tells where the answer
/// begins.
const TEXTS: [&str; 2] = ["<think>", "</think>"];

/// The bytes of every id; special tokens have none.
pub(super) fn table(tokenizer: &Tokenizer, spelling: Spelling) -> Vec<Vec<u8>> {
    let alphabet = alphabet();
    let added = tokenizer.get_added_tokens_decoder();
    let vocab = tokenizer.get_vocab(true);
    let size = vocab.values().max().map_or(0, |&id| id as usize + 1);
    let mut table = vec![Vec::new(); size];
    for (text, id) in vocab {
        table[id as usize] = match added.get(&id) {
            Some(token) if token.special && !TEXTS.contains(&token.content.as_str()) => Vec::new(),
            // Added tokens are written as they are, not in the alphabet of bytes.
            Some(token) => token.content.as_bytes().to_vec(),
            None if spelling == Spelling::Pieces => piece(&text),
            None => byte_level(&alphabet, &text),
        };
    }
    table
}

fn byte_level(alphabet: &HashMap<char, u8>, text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for character in text.chars() {
        match alphabet.get(&character) {
            Some(byte) => bytes.push(*byte),
            None => bytes.extend(character.to_string().into_bytes()),
        }
    }
    bytes
}

fn piece(text: &str) -> Vec<u8> {
    let byte = text
        .strip_prefix("<0x")
        .and_then(|rest| rest.strip_suffix('>'))
        .filter(|digits| digits.len() == 2)
        .and_then(|digits| u8::from_str_radix(digits, 16).ok());
    match byte {
        Some(byte) => vec![byte],
        None => text.replace('\u{2581}', " ").into_bytes(),
    }
}

/// Character to byte: printable Latin-1 stands for itself, the other bytes follow in order from
/// U+0100 on (the alphabet of GPT-2).
fn alphabet() -> HashMap<char, u8> {
    let mut next = 0x100;
    (0..=255_u8)
        .map(|byte| {
            let itself = matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
            let code = if itself { u32::from(byte) } else { next };
            next += u32::from(!itself);
            (
                char::from_u32(code).expect("codes below 0x200 are characters"),
                byte,
            )
        })
        .collect()
}

/// The character that stands for `byte`; used to write byte-level vocabularies.
pub(crate) fn character(byte: u8) -> char {
    *alphabet()
        .iter()
        .find(|(_, b)| **b == byte)
        .expect("every byte has a character")
        .0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_is_a_bijection_with_the_known_marks() {
        let alphabet = alphabet();
        assert_eq!(alphabet.len(), 256);
        assert_eq!(
            (
                alphabet[&'Ġ'],
                alphabet[&'Ċ'],
                alphabet[&'a'],
                alphabet[&'ÿ']
            ),
            (b' ', b'\n', b'a', 255)
        );
        assert_eq!(character(b' '), 'Ġ');
    }

    #[test]
    fn pieces_are_bytes_or_text_with_spaces() {
        for (text, bytes) in [
            ("<0x0A>", b"\n".as_slice()),
            ("<0xff>", b"\xff"),
            ("\u{2581}\u{2581}a", b"  a"),
            ("<0x0>", b"<0x0>"),
            ("é", "é".as_bytes()),
        ] {
            assert_eq!(piece(text), bytes);
        }
    }
}
