//! Fuzz target: whatever a model writes, the candidate taken out of it is a piece of the text, is chosen by the same rules, and what
//! stands behind it has no say. `cargo test` runs it on random texts; `make fuzz` lets coverage guide it.

use groklab_worker_verify::extract::{Candidate, extract};

/// What fences are made of, and what may be mistaken for them.
const PIECES: [&str; 24] = [
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
    "pythonic",
    "\n",
    "\r\n",
    " ",
    "\t",
    "x = 1\n",
    "def f():\n",
    "```python\n",
    "\n```\n",
    "\n~~~\n",
    "\u{feff}",
    "\0",
    "é",
    "    ```\n",
];

fn text(choices: &[u8]) -> Vec<u8> {
    choices.iter().take(120).map(|choice| PIECES[usize::from(*choice) % PIECES.len()]).collect::<String>().into_bytes()
}

/// Whether the line could open or close a block: three or more of one mark, whatever stands around them.
fn may_be_fence(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    line.starts_with(b"```") || line.starts_with(b"~~~")
}

fn has_fence(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n').any(may_be_fence)
}

fn is_blank(text: &[u8]) -> bool {
    text.trim_ascii().is_empty()
}

/// Holds what must be true of any text.
fn check(text: &[u8]) {
    match extract(text) {
        Candidate::Nothing => assert!(is_blank(text)),
        Candidate::Bare(code) => assert!(code == text && !is_blank(text)),
        Candidate::Fenced(code) => {
            let start = (code.as_ptr() as usize).checked_sub(text.as_ptr() as usize).expect("it is a piece of the text");
            assert!(start + code.len() <= text.len(), "it is a piece of the text");
            let above = text[..start].strip_suffix(b"\n").unwrap_or(&text[..start]);
            assert!(above.rsplit(|byte| *byte == b'\n').next().is_some_and(may_be_fence), "it begins behind a line that opens it");
            let after = &text[start + code.len()..];
            assert!(
                after.is_empty() || after.split(|byte| *byte == b'\n').next().is_some_and(may_be_fence),
                "it ends before one that closes it"
            );
            // Taken out once more it stays what it is.
            if !has_fence(code) {
                assert_eq!(extract(code), if is_blank(code) { Candidate::Nothing } else { Candidate::Bare(code) });
            }
        }
    }
    if !has_fence(text) {
        assert!(!matches!(extract(text), Candidate::Fenced(_)), "a block without a fence");
    }
}

#[test]
fn any_bytes_hold_a_candidate_or_none() {
    bolero::check!().for_each(check);
}

#[test]
fn any_text_of_fences_holds_a_candidate_or_none() {
    bolero::check!().with_type::<Vec<u8>>().for_each(|choices: &Vec<u8>| check(&text(choices)));
}

#[test]
fn any_text_around_marked_code_leaves_it_whole() {
    type Parts = (Vec<u8>, Vec<u8>, Vec<u8>, u8, bool);
    bolero::check!().with_type::<Parts>().for_each(|(before, code, behind, marks, tildes): &Parts| {
        let (before, code, behind) = (text(before), text(code), text(behind));
        if has_fence(&before) || has_fence(&code) {
            return;
        }
        let fence = [if *tildes { b'~' } else { b'`' }].repeat(3 + usize::from(marks % 3));
        let whole = [&before[..], b"\n", &fence, b"python\n", &code, b"\n", &fence, b"\n", &behind].concat();
        assert_eq!(extract(&whole), Candidate::Fenced(&[&code[..], b"\n"].concat()));
    });
}
