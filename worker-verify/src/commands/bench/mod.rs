//! `worker-verify bench`, `soak` and `repeat`: how fast verification is, whether it stays so, and
//! whether its verdicts repeat. All figures are ratios or come with the baseline that was measured
//! beside them.

pub mod drive;
pub mod load;
mod plain;
pub mod repeat;
pub mod soak;
pub mod speed;
