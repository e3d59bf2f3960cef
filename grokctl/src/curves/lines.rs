//! JSON lines, one per evaluation: an export's `metrics.jsonl`, or
//! `{"step": 20, "train": …, "val": …, "test": …}`, where a split is a list with a share (0 to 1,
//! or true and false) for each of its units, or `{"correct": 3, "total": 30}`.

use groklab_domain::{
    grokking::{Series, Unit},
    metrics::{self, MetricsLine},
};
use serde::Deserialize;
use serde_json::Value;

use super::contents::{Curves, Fault, check_time};

const ORDERED: &str = "the file has counts alone: it is assumed that the units solved at one \
    evaluation are among those solved at any with more";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    step: f64,
    train: Split,
    val: Split,
    #[serde(default)]
    test: Option<Split>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Split {
    Units(Vec<Share>),
    Count(Count),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Share {
    Solved(bool),
    Rate(f64),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Count {
    correct: u32,
    total: u32,
}

pub fn read(text: &str) -> Result<Curves, Fault> {
    let mut numbered = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if !line.trim().is_empty() {
            numbered.push((number, line));
        }
    }
    let Some(&(first_number, first)) = numbered.first() else {
        return Err(Fault::at(1, "the file is empty"));
    };
    let first: Value = parsed(first_number, first)?;
    if first.get("splits").is_some() {
        exported(&numbered)
    } else {
        plain(&numbered)
    }
}

fn parsed<T: for<'de> Deserialize<'de>>(number: u64, line: &str) -> Result<T, Fault> {
    serde_json::from_str(line).map_err(|error| {
        let told = "it is neither an evaluation of `metrics.jsonl` nor {\"step\": …, \"train\": …, \
            \"val\": …, \"test\": …}";
        Fault::at(number, format!("{told}: {}", within_line(&error)))
    })
}

/// What is wrong within the line; serde would count it as the first of its own.
fn within_line(error: &serde_json::Error) -> String {
    error
        .to_string()
        .replace(" at line 1 column ", " at column ")
}

fn exported(numbered: &[(u64, &str)]) -> Result<Curves, Fault> {
    let mut lines: Vec<MetricsLine> = Vec::with_capacity(numbered.len());
    for &(number, line) in numbered {
        let line: MetricsLine = serde_json::from_str(line).map_err(|error| {
            Fault::at(
                number,
                format!("a line of metrics: {}", within_line(&error)),
            )
        })?;
        let before = lines.last().map(|before| f64::from(before.iteration));
        check_time(number, f64::from(line.iteration), before)?;
        lines.push(line);
    }
    Ok(Curves {
        series: metrics::series(&lines),
        notes: Vec::new(),
        time: "iteration",
    })
}

fn plain(numbered: &[(u64, &str)]) -> Result<Curves, Fault> {
    let mut series = Series::default();
    let mut counted = false;
    for &(number, line) in numbered {
        let line: Line = parsed(number, line)?;
        check_time(number, line.step, series.times.last().copied())?;
        let evaluation = series.times.len();
        series.times.push(line.step);
        let splits = [
            ("train", Some(line.train), &mut series.train),
            ("val", Some(line.val), &mut series.val),
            ("test", line.test, &mut series.test),
        ];
        for (name, split, units) in splits {
            counted |= matches!(split, Some(Split::Count(_)));
            let shares =
                shares(split).map_err(|what| Fault::at(number, format!("`{name}`: {what}")))?;
            append(units, &shares, evaluation)
                .map_err(|what| Fault::at(number, format!("`{name}`: {what}")))?;
        }
    }
    Ok(Curves {
        series,
        notes: if counted { vec![ORDERED] } else { Vec::new() },
        time: "step",
    })
}

/// A share for each unit.
fn shares(split: Option<Split>) -> Result<Vec<f64>, String> {
    let units = match split {
        None => return Ok(Vec::new()),
        Some(Split::Count(Count { correct, total })) if correct <= total && total > 0 => {
            let solved = |unit| f64::from(u8::from(unit < correct));
            return Ok((0..total).map(solved).collect());
        }
        Some(Split::Count(Count { correct, total })) => {
            return Err(format!(
                "{correct} correct of {total}: use at most the total, 1 or more"
            ));
        }
        Some(Split::Units(units)) => units,
    };
    let mut shares = Vec::with_capacity(units.len());
    for unit in units {
        let share = match unit {
            Share::Solved(solved) => f64::from(u8::from(solved)),
            Share::Rate(rate) => rate,
        };
        if !(0.0..=1.0).contains(&share) {
            return Err(format!("{share}: a unit's share is 0 to 1"));
        }
        shares.push(share);
    }
    Ok(shares)
}

/// Adds an evaluation's shares; every evaluation has the same units.
fn append(units: &mut Vec<Unit>, shares: &[f64], evaluation: usize) -> Result<(), String> {
    if evaluation == 0 {
        let new = |_| Unit {
            problems: 1.0,
            rates: Vec::new(),
        };
        *units = shares.iter().map(new).collect();
    }
    if units.len() != shares.len() {
        return Err(format!(
            "{} units, and {} before",
            shares.len(),
            units.len()
        ));
    }
    for (unit, share) in units.iter_mut().zip(shares) {
        unit.rates.push(*share);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_counts_are_read() {
        let text = "{\"step\": 0, \"train\": [0, 1], \"val\": [false, true], \"test\": [0.5]}\n\n\
                    {\"step\": 10, \"train\": [1, 1], \"val\": [true, true], \"test\": [1]}\n";
        let curves = read(text).unwrap();
        assert_eq!(curves.series.times, [0.0, 10.0]);
        assert_eq!(curves.series.val[0].rates, [0.0, 1.0]);
        assert_eq!(curves.series.test[0].rates, [0.5, 1.0]);
        let counts = "{\"step\": 1, \"train\": [1], \"val\": {\"correct\": 1, \"total\": 3}}";
        let curves = read(counts).unwrap();
        assert_eq!((curves.series.val.len(), curves.series.test.len()), (3, 0));
        assert_eq!(curves.notes, [ORDERED]);
    }

    #[test]
    fn what_is_not_understood_is_refused_by_line() {
        let first = "{\"step\": 0, \"train\": [0], \"val\": [0, 1]}\n";
        for (second, line, what) in [
            (
                "{\"step\": 0, \"train\": [0], \"val\": [0, 1]}",
                2,
                "time 0 after 0",
            ),
            (
                "{\"step\": -1, \"train\": [0], \"val\": [0, 1]}",
                2,
                "use 0 or more",
            ),
            (
                "{\"step\": 5, \"train\": [0], \"val\": [0]}",
                2,
                "`val`: 1 units, and 2 before",
            ),
            (
                "{\"step\": 5, \"train\": [1.5], \"val\": [0, 1]}",
                2,
                "`train`: 1.5",
            ),
            ("{\"step\": 5, \"val\": [0, 1]}", 2, "missing field `train`"),
            (
                "\n{\"step\": 5, \"train\": [1], \"val\": [0, 1], \"loss\": 2}",
                3,
                "loss",
            ),
            ("accuracy 0.5", 2, "neither an evaluation"),
        ] {
            let fault = read(&format!("{first}{second}")).unwrap_err();
            assert_eq!(fault.line, line, "{second}");
            assert!(fault.what.contains(what), "{what}: {}", fault.what);
        }
        assert_eq!(read(" \n").unwrap_err().what, "the file is empty");
        let counts = "{\"step\": 1, \"train\": {\"correct\": 4, \"total\": 3}, \"val\": [1]}";
        assert!(read(counts).unwrap_err().what.contains("4 correct of 3"));
    }
}
