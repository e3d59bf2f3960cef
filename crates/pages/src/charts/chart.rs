//! A chart: a plot with a heading and a note.

use plotly::Plot;

/// One chart with what it says.
pub struct Chart {
    pub heading: &'static str,
    pub note: &'static str,
    pub plot: Plot,
}

impl Chart {
    pub fn has_data(&self) -> bool {
        !self.plot.data().is_empty()
    }
}
