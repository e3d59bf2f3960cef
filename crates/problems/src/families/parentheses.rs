//! Strings of brackets, "({[]})": balanced or not, for several kinds and conditions.

use groklab_domain::Value;
use num_bigint::BigUint;

use super::dyck;
use crate::{
    family::{Class, Drawn, Family, Rule, RuleText, Solutions},
    index::Index,
};

pub(super) const FAMILY: Family = Family {
    name: "parentheses",
    description: "tell whether brackets such as \"({[]})\" are balanced",
    rules: &[
        &Parentheses {
            about: THREE,
            kinds: &["()", "[]", "{}"],
            text: false,
            limit: None,
        },
        &Parentheses {
            about: ONE,
            kinds: &["()"],
            text: false,
            limit: None,
        },
        &Parentheses {
            about: TEXT,
            kinds: &["()", "[]"],
            text: true,
            limit: None,
        },
        &Parentheses {
            about: FOUR,
            kinds: &["()", "[]", "{}", "<>"],
            text: false,
            limit: None,
        },
        &Parentheses {
            about: SHALLOW,
            kinds: &["()", "[]", "{}"],
            text: false,
            limit: Some(3),
        },
    ],
};

const THREE: RuleText = RuleText {
    id: "kinds=()[]{}",
    lowest_difficulty: 1,
    signature: "def is_balanced(s: str) -> bool",
    task: "Return True if the brackets (), [] and {} in s are balanced, else False: every bracket \
        is closed by one of its own kind, in \
           the right order.",
};
const ONE: RuleText = RuleText {
    id: "kinds=()",
    lowest_difficulty: 3,
    signature: "def is_balanced(s: str) -> bool",
    task: "Return True if the parentheses in s are balanced, else False: every ( is closed by a \
        later ), and every ) closes an earlier (.",
};
const TEXT: RuleText = RuleText {
    id: "kinds=()[],text",
    lowest_difficulty: 4,
    signature: "def is_balanced(s: str) -> bool",
    task: "Return True if the brackets () and [] in s are balanced, else False: every bracket is \
        closed by one of its own kind, in the \
           right order. Ignore all other characters.",
};
const FOUR: RuleText = RuleText {
    id: "kinds=()[]{}<>",
    lowest_difficulty: 5,
    signature: "def is_balanced(s: str) -> bool",
    task: "Return True if the brackets (), [], {} and <> in s are balanced, else False: every \
        bracket is closed by one of its own kind, \
           in the right order.",
};
const SHALLOW: RuleText = RuleText {
    id: "kinds=()[]{},depth=3",
    lowest_difficulty: 6,
    signature: "def is_shallow(s: str) -> bool",
    task: "Return True if the brackets (), [] and {} in s are balanced (every bracket is closed by \
        one of its own kind, in the right \
           order) and nowhere nested more than 3 deep, else False.",
};

const BALANCED: Class = "balanced";
/// As many closings as openings of each kind, the first bracket opens and the last one closes, and
/// still not balanced: two pairs cross, as in `()[(])`, or (of one kind) a bracket closes before
/// its opening, as in `())(()`.
const TANGLED: Class = "tangled";
/// Balanced but for one bracket that closes nothing.
const STRAY: Class = "stray";
/// Balanced but for one bracket that is not closed, the missing last one.
const UNFINISHED: Class = "unfinished";
/// Balanced, but nested deeper than allowed.
const DEEP: Class = "deep";

struct Parentheses {
    about: RuleText,
    kinds: &'static [&'static str],
    /// Other characters stand between the brackets.
    text: bool,
    /// Deepest nesting that is still right.
    limit: Option<usize>,
}

/// What may follow a bracket where there is text; the first bracket is always followed by a letter.
const FILLERS: [&str; 5] = ["a", "b", "x+", "y", ""];

impl Parentheses {
    /// Pairs of brackets: `d + 4`, and `d + 8` where there is one kind only.
    fn pairs(&self, difficulty: u8) -> u32 {
        // One kind has few words, too few for the splits: 5 pairs make 42, where three kinds make
        // 10,206.
        u32::from(difficulty) + if self.kinds.len() == 1 { 8 } else { 4 }
    }

    /// Pairs of the balanced word that the class is made from.
    fn shape_pairs(&self, difficulty: u8, class: Class) -> u32 {
        // `dyck::dip` takes one pair away.
        self.pairs(difficulty) + u32::from(class == TANGLED && self.kinds.len() == 1)
    }

