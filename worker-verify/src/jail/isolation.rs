//! How candidates are isolated, as configured: warm, with a share of the winners run once more on
//! the cold path, or cold.

use crate::{
    jail::{
        nsjail::{Config, Nsjail},
        warm::Warm,
    },
    metrics::{Metrics, SandboxLabels},
    sandbox::{InfrastructureError, RawRun, Request, Sandbox},
};

/// Which path candidates take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Path {
    /// A child of a warm interpreter, in namespaces of its own
    Warm,
    /// A jail and an interpreter per candidate: about ten times dearer
    Cold,
}

impl Path {
    fn as_str(self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::Cold => "cold",
        }
    }
}

/// A configured sandbox.
pub enum Isolation {
    Warm {
        warm: Warm,
        cold: Nsjail,
        /// Share of the winners, 0 to 1, that the cold path must pass too.
        reverify_share: f64,
    },
    Cold(Nsjail),
}

impl Isolation {
    /// The interpreter's version, such as 3.11.2.
    pub fn python_version(&self) -> &str {
        let (Self::Warm { cold, .. } | Self::Cold(cold)) = self;
        &cold.python.version
    }

    /// Finds out what is needed, and counts in `metrics` from then on. Proves nothing yet.
    ///
    /// # Errors
    /// If there is no nsjail or the interpreter does not answer.
    pub fn new(
        config: &Config,
        path: Path,
        reverify_share: f64,
        metrics: Metrics,
    ) -> Result<Self, InfrastructureError> {
        let cold = Nsjail::new(config)?.counted_by(metrics);
        cold.metrics.describe_sandbox(&SandboxLabels {
            cgroups: cold.cgroups.version().to_owned(),
            python: cold.python.version.clone(),
            nsjail: cold.path().display().to_string(),
            isolation: path.as_str().to_owned(),
        });
        // The cold path is needed beside the warm one, for second opinions.
        Ok(match path {
            Path::Warm => Self::Warm {
                warm: Warm::new(cold.clone()),
                cold,
                reverify_share,
            },
            Path::Cold => Self::Cold(cold),
        })
    }

    /// Every path that will be used, each to be proven before anything is.
    pub fn paths(&self) -> Vec<&dyn Sandbox> {
        match self {
            Self::Warm {
                warm,
                cold,
                reverify_share,
            } if *reverify_share > 0.0 => vec![warm, cold],
            Self::Warm { warm, .. } => vec![warm],
            Self::Cold(cold) => vec![cold],
        }
    }
}

impl Sandbox for Isolation {
    fn run(&self, request: &Request<'_>) -> Result<RawRun, InfrastructureError> {
        match self {
            Self::Warm { warm, .. } => warm.run(request),
            Self::Cold(cold) => cold.run(request),
        }
    }

    fn second_opinion(&self, code: &[u8]) -> Option<&dyn Sandbox> {
        match self {
            Self::Warm {
                cold,
                reverify_share,
                ..
            } if belongs_to_share(code, *reverify_share) => Some(cold),
            _ => None,
        }
    }
}

/// Whether `code` belongs to this share of all codes. The same for the same code, everywhere,
/// because a job's result may depend on nothing but the job.
fn belongs_to_share(code: &[u8], share: f64) -> bool {
    let digest = blake3::hash(code);
    let first = digest.as_bytes().first_chunk::<4>();
    let first = u32::from_le_bytes(*first.expect("a digest has 32 bytes"));
    // The last term lets a share of 1 include the largest number.
    f64::from(first) < share * f64::from(u32::MAX) + share
}

#[cfg(test)]
mod tests {
    use super::belongs_to_share;

    #[test]
    fn the_share_is_kept() {
        let count = |share| {
            (0..10_000u32)
                .filter(|n| belongs_to_share(&n.to_le_bytes(), share))
                .count()
        };
        assert_eq!((count(0.0), count(1.0)), (0, 10_000));
        assert!((400..600).contains(&count(0.05)), "{}", count(0.05));
    }
}
