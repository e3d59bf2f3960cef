//! What the words mean: levels and ratios, none of them a number of evaluations.

/// Fewer units than this in val or test show nothing: with 3 rules an ordinary exponential was
/// taken for grokking in one of six runs, with 12 in none of 9,000.
pub const LEAST_UNITS: usize = 12;

/// What the search asks of a series. Rates and differences are shares, delay and width are ratios
/// of times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameters {
    /// The least mean accuracy of train from memorising on.
    pub memorised: f64,
    /// The share of that level at which train counts as memorised. A share of its own level: one
    /// that a model holds at 0.97 with some noise would reach 0.95 late, by chance.
    pub memorised_share: f64,
    /// The least gap between train and val when train is memorised.
    pub gap: f64,
    /// The least lower bound of a rise.
    pub rise: f64,
    /// The level that val must hold in the end.
    pub generalised: f64,
    /// The least lower bound of t50 / memorising time: below it generalising was not delayed.
    pub delay: f64,
    /// The largest (t90 - t10) / (t50 - memorising time) that is sharp: the rise took no longer
    /// than the wait for it.
    pub width: f64,
    /// The most by which test may lie below val in the end, as an upper bound …
    pub test_distance: f64,
    /// … with this one-sided error.
    pub test_error: f64,
    /// The accuracy of guessing, out of which emergence must come.
    pub chance: f64,
    /// How far above it train and val may lie before they rise.
    pub chance_margin: f64,
    /// Error of the bootstrap's intervals, two-sided.
    pub error: f64,
    /// The fewest units of val and of test.
    pub least_units: usize,
    /// Resamples of the bootstrap.
    pub resamples: usize,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            memorised: 0.90,
            memorised_share: 0.95,
            gap: 0.30,
            rise: 0.20,
            generalised: 0.90,
            delay: 2.0,
            width: 1.0,
            test_distance: 0.10,
            test_error: 0.15,
            chance: 0.0,
            chance_margin: 0.10,
            error: 0.05,
            least_units: LEAST_UNITS,
            resamples: 200,
        }
    }
}