    /// The class's word out of a balanced one, each pair with a kind of its own. `None` where this
    /// makes no word of the class.
    fn render(&self, shape: &[bool], class: Class, index: &mut Index) -> Option<Vec<String>> {
        let pairs = dyck::pairs(shape);
        let kinds: Vec<&str> = pairs.iter().map(|_| *index.pick(self.kinds)).collect();
        // With one kind pairs cannot cross, so a bracket closes before its opening instead.
        if class == TANGLED && self.kinds.len() == 1 {
            return Some(
                dyck::dip(shape)?
                    .iter()
                    .map(|opening| kinds[0][usize::from(!opening)..][..1].to_owned())
                    .collect(),
            );
        }
        let mut out = vec![String::new(); shape.len()];
        for (pair, kind) in pairs.iter().zip(&kinds) {
            out[pair.open] = kind[..1].to_owned();
            out[pair.close] = kind[1..].to_owned();
        }
        match class {
            TANGLED => {
                let inner = index.take(pairs.len() as u64) as usize;
                // Crossed with the pair right around it: the closings trade places.
                let outer = pairs[inner].parent?;
                out.swap(pairs[inner].close, pairs[outer].close);
                // Of the same kind the word is balanced as before.
                (kinds[inner] != kinds[outer]).then_some(out)
            }
            // Without its first opening some bracket closes on an empty stack. Words that only end
            // unfinished or cross let a solution pass that ignores stray closings.
            STRAY => Some(out.split_off(1)),
            UNFINISHED => out.pop().map(|_| out),
            _ => Some(out),
        }
    }

    fn add_text(&self, brackets: &mut [String], index: &mut Index) {
        for (i, bracket) in brackets.iter_mut().enumerate() {
            *bracket += if i == 0 {
                // So that a rule about text never asks for brackets alone.
                *index.pick(&FILLERS[..4])
            } else {
                *index.pick(&FILLERS)
            };
        }
    }
}

impl Rule for Parentheses {
    fn about(&self) -> &RuleText {
        &self.about
    }

    fn classes(&self) -> &'static [Class] {
        // The limit leaves no room for tangled cases among four: deep ones refute the same
        // solutions, which know no depth.
        if self.limit.is_some() {
            &[BALANCED, DEEP, STRAY, UNFINISHED]
        } else {
            &[BALANCED, TANGLED, STRAY, UNFINISHED]
        }
    }

    /// With two visible and six hidden cases half of all are balanced (with a limit, three of
    /// eight).
    fn further(&self) -> Option<&'static [Class]> {
        Some(if self.limit.is_some() {
            &[
                TANGLED, BALANCED, BALANCED, DEEP, BALANCED, STRAY, BALANCED, UNFINISHED,
            ]
        } else {
            &[
                BALANCED, BALANCED, TANGLED, BALANCED, STRAY, BALANCED, UNFINISHED,
            ]
        })
    }

    fn size(&self, difficulty: u8, class: Class) -> BigUint {
        let kinds = BigUint::from(self.kinds.len());
        let pairs = self.shape_pairs(difficulty, class);
        let mut size = kinds.pow(pairs) * dyck::words(pairs);
        if class == TANGLED && self.kinds.len() > 1 {
            // The pair that is crossed.
            size *= pairs;
        }
        if self.text {
            let brackets =
                2 * self.pairs(difficulty) - u32::from(class == STRAY || class == UNFINISHED);
            size *= BigUint::from(FILLERS.len()).pow(brackets - 1) * (FILLERS.len() as u64 - 1);
        }
        size
    }

    fn draw(&self, difficulty: u8, class: Class, mut index: Index) -> Option<Drawn> {
        let pairs = self.shape_pairs(difficulty, class);
        let shape = dyck::word(pairs, index.take(dyck::words(pairs)));
        let deep = self.limit.is_some_and(|limit| dyck::depth(&shape) > limit);
        // Too deep words are wrong for their depth, so they are in the class of their own and in no
        // other.
        if deep != (class == DEEP) {
            return None;
        }
        let mut brackets = self.render(&shape, class, &mut index)?;
        if self.text {
            self.add_text(&mut brackets, &mut index);
        }
        Some(Drawn {
            args: vec![Value::Str(brackets.concat())],
            // What was done to the balanced word is what makes it wrong, so the class is the
            // answer.
            expected: Value::Bool(class == BALANCED),
        })
    }

    fn solutions(&self) -> Solutions {
        let limited = REFERENCE.replace(
            "DEPTH",
            &self
                .limit
                .map_or("len(s)".to_owned(), |limit| limit.to_string()),
        );
        let unlimited = REFERENCE.replace("DEPTH", "len(s)");
        let mut wrong = vec![
            ("always True", self.python("return True")),
            ("always False", self.python("return False")),
            ("counts only", self.python(COUNTS)),
            ("counts and ends", self.python(COUNTS_AND_ENDS)),
            (
                "stray closings ignored",
                self.python(&limited.replace(CLOSE, CLOSE_IF_IT_FITS)),
            ),
            (
                "pops an empty stack",
                self.python(&limited.replace("not stack or ", "")),
            ),
            (
                "never looks what is left open",
                self.python(&limited.replace("return not stack", "return True")),
            ),
        ];
        if self.kinds.len() > 1 {
            wrong.push(("kinds ignored", self.python(KINDS_IGNORED)));
            wrong.push(("kinds counted apart", self.python(KINDS_APART)));
        }
        if self.limit.is_some() {
            wrong.push(("depth ignored", self.python(&unlimited)));
        }
        if self.text {
            wrong.push((
                "other characters refused",
                self.python(&unlimited.replace("elif c in kinds.values()", "else")),
            ));
        }
        Solutions {
            reference: self.python(&limited),
            wrong,
        }
    }
}

