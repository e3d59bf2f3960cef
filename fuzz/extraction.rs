//! Fuzz target: whatever a model writes, its candidate is a piece of the text, and when generation
//! would have been stopped what stands behind it has no say. `cargo test` runs it on random texts;
//! `make fuzz` lets coverage guide it.

use groklab_domain::candidate::{Candidate, Reader, Reason};

const ENTRY: &str = "f";

/// What fences are made of, and what may be mistaken for them.
const PIECES: [&str; 28] = [
    "```",
    "````",
    "~~~",
    "~~~~",
    "`",
    "~",
    "python",
    "Python3",
    "py",
    "json",
    "markdown",
    "\n",
    "\r\n",
    " ",
    "\t",
    "x = 1\n",
    "def f():\n",
    "    return 1",
    "```python\n",
    "\n```\n",
    "\n~~~\n",
    "\u{feff}",
    "\0",
    "é",
    "    ```\n",
    "\"\"\"",
    "<think>",
    "</think>",
];

fn text(choices: &[u8]) -> Vec<u8> {
    choices
        .iter()
        .take(120)
        .map(|choice| PIECES[usize::from(*choice) % PIECES.len()])
        .collect::<String>()
        .into_bytes()
}

fn is_blank(text: &[u8]) -> bool {
    text.trim_ascii().is_empty()
}

/// Holds what must be true of any text.
fn check(text: &[u8]) {
    let candidate = Candidate::of(text, ENTRY)
        .checked(text.len())
        .expect("it is a piece of the text");
    let code = candidate.code(text);
    assert_eq!(
        candidate.reason == Reason::Nothing,
        is_blank(&code),
        "{candidate:?}"
    );
    // The prompt may have opened a thought, so that the completion begins within it.
    for in_thought in [false, true] {
        let whole = Reader::new(ENTRY, in_thought).finish(text);
        let mut reader = Reader::new(ENTRY, in_thought);
        // A byte at a time: tokens may end anywhere, also within a character.
        if let Some(end) = (1..=text.len()).find(|&end| reader.advance(&text[..end])) {
            assert_eq!(
                reader.finish(&text[..end]),
                whole,
                "what comes behind the stop has a say"
            );
        }
    }
}

/// Found by this target. With its byte-order mark the code looks as if it defined the entry; the
/// mark is no part of the code, and without it the first line is indented.
#[test]
fn a_byte_order_mark_in_a_block_changes_nothing() {
    check(&text(&[
        137, 99, 164, 244, 221, 146, 1, 116, 15, 199, 100, 191, 168, 81, 11, 197, 102, 180, 103,
        155, 12, 18, 143, 55, 154, 210, 214, 161, 101, 118, 179, 99, 16, 16, 25, 6, 138, 231, 60,
        248, 9, 4, 159, 235, 210, 145, 229, 173, 55, 62, 246, 76, 34, 51,
    ]));
}

/// Found by this target: where such a block ends because another one opens, the mark hid its first
/// line from the search for prose.
#[test]
fn a_byte_order_mark_in_a_block_that_is_not_closed_changes_nothing() {
    check(&text(&[
        97, 167, 114, 75, 77, 100, 53, 18, 4, 207, 51, 157, 96, 213, 65, 28, 66, 248, 183, 39, 4,
        163, 130, 27, 214, 147, 184, 130, 241, 157, 233, 223, 144, 202, 182, 153, 181, 166, 180,
        11, 133, 129, 229, 120, 47, 152, 106, 3, 247, 228, 218, 18,
    ]));
}

#[test]
fn any_bytes_hold_a_candidate_or_none() {
    bolero::check!().for_each(check);
}

#[test]
fn any_text_of_fences_holds_a_candidate_or_none() {
    bolero::check!()
        .with_type::<Vec<u8>>()
        .for_each(|choices: &Vec<u8>| check(&text(choices)));
}

#[test]
fn any_text_around_marked_code_leaves_it_whole() {
    type Parts = (Vec<u8>, u8, bool);
    bolero::check!()
        .with_type::<Parts>()
        .for_each(|(behind, marks, tildes): &Parts| {
            let code = b"def f():\n    return 1\n";
            let fence = [if *tildes { b'~' } else { b'`' }].repeat(3 + usize::from(marks % 3));
            let whole = [
                b"Here:\n",
                &fence[..],
                b"python\n",
                code,
                &fence,
                b"\n",
                &text(behind),
            ]
            .concat();
            assert_eq!(
                Reader::new(ENTRY, false)
                    .finish(&whole)
                    .code(&whole)
                    .as_ref(),
                code
            );
        });
}
