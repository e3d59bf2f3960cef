//! A table: `step,split,unit,correct,total`, a row for each unit of each split at each evaluation;
//! without `total` a unit is one problem, solved (1) or not (0).

use std::collections::BTreeMap;

use csv::{ReaderBuilder, StringRecord, Trim};
use groklab_domain::{
    Split,
    grokking::{Series, Unit},
};

use super::contents::{Curves, Fault, check_time};

const COLUMNS: [&str; 4] = ["step", "split", "unit", "correct"];

/// One row, with its line.
struct Row {
    line: u64,
    step: f64,
    split: Split,
    unit: String,
    correct: f64,
    total: f64,
}

/// A unit while its rows come in.
#[derive(Default)]
struct Rows {
    total: f64,
    /// By the evaluation's place.
    rates: BTreeMap<usize, f64>,
}

pub fn read(text: &str) -> Result<Curves, Fault> {
    let mut reader = ReaderBuilder::new()
        .trim(Trim::All)
        .from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| fault(&error))?.clone();
    let named: Vec<&str> = header.iter().collect();
    let with_total = [&COLUMNS[..], &["total"]].concat();
    if named != COLUMNS && named != with_total {
        let told = format!(
            "the columns are `{}`; use `{}` or `{}`",
            named.join(","),
            COLUMNS.join(","),
            with_total.join(",")
        );
        return Err(Fault::at(1, told));
    }
    let (mut times, mut units) = (Vec::new(), BTreeMap::new());
    let mut last = 1;
    for record in reader.records() {
        let row = row(&record.map_err(|error| fault(&error))?)?;
        last = row.line;
        if times.last() != Some(&row.step) {
            check_time(row.line, row.step, times.last().copied())?;
            times.push(row.step);
        }
        insert(&mut units, row, times.len() - 1)?;
    }
    Ok(Curves {
        series: series(times, units, last)?,
        notes: Vec::new(),
        time: "step",
    })
}

fn fault(error: &csv::Error) -> Fault {
    let line = error.position().map_or(1, csv::Position::line);
    Fault::at(line, error.to_string())
}

fn row(record: &StringRecord) -> Result<Row, Fault> {
    let line = record.position().map_or(1, csv::Position::line);
    let number = |place: usize, name: &str| -> Result<f64, Fault> {
        let text = record.get(place).unwrap_or("");
        let told = |error| Fault::at(line, format!("`{name}` = \"{text}\": {error}"));
        text.parse().map_err(told)
    };
    let split = record.get(1).unwrap_or("").parse();
    let correct = number(3, "correct")?;
    let total = if record.len() > 4 {
        number(4, "total")?
    } else {
        1.0
    };
    if !(total > 0.0 && total.is_finite() && (0.0..=total).contains(&correct)) {
        let told = format!("{correct} correct of {total}: use 0 to the total, which is above 0");
        return Err(Fault::at(line, told));
    }
    Ok(Row {
        line,
        step: number(0, "step")?,
        split: split
            .map_err(|error: groklab_domain::Unknown| Fault::at(line, error.to_string()))?,
        unit: record.get(2).unwrap_or("").to_owned(),
        correct,
        total,
    })
}

fn insert(
    units: &mut BTreeMap<(Split, String), Rows>,
    row: Row,
    evaluation: usize,
) -> Result<(), Fault> {
    let name = format!("unit `{}` of {}", row.unit, row.split);
    let rows = units.entry((row.split, row.unit)).or_default();
    if !rows.rates.is_empty() && rows.total != row.total {
        let told = format!(
            "{name} has a total of {}, and {} before",
            row.total, rows.total
        );
        return Err(Fault::at(row.line, told));
    }
    rows.total = row.total;
    let rate = row.correct / row.total;
    if rows.rates.insert(evaluation, rate).is_some() {
        return Err(Fault::at(
            row.line,
            format!("{name} is there twice at this step"),
        ));
    }
    Ok(())
}

/// The units of train, val and test; others are not looked at.
fn series(
    times: Vec<f64>,
    units: BTreeMap<(Split, String), Rows>,
    last: u64,
) -> Result<Series, Fault> {
    let mut series = Series::default();
    for ((split, name), rows) in units {
        if rows.rates.len() != times.len() {
            let (found, all) = (rows.rates.len(), times.len());
            let told = format!("unit `{name}` of {split} has rows at {found} of {all} steps");
            return Err(Fault::at(last, told));
        }
        let unit = Unit {
            problems: rows.total,
            rates: rows.rates.into_values().collect(),
        };
        match split {
            Split::Train => series.train.push(unit),
            Split::Val => series.val.push(unit),
            Split::Test => series.test.push(unit),
            Split::Ood => {}
        }
    }
    series.times = times;
    Ok(series)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_units() {
        let text = "step,split,unit,correct,total\n0,train,a,0,4\n0,val,b,1,2\n\
                    10,train,a,4,4\n10,val,b,2,2\n";
        let series = read(text).unwrap().series;
        assert_eq!(series.times, [0.0, 10.0]);
        let unit = &series.train[0];
        assert_eq!((unit.problems, &unit.rates[..]), (4.0, &[0.0, 1.0][..]));
        assert_eq!(series.val[0].rates, [0.5, 1.0]);
    }

    #[test]
    fn what_is_not_understood_is_refused_by_line() {
        let head = "step,split,unit,correct\n0,train,a,0\n";
        for (rest, line, what) in [
            ("0,dev,a,0\n", 3, "unknown Split `dev`"),
            ("0,train,b,2\n", 3, "2 correct of 1"),
            ("0,train,b,yes\n", 3, "`correct` = \"yes\""),
            ("0,train,a,1\n", 3, "there twice"),
            ("5,train,a,1\n0,train,a,1\n", 4, "time 0 after 5"),
            ("5,train,b,1\n", 3, "rows at 1 of 2 steps"),
            ("5,train\n", 3, "2 fields"),
        ] {
            let fault = read(&format!("{head}{rest}")).unwrap_err();
            assert_eq!(fault.line, line, "{rest}: {}", fault.what);
            assert!(fault.what.contains(what), "{what}: {}", fault.what);
        }
        let fault = read("step,train,val\n0,0.1,0.2\n").unwrap_err();
        assert!(
            fault.what.contains("the columns are `step,train,val`"),
            "{}",
            fault.what
        );
    }
}
