//! How candidates are isolated, as configured: warm, with a share of the winners run once more on the cold path, or cold.

use crate::commands::selftest::{Failed, selftest};
use crate::jail::nsjail::{Config, Nsjail};
use crate::jail::warm::Warm;
use crate::sandbox::{InfrastructureError, Raw, Request, Sandbox};

/// Which path candidates take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Path {
    /// A child of a warm interpreter, in namespaces of its own
    Warm,
    /// A jail and an interpreter per candidate: about ten times dearer
    Cold,
}

/// A configured sandbox.
pub enum Isolation {
    Warm {
        warm: Warm,
        cold: Nsjail,
        /// Share of the winners, 0 to 1, that the cold path must pass too.
        reverify: f64,
    },
    Cold(Nsjail),
}

impl Isolation {
    /// Finds out what is needed. Proves nothing yet.
    ///
    /// # Errors
    /// If there is no nsjail or the interpreter does not answer.
    pub fn new(config: &Config, path: Path, reverify: f64) -> Result<Self, InfrastructureError> {
        let cold = Nsjail::new(config)?;
        Ok(match path {
            Path::Warm => Self::Warm {
                warm: Warm::new(cold.clone()),
                cold,
                reverify,
            },
            Path::Cold => Self::Cold(cold),
        })
    }

    /// Runs the self-test on every path that will be used, and returns how many probes held.
    ///
    /// # Errors
    /// What did not hold, on the first such path.
    pub fn prove(&self) -> Result<usize, Failed> {
        match self {
            Self::Warm {
                warm,
                cold,
                reverify,
            } => {
                let held = selftest(warm)?.len();
                Ok(held
                    + if *reverify > 0.0 {
                        selftest(cold)?.len()
                    } else {
                        0
                    })
            }
            Self::Cold(cold) => Ok(selftest(cold)?.len()),
        }
    }
}

impl Sandbox for Isolation {
    fn run(&self, request: &Request<'_>) -> Result<Raw, InfrastructureError> {
        match self {
            Self::Warm { warm, .. } => warm.run(request),
            Self::Cold(cold) => cold.run(request),
        }
    }

    fn second_opinion(&self, code: &[u8]) -> Option<&dyn Sandbox> {
        match self {
            Self::Warm { cold, reverify, .. } if drawn(code, *reverify) => Some(cold),
            _ => None,
        }
    }
}

/// Whether `code` belongs to this share of all codes. The same for the same code, everywhere: a job's result depends on the job.
fn drawn(code: &[u8], share: f64) -> bool {
    let digest = blake3::hash(code);
    let (first, _) = digest
        .as_bytes()
        .split_first_chunk::<4>()
        .expect("a digest has 32 bytes");
    f64::from(u32::from_le_bytes(*first)) < share * f64::from(u32::MAX) + share
}

#[cfg(test)]
mod tests {
    use super::drawn;

    #[test]
    fn the_share_is_kept() {
        let count = |share| {
            (0..10_000u32)
                .filter(|n| drawn(&n.to_le_bytes(), share))
                .count()
        };
        assert_eq!((count(0.0), count(1.0)), (0, 10_000));
        assert!((400..600).contains(&count(0.05)), "{}", count(0.05));
    }
}
