//! The charts of an experiment. Colours stand for the same split in every chart and read on light
//! and dark.

mod accuracy;
mod all;
mod chart;
mod plot;
mod training;

pub use all::charts;
pub use chart::Chart;
