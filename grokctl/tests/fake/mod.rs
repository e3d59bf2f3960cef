//! A coordinator that answers from the pages' fixture, always the same: two experiments, one of them
//! finished. What a real one answers is in the end-to-end tests.

mod answers;
mod service;

pub use service::FakeCoordinator;
