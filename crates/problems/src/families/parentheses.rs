//! Strings of brackets, "({[]})": balanced or not, for several kinds and conditions.

use groklab_domain::Value;
use num_bigint::BigUint;

use super::dyck;
use crate::{
    family::{About, Class, Drawn, Family, Rule, Solutions},
    index::Index,
};

pub(super) const FAMILY: Family = Family {
    name: "parentheses",
    description: "tell whether brackets such as \"({[]})\" are balanced",
    rules: &[
        &Parentheses { about: THREE, kinds: &["()", "[]", "{}"], text: false, limit: None },
        &Parentheses { about: ONE, kinds: &["()"], text: false, limit: None },
        &Parentheses { about: TEXT, kinds: &["()", "[]"], text: true, limit: None },
        &Parentheses { about: FOUR, kinds: &["()", "[]", "{}", "<>"], text: false, limit: None },
        &Parentheses { about: SHALLOW, kinds: &["()", "[]", "{}"], text: false, limit: Some(3) },
    ],
};

const THREE: About = About {
    id: "kinds=()[]{}",
    lowest_difficulty: 1,
    signature: "def is_balanced(s: str) -> bool",
    task: "Return True if the brackets (), [] and {} in s are balanced, else False: every bracket is closed by one of its own kind, in \
           the right order.",
};
const ONE: About = About {
    id: "kinds=()",
    lowest_difficulty: 3,
    signature: "def is_balanced(s: str) -> bool",
    task: "Return True if the parentheses in s are balanced, else False: every ( is closed by a later ), and every ) closes an earlier (.",
};
const TEXT: About = About {
    id: "kinds=()[],text",
    lowest_difficulty: 4,
    signature: "def is_balanced(s: str) -> bool",
    task: "Return True if the brackets () and [] in s are balanced, else False: every bracket is closed by one of its own kind, in the \
           right order. Ignore all other characters.",
};
const FOUR: About = About {
    id: "kinds=()[]{}<>",
    lowest_difficulty: 5,
    signature: "def is_balanced(s: str) -> bool",
    task: "Return True if the brackets (), [], {} and <> in s are balanced, else False: every bracket is closed by one of its own kind, \
           in the right order.",
};
const SHALLOW: About = About {
    id: "kinds=()[]{},depth=3",
    lowest_difficulty: 6,
    signature: "def is_shallow(s: str) -> bool",
    task: "Return True if the brackets (), [] and {} in s are balanced (every bracket is closed by one of its own kind, in the right \
           order) and nowhere nested more than 3 deep, else False.",
};

const BALANCED: Class = "balanced";
/// As many closings as openings of each kind, in an order that does not match.
const TANGLED: Class = "tangled";
/// Balanced but for a missing last bracket.
const UNFINISHED: Class = "unfinished";
/// Balanced, but nested deeper than allowed.
const DEEP: Class = "deep";

struct Parentheses {
    about: About,
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
        u32::from(difficulty) + if self.kinds.len() == 1 { 8 } else { 4 }
    }

    /// Pairs of the balanced word that the class is made from: two kinds that cross count as one pair there.
    fn shape_pairs(&self, difficulty: u8, class: Class) -> u32 {
        self.pairs(difficulty) - u32::from(self.crosses(class))
    }

    fn crosses(&self, class: Class) -> bool {
        class == TANGLED && self.kinds.len() > 1
    }

    /// The word's brackets as text, each pair with a kind of its own. With `crossed`, the first pair `( … )` becomes two pairs that
    /// cross: `([ … )]`.
    fn render(&self, shape: &[bool], crossed: bool, index: &mut Index) -> Vec<String> {
        let (mut open, mut out, mut opened) = (Vec::new(), Vec::new(), 0);
        for opening in shape {
            if *opening {
                let first = index.take(self.kinds.len() as u64) as usize;
                let kinds = if crossed && opened == 0 {
                    let other = 1 + index.take(self.kinds.len() as u64 - 1) as usize;
                    vec![self.kinds[first], self.kinds[(first + other) % self.kinds.len()]]
                } else {
                    vec![self.kinds[first]]
                };
                opened += 1;
                out.extend(kinds.iter().map(|kind| kind[..1].to_owned()));
                open.push(kinds);
            } else {
                let kinds = open.pop().expect("a balanced word closes what it opened");
                out.extend(kinds.iter().map(|kind| kind[1..].to_owned()));
            }
        }
        out
    }

    fn add_text(&self, brackets: &mut [String], index: &mut Index) {
        for (i, bracket) in brackets.iter_mut().enumerate() {
            *bracket += if i == 0 { *index.pick(&FILLERS[..4]) } else { *index.pick(&FILLERS) };
        }
    }
}

