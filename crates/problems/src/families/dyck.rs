//! Balanced words of one kind of bracket, by number. They give the brackets' nesting and the shapes of binary trees.

/// How many balanced words of `pairs` pairs there are: the Catalan numbers, for at most 30 pairs.
pub(super) fn words(pairs: u32) -> u64 {
    completions(pairs)[0]
}

/// The balanced word with this number below [`words`]; `true` opens.
pub(super) fn word(pairs: u32, mut number: u64) -> Vec<bool> {
    let (mut opens, mut height, mut out) = (pairs, 0, Vec::new());
    while opens > 0 || height > 0 {
        let opening = if opens > 0 { completions(opens - 1)[height + 1] } else { 0 };
        let open = number < opening;
        if open {
            (opens, height) = (opens - 1, height + 1);
        } else {
            number -= opening;
            height -= 1;
        }
        out.push(open);
    }
    out
}

/// Ways to finish a word with `opens` openings left, by the present height 0..=31.
fn completions(opens: u32) -> [u64; 32] {
    let mut ways = [1; 32];
    for _ in 0..opens {
        // With one more opening: open now (height + 1, one opening less), or close first.
        let mut next = [0; 32];
        for height in 0..31 {
            next[height] = ways[height + 1] + if height > 0 { next[height - 1] } else { 0 };
        }
        ways = next;
    }
    ways
}

/// Deepest nesting of a word.
pub(super) fn depth(word: &[bool]) -> usize {
    let (mut height, mut deepest) = (0, 0);
    for open in word {
        height = if *open { height + 1 } else { height - 1 };
        deepest = deepest.max(height);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn words_are_counted_and_distinct() {
        assert_eq!([0, 1, 2, 3, 4, 10, 18].map(words), [1, 1, 2, 5, 14, 16_796, 477_638_700]);
        let all: HashSet<_> = (0..words(7)).map(|n| word(7, n)).collect();
        assert_eq!(all.len(), 429);
        assert!(all.iter().all(|w| w.len() == 14 && w.iter().filter(|open| **open).count() == 7));
    }
}
