//! Why an evaluation has no numbers.

/// Why outcomes can't be counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("rollout of unknown problem {problem}")]
    UnknownProblem { problem: u32 },
    #[error("problem {problem} has {found} greedy rollouts, not 1")]
    Greedy { problem: u32, found: usize },
    #[error("problem {problem} has {found} different sampled rollouts, not {n}")]
    Samples { problem: u32, found: usize, n: u32 },
    #[error("infrastructure error counted as a verdict{}", on_problem(*problem))]
    NotAVerdict { problem: Option<u32> },
    #[error("pass@{k} is not defined for {n} samples")]
    PassAt { k: u32, n: u32 },
}

fn on_problem(problem: Option<u32>) -> String {
    match problem {
        Some(problem) => format!(" on problem {problem}"),
        None => String::new(),
    }
}
