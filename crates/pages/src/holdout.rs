//! What val and test ask, in the words of the report and the cards.

use groklab_domain::Holdout;

/// What "test" means differs most between these: "val and test are …".
pub fn asked(holdout: Holdout) -> &'static str {
    match holdout {
        Holdout::Case => "the same functions on other inputs than in training",
        Holdout::Rule => "known families with rules that training never saw",
        Holdout::Composition => {
            "known families with rules that training never saw, though it saw each of their \
             parameters"
        }
        Holdout::Extrapolation => {
            "known families with rules that training never saw, beyond the range of a parameter \
             that it saw"
        }
        Holdout::Family => "families that training never saw",
    }
}
