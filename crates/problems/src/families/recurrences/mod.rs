//! Linear recurrences modulo a number: of one, two or three terms before.

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::{Between, Joined, Numbers},
};

pub(super) const FAMILY: Family = Family {
    name: "recurrences",
    description: "compute a term of a recurrence modulo a number",
    version: 1,
    unit: Unit::Rule,
    ordered: Some("ORDER"),
    size: 3 * (FIRST.len() * SECOND.len() * THIRD.len() * ADDED.len() * MODULI.len()) as u32,
    rule,
};

// Factors of the terms before, the nearest first. All differ modulo every modulus.
const FIRST: [i64; 6] = [1, 2, 3, 4, 5, 6];
const SECOND: [i64; 5] = [1, 2, 3, -1, -2];
const THIRD: [i64; 2] = [1, 2];
const ADDED: [i64; 4] = [0, 1, 2, 3];
/// Primes: no sequence ends in one number soon.
const MODULI: [i64; 9] = [7, 11, 13, 17, 19, 23, 29, 31, 37];
/// The first terms: some so large that remainders matter from the beginning.
const STARTS: Between = Between(0, 40);
/// The number of the wanted term, of 3 or more so that it is none of the first ones.
const PLACES: Numbers = Numbers::growing(3, 13, 2);
const MAX_PLACE: usize = 100_000;
const NAMES: [&str; 3] = ["a", "b", "c"];

/// A recurrence, with as many factors as terms that it looks back at.
#[derive(Debug, Clone)]
struct Recurrence {
    factors: Vec<i64>,
    added: i64,
    modulus: i64,
}

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let order = usize::try_from(index.take(3)).ok()? + 1;
    let (p, q, s) = (
        *index.pick(&FIRST),
        *index.pick(&SECOND),
        *index.pick(&THIRD),
    );
    let (r, m) = (*index.pick(&ADDED), *index.pick(&MODULI));
    let is_rule = match order {
        // Each number of a shorter one must be one rule; p = 1 without r never moves.
        1 => (q, s) == (1, 1) && (p, r) != (1, 0),
        2 => p <= 3 && s == 1,
        _ => p <= 2 && [1, 2, -1].contains(&q),
    };
    if !is_rule {
        return None;
    }
    let factors = [p, q, s][..order].to_vec();
    let recurrence = Recurrence {
        factors,
        added: r,
        modulus: m,
    };
    let factor = |place: usize| recurrence.factors.get(place).copied().unwrap_or(0);
    let text = RuleText {
        id: RuleText::id_of(&[
            ("p", &factor(0), ""),
            ("q", &factor(1), "0"),
            ("s", &factor(2), "0"),
            ("r", &r, "0"),
            ("m", &m, ""),
        ]),
        signature: format!(
            "def term({}: int, n: int) -> int",
            NAMES[..order].join(": int, ")
        ),
        task: recurrence.task(),
        parameters: vec![
            ("ORDER", Value::int(order)),
            ("P", Value::int(factor(0))),
            ("Q", Value::int(factor(1))),
            ("S", Value::int(factor(2))),
            ("R", Value::int(r)),
            ("M", Value::int(m)),
        ],
        lowest_difficulty: 1,
    };
    let (early, endless) = (recurrence.clone(), recurrence.clone());
    let reference = move |args: &[Value]| recurrence.term(args, 0, true);
    let rule = match order {
        1 => Rule::new(text, Joined(Between(0, 60), PLACES), reference),
        2 => {
            let starts = Joined(STARTS, STARTS);
            Rule::new(text, Joined(starts, PLACES), reference)
        }
        _ => {
            let starts = Joined(Joined(STARTS, STARTS), STARTS);
            Rule::new(text, Joined(starts, PLACES), reference)
        }
    };
    let rule = rule.mistaken_for(move |args| early.term(args, 1, true));
    Some(rule.mistaken_for(move |args| endless.term(args, 0, false)))
}

impl Recurrence {
    /// The term that stands `before` places before the wanted one; without remainders, `None`
    /// where it has more than 64 bits.
    fn term(&self, args: &[Value], before: usize, reduced: bool) -> Option<Value> {
        let order = self.factors.len();
        let mut terms = Vec::new();
        for place in 0..order {
            terms.push(args::int(args, place)?);
        }
        let wanted = usize::try_from(args::int(args, order)?).ok()?;
        if wanted > MAX_PLACE {
            return None;
        }
        while terms.len() <= wanted {
            let mut next = self.added;
            for (term, factor) in terms.iter().rev().zip(&self.factors) {
                next = next.checked_add(term.checked_mul(*factor)?)?;
            }
            terms.push(if reduced {
                next.rem_euclid(self.modulus)
            } else {
                next
            });
        }
        terms
            .get(wanted.checked_sub(before)?)
            .map(|term| Value::int(*term))
    }

    fn task(&self) -> String {
        let mut first = Vec::new();
        let mut sum = String::new();
        for (place, (factor, name)) in self.factors.iter().zip(NAMES).enumerate() {
            first.push(format!("t[{place}] = {name}"));
            sum += match factor {
                ..0 => " - ",
                _ if place == 0 => "",
                _ => " + ",
            };
            if factor.abs() != 1 {
                sum += &format!("{}*", factor.abs());
            }
            sum += &format!("t[i-{}]", place + 1);
        }
        if self.added != 0 {
            sum += &format!(" + {}", self.added);
        }
        format!(
            "A sequence begins with {}. Each further term t[i] is the remainder, 0 to {}, of {sum} \
             when divided by {}. Return t[n].",
            first.join(", "),
            self.modulus - 1,
            self.modulus
        )
    }
}
