//! How shares read in a report's reason.

pub(super) fn percent(rate: f64) -> String {
    format!("{:.1} %", 100.0 * rate)
}

pub(super) fn points(difference: f64) -> String {
    format!("{:.1} points", 100.0 * difference)
}
