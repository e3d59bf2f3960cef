//! The bytes behind each token of a byte-level vocabulary, where every byte is written as one
//! printable character.

use std::collections::HashMap;

use tokenizers::Tokenizer;

/// Special tokens that stand for text nevertheless: what marks a thought tells where the answer
/// begins.
const TEXTS: [&str; 2] = ["<think>", "</think>"];

/// The bytes of every id; special tokens have none.
pub(super) fn table(tokenizer: &Tokenizer) -> Vec<Vec<u8>> {
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
            None => text
                .chars()
                .flat_map(|c| {
                    alphabet
                        .get(&c)
                        .map_or_else(|| c.to_string().into_bytes(), |&byte| vec![byte])
                })
                .collect(),
        };
    }
    table
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
}