impl Rule for Parentheses {
    fn about(&self) -> &About {
        &self.about
    }

    fn classes(&self) -> &'static [Class] {
        if self.limit.is_some() { &[BALANCED, TANGLED, BALANCED, DEEP] } else { &[BALANCED, TANGLED, BALANCED, UNFINISHED] }
    }

    fn size(&self, difficulty: u8, class: Class) -> BigUint {
        let kinds = BigUint::from(self.kinds.len());
        let pairs = self.shape_pairs(difficulty, class);
        let mut size = kinds.pow(pairs) * dyck::words(pairs);
        if self.crosses(class) {
            size *= self.kinds.len() as u64 - 1;
        }
        if self.text {
            let brackets = 2 * self.pairs(difficulty) - u32::from(class == UNFINISHED);
            size *= BigUint::from(FILLERS.len()).pow(brackets - 1) * (FILLERS.len() as u64 - 1);
        }
        size
    }

    fn draw(&self, difficulty: u8, class: Class, mut index: Index) -> Option<Drawn> {
        let pairs = self.shape_pairs(difficulty, class);
        let shape = dyck::word(pairs, index.take(dyck::words(pairs)));
        let deep = self.limit.is_some_and(|limit| dyck::depth(&shape) > limit);
        if (class == BALANCED && deep) || (class == DEEP && !deep) {
            return None;
        }
        let mut brackets = self.render(&shape, self.crosses(class), &mut index);
        if class == UNFINISHED {
            brackets.pop();
        } else if class == TANGLED && !self.crosses(class) {
            brackets.reverse();
        }
        if self.text {
            self.add_text(&mut brackets, &mut index);
        }
        Some(Drawn { args: vec![Value::Str(brackets.concat())], expected: Value::Bool(class == BALANCED) })
    }

    fn solutions(&self) -> Solutions {
        let mut wrong = vec![
            ("always True", self.python("return True")),
            ("always False", self.python("return False")),
            ("counts only", self.python(COUNTS)),
        ];
        if self.kinds.len() > 1 {
            wrong.push(("kinds ignored", self.python(KINDS_IGNORED)));
            wrong.push(("kinds counted apart", self.python(KINDS_APART)));
        }
        match self.limit {
            Some(_) => wrong.push(("depth ignored", self.python(&REFERENCE.replace("DEPTH", "len(s)")))),
            None => wrong
                .push(("never looks what is left open", self.python(&REFERENCE.replace("DEPTH", "len(s)").replace("not stack", "True")))),
        }
        if self.text {
            wrong.push((
                "other characters refused",
                self.python(&REFERENCE.replace("DEPTH", "len(s)").replace("elif c in kinds.values()", "else")),
            ));
        }
        let depth = self.limit.map_or("len(s)".to_owned(), |limit| limit.to_string());
        Solutions { reference: self.python(&REFERENCE.replace("DEPTH", &depth)), wrong }
    }
}

impl Parentheses {
    fn python(&self, body: &str) -> String {
        let kinds = self.kinds.iter().map(|kind| format!("'{}': '{}'", &kind[..1], &kind[1..])).collect::<Vec<_>>().join(", ");
        let indented: String = body.lines().map(|line| format!("    {line}\n")).collect();
        format!("{}:\n    kinds = {{{kinds}}}\n{indented}", self.about.signature)
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
