//! What a file of curves holds, and what is wrong in it.

use groklab_domain::grokking::{Series, Unit};

/// A fault in the file, with its line from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub line: u64,
    pub what: String,
}

impl Fault {
    pub fn at(line: u64, what: impl Into<String>) -> Self {
        Self {
            line,
            what: what.into(),
        }
    }
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Curves {
    pub series: Series,
    /// What was assumed for want of data, for the reader to know.
    pub notes: Vec<&'static str>,
    /// What the times count: "step" or "iteration".
    pub time: &'static str,
}

/// Times have to ascend from 0 or later: ratios of them are taken.
pub fn check_time(line: u64, time: f64, before: Option<f64>) -> Result<(), Fault> {
    let least = before.unwrap_or(f64::NEG_INFINITY);
    if !(time.is_finite() && time >= 0.0) {
        return Err(Fault::at(line, format!("time {time}: use 0 or more")));
    }
    if time <= least {
        let told = format!("time {time} after {least}: use ascending times, each once");
        return Err(Fault::at(line, told));
    }
    Ok(())
}

/// A test split where there is none: every second unit of val.
pub fn halve_val(series: &mut Series) {
    let mut places = 0..series.val.len();
    let (test, val): (Vec<Unit>, Vec<Unit>) = series
        .val
        .drain(..)
        .partition(|_| places.next().is_some_and(|place| place % 2 == 1));
    (series.val, series.test) = (val, test);
}
