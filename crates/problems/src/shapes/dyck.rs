//! Balanced words of one kind of bracket, by number. They give the brackets' nesting and the shapes
//! of binary trees.

use std::sync::LazyLock;

/// How many balanced words of `pairs` pairs there are: the Catalan numbers, for at most 20 pairs.
pub(crate) fn words(pairs: u32) -> u64 {
    completions(pairs)[0]
}

/// The balanced word with this number below [`words`]; `true` opens.
pub(crate) fn word(pairs: u32, mut number: u64) -> Vec<bool> {
    let (mut opens, mut height, mut out) = (pairs, 0, Vec::new());
    while opens > 0 || height > 0 {
        // Words that open here come first in the order, so the number tells which way it goes.
        let opening = if opens > 0 {
            completions(opens - 1)[height + 1]
        } else {
            0
        };
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
fn completions(opens: u32) -> &'static [u64; 32] {
    &COMPLETIONS[opens as usize]
}

/// By the openings that are left, at most 20: every step of every word looks here.
static COMPLETIONS: LazyLock<Vec<[u64; 32]>> = LazyLock::new(|| {
    // With nothing left to open there is one way: to close.
    let mut all = vec![[1; 32]];
    for opens in 0..20 {
        // With one more opening: open now (height + 1, one opening less), or close first.
        let ways: [u64; 32] = all[opens];
        let mut next = [0; 32];
        // The last height has no higher neighbour, but words have at most 20 pairs.
        for height in 0..31 {
            next[height] = ways[height + 1] + if height > 0 { next[height - 1] } else { 0 };
        }
        all.push(next);
    }
    all
});

/// One bracket pair of a word, by the places of its brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pair {
    pub open: usize,
    pub close: usize,
    /// The number of the pair right around it.
    pub parent: Option<usize>,
}

/// The pairs of a balanced word, numbered as they open.
pub(crate) fn pairs(word: &[bool]) -> Vec<Pair> {
    let (mut pairs, mut open): (Vec<Pair>, Vec<usize>) = (Vec::new(), Vec::new());
    for (place, opening) in word.iter().enumerate() {
        if *opening {
            let parent = open.last().copied();
            open.push(pairs.len());
            pairs.push(Pair {
                open: place,
                close: place,
                parent,
            });
        } else {
            pairs[open.pop().expect("a balanced word closes what it opened")].close = place;
        }
    }
    pairs
}

/// A word that is not balanced though it has as many closings as openings, opens first and closes
/// last: `((P)R)Q` as `P)R(Q`, P and Q not empty. One pair less than in `word`; `None` where it has
/// another form. Different words never give the same.
pub(crate) fn dip(word: &[bool]) -> Option<Vec<bool>> {
    let end = pairs(word).first()?.close;
    // Three openings in a row, and something behind the first pair: else P or Q would be empty.
    if !word.iter().take(3).all(|opening| *opening) || end + 1 == word.len() {
        return None;
    }
    let mut out = word[2..].to_vec();
    out[end - 2] = true;
    Some(out)
}

/// Deepest nesting of a word.
pub(crate) fn depth(word: &[bool]) -> usize {
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
    fn pairs_know_what_is_around_them() {
        let word = [true, true, false, false, true, false];
        let pair = |open, close, parent| Pair {
            open,
            close,
            parent,
        };
        assert_eq!(
            pairs(&word),
            [pair(0, 3, None), pair(1, 2, Some(0)), pair(4, 5, None)]
        );
    }

    #[test]
    fn dips_are_distinct_and_not_balanced() {
        let dips: Vec<_> = (0..words(9)).filter_map(|n| dip(&word(9, n))).collect();
        assert_eq!(dips.iter().collect::<HashSet<_>>().len(), dips.len());
        assert!(dips.len() > 500, "{}", dips.len());
        for dip in dips {
            assert!(
                dip.len() == 16
                    && dip[0]
                    && !dip[15]
                    && dip.iter().filter(|open| **open).count() == 8
            );
            let heights = dip.iter().scan(0, |height, open| {
                *height += if *open { 1 } else { -1 };
                Some(*height)
            });
            assert_eq!(heights.min(), Some(-1));
        }
    }

    #[test]
    fn words_are_counted_and_distinct() {
        assert_eq!(
            [0, 1, 2, 3, 4, 10, 18].map(words),
            [1, 1, 2, 5, 14, 16_796, 477_638_700]
        );
        let all: HashSet<_> = (0..words(7)).map(|n| word(7, n)).collect();
        assert_eq!(all.len(), 429);
        assert!(
            all.iter()
                .all(|w| w.len() == 14 && w.iter().filter(|open| **open).count() == 7)
        );
    }
}