impl Parentheses {
    fn python(&self, body: &str) -> String {
        let kinds = self
            .kinds
            .iter()
            .map(|kind| format!("'{}': '{}'", &kind[..1], &kind[1..]))
            .collect::<Vec<_>>()
            .join(", ");
        let indented: String = body.lines().map(|line| format!("    {line}\n")).collect();
        format!(
            "{}:\n    kinds = {{{kinds}}}\n{indented}",
            self.about.signature
        )
    }
}

const REFERENCE: &str = "\
stack = []
for c in s:
    if c in kinds:
        stack.append(kinds[c])
        if len(stack) > DEPTH:
            return False
    elif c in kinds.values():
        if not stack or stack.pop() != c:
            return False
return not stack";

/// How [`REFERENCE`] closes a bracket.
const CLOSE: &str = "\
        if not stack or stack.pop() != c:
            return False";

const CLOSE_IF_IT_FITS: &str = "\
        if stack and stack[-1] == c:
            stack.pop()";

// Without a limit of depth, tangled words alone refute it.
const COUNTS_AND_ENDS: &str = "\
brackets = [c for c in s if c in kinds or c in kinds.values()]
counts = all(s.count(a) == s.count(b) for a, b in kinds.items())
return counts and brackets[0] in kinds and brackets[-1] in kinds.values()";

const COUNTS: &str = "return all(s.count(a) == s.count(b) for a, b in kinds.items())";

const KINDS_IGNORED: &str = "\
depth = 0
for c in s:
    if c in kinds:
        depth += 1
    elif c in kinds.values():
        depth -= 1
    if depth < 0:
        return False
return depth == 0";

const KINDS_APART: &str = "\
for a, b in kinds.items():
    depth = 0
    for c in s:
        depth += (c == a) - (c == b)
        if depth < 0:
            return False
    if depth:
        return False
return True";

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// All cases of a rule's class at difficulty 1, as text.
    fn all(rule: &dyn Rule, class: Class) -> Vec<String> {
        let size = u32::try_from(rule.size(1, class)).expect("a small space");
        (0..size)
            .filter_map(|i| rule.draw(1, class, Index::new(i)))
            .map(|drawn| drawn.args[0].python().replace('\'', ""))
            .collect()
    }

    #[test]
    fn words_are_distinct_and_cross_anywhere() {
        for rule in [FAMILY.rules[0], FAMILY.rules[1], FAMILY.rules[4]] {
            let classes: HashSet<_> = rule
                .classes()
                .iter()
                .chain(rule.further().unwrap())
                .collect();
            let words: Vec<_> = classes.iter().flat_map(|class| all(rule, class)).collect();
            assert_eq!(
                words.iter().collect::<HashSet<_>>().len(),
                words.len(),
                "{}",
                rule.about().id
            );
        }
        let crossed = all(FAMILY.rules[0], TANGLED);
        assert!(
            ["([)]()[]{}", "()[]{}([)]", "(()[)]{}[]", "{([])[}]()"]
                .iter()
                .all(|word| crossed.iter().any(|known| known == word))
        );
        assert!(
            all(FAMILY.rules[1], STRAY)
                .iter()
                .any(|word| word.starts_with(')'))
        );
        assert!(
            all(FAMILY.rules[1], STRAY)
                .iter()
                .any(|word| word.starts_with("(())())"))
        );
    }
}
