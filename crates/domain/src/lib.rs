//! The domain: ids, states and transitions, verdicts, values, seeds, the experiment file,
//! statistics and grokking. Pure: no input or output, no clock, no randomness of its own.

pub mod candidate;
pub mod curriculum;
mod device;
pub mod experiment;
pub mod finding;
pub mod grokking;
pub mod ids;
pub mod job;
pub mod method;
pub mod metrics;
pub mod pilot;
pub mod python;
pub mod records;
pub mod seed;
pub mod states;
pub mod stats;
pub mod text;
pub mod value;
pub mod verdict;
mod words;

pub use device::DeviceSetting;
pub use ids::{Commit, Digest, ExperimentId, Fence, JobId, WorkerId};
pub use python::PythonVersion;
pub use states::{
    AttemptOutcome, ExperimentState, Fault, Finish, Holdout, JobKind, Purpose, Split,
};
pub use value::Value;
pub use verdict::{Tally, Verdict, Verification};
pub use words::Unknown;
