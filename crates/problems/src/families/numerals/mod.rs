//! Numerals with symbols of their own: what the symbols stand for, which they are, their order, and
//! whether a number is written or read.

use groklab_domain::Value;
use num_bigint::BigUint;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::{Class, Inputs},
};

pub(super) const FAMILY: Family = Family {
    name: "numerals",
    description: "write or read numbers in numerals with their own symbols",
    version: 1,
    unit: Unit::Rule,
    ordered: None,
    size: (SYSTEMS.len() * SYMBOLS.len() * ORDERS.len() * STYLES.len() * 2) as u32,
    rule,
};

/// Values of symbols, the smallest first.
const SYSTEMS: [(&str, &[usize]); 9] = [
    ("roman", &[1, 5, 10, 50, 100, 500, 1000]),
    ("tens", &[1, 10, 100, 1000]),
    ("fours", &[1, 4, 16, 64, 256, 1024]),
    ("sixes", &[1, 6, 36, 216, 1296]),
    ("coins", &[1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]),
    ("scores", &[1, 5, 20, 100, 400, 2000]),
    ("sevens", &[1, 7, 49, 343, 2401]),
    ("threes", &[1, 3, 9, 27, 81, 243, 729, 2187]),
    ("doubles", &[1, 2, 10, 20, 100, 200, 1000, 2000]),
];
/// As many as the longest system needs.
const SYMBOLS: [(&str, &str); 4] = [
    ("letters", "abcdefghij"),
    ("capitals", "QXVLTDKMZW"),
    ("marks", "*+#=%&@^!$"),
    ("mixed", "oizxwkpmhf"),
];
const ORDERS: [&str; 2] = ["falling", "rising"];
/// How several symbols of one value are written.
const STYLES: [&str; 2] = ["repeated", "counted"];

#[derive(Debug, Clone, Copy)]
struct Numerals {
    values: &'static [usize],
    symbols: &'static str,
    rising: bool,
    /// As `3a` and not `aaa`.
    counted: bool,
}

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let (system, values) = *index.pick(&SYSTEMS);
    let (alphabet, symbols) = *index.pick(&SYMBOLS);
    let order = *index.pick(&ORDERS);
    let style = *index.pick(&STYLES);
    let reads = index.take(2) == 1;
    // The value of a numeral does not depend on the order of its symbols.
    if reads && order == "rising" {
        return None;
    }
    let symbols = &symbols[..values.len()];
    let numerals = Numerals {
        values,
        symbols,
        rising: order == "rising",
        counted: style == "counted",
    };
    let way = if reads { "read" } else { "write" };
    let text = RuleText {
        id: RuleText::id_of(&[
            ("way", &way, "write"),
            ("system", &system, ""),
            ("symbols", &alphabet, ""),
            ("order", &order, "falling"),
            ("style", &style, "repeated"),
        ]),
        signature: if reads {
            "def read_numeral(s: str) -> int".to_owned()
        } else {
            "def write_numeral(n: int) -> str".to_owned()
        },
        task: numerals.task(reads),
        parameters: vec![
            (
                "VALUES",
                Value::List(values.iter().map(|value| Value::int(*value)).collect()),
            ),
            ("SYMBOLS", Value::str(symbols)),
            ("ORDER", Value::str(order)),
            ("STYLE", Value::str(style)),
            ("WAY", Value::str(way)),
        ],
        lowest_difficulty: 1,
    };
    let inputs = Amounts {
        numerals: reads.then_some(numerals),
    };
    Some(Rule::new(text, inputs, move |args| {
        if reads {
            return numerals.read(args::text(args, 0)?).map(Value::int);
        }
        let n = usize::try_from(args::int(args, 0)?).ok()?;
        (1..=Amounts::LARGEST)
            .contains(&n)
            .then(|| Value::Str(numerals.write(n)))
    }))
}

impl Numerals {
    fn write(&self, mut n: usize) -> String {
        let mut parts = Vec::new();
        let symbols: Vec<char> = self.symbols.chars().collect();
        for (symbol, value) in symbols.iter().zip(self.values).rev() {
            let count = n / value;
            n %= value;
            if self.counted && count > 0 {
                parts.push(format!("{count}{symbol}"));
            } else {
                parts.push(symbol.to_string().repeat(count));
            }
        }
        if self.rising {
            parts.reverse();
        }
        parts.concat()
    }

    /// `None` where a symbol is none of these.
    fn read(&self, s: &str) -> Option<usize> {
        let (mut n, mut count) = (0, None);
        for c in s.chars() {
            if let (true, Some(digit)) = (self.counted, c.to_digit(10)) {
                count = Some(count.unwrap_or(0) * 10 + digit as usize);
                continue;
            }
            let place = self.symbols.find(c)?;
            n += self.values.get(place)? * count.take().unwrap_or(1);
        }
        Some(n)
    }

    fn task(&self, reads: bool) -> String {
        let listed = self.symbols.chars().zip(self.values);
        let listed: Vec<String> = listed.map(|(c, value)| format!("{c} = {value}")).collect();
        let listed = listed.join(", ");
        let start = format!("Numerals have these symbols: {listed}.");
        match (reads, self.counted) {
            (true, false) => format!(
                "{start} A symbol may be repeated, and the values of all symbols are added up. \
                 Return the number that the numeral s stands for."
            ),
            (true, true) => format!(
                "{start} Before each symbol stands how many of it there are, as a decimal number, \
                 and all their values are added up. Return the number that the numeral s stands \
                 for."
            ),
            (false, _) => {
                let (first, next) = if self.rising {
                    ("smallest", "rising")
                } else {
                    ("largest", "falling")
                };
                let written = match self.symbols.chars().next() {
                    Some(c) if self.counted => format!(
                        "write how often it was taken and then the symbol once, as in 1{c} or 3{c}"
                    ),
                    _ => "write it as often as it was taken".to_owned(),
                };
                format!(
                    "{start} Return the positive integer n as a numeral: take as many as possible \
                     of the largest symbol, then of the next one from what is left, and so on. For \
                     each symbol that was taken, {written}. The symbols stand in {next} order of \
                     their values, the {first} first."
                )
            }
        }
    }
}

/// Numbers up to 400 at difficulty 1, and the next 400 at each further one; or their numerals.
struct Amounts {
    numerals: Option<Numerals>,
}

impl Amounts {
    const STEP: usize = 400;
    const LARGEST: usize = 10 * Self::STEP;
}

impl Inputs for Amounts {
    fn size(&self, _: u8, _: Class) -> BigUint {
        BigUint::from(Self::STEP)
    }

    fn draw(&self, difficulty: u8, _: Class, index: &mut Index) -> Option<Vec<Value>> {
        let start = Self::STEP * (usize::from(difficulty) - 1) + 1;
        let n = start + usize::try_from(index.take(Self::STEP as u64)).ok()?;
        Some(vec![match self.numerals {
            Some(numerals) => Value::Str(numerals.write(n)),
            None => Value::int(n),
        }])
    }
}
