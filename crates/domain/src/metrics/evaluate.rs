//! From verdicts to the numbers of one evaluated iteration. Every problem must have its greedy
//! rollout and all of its samples.

use std::collections::{BTreeMap, HashMap};

use super::error::Error;
use super::lines::{
    BySplit, Count, EvaluationSeconds, Grokking, MetricsLine, RolloutCounts, Sampled, Share,
    SplitMetrics,
};
use super::problem_ref::{ProblemRef, function_of, unit_of};
use crate::grokking::Phase;
use crate::stats::{Cluster, Interval, TAIL95, Z95, over_units, pass_at, wilson};
use crate::{Digest, Holdout, Verdict, Verification};

/// A verified rollout of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutOutcome {
    /// The problem's ordinal.
    pub problem: u32,
    /// Distinct among a problem's sampled rollouts; a problem's one greedy rollout may have any.
    pub sample: u32,
    pub greedy: bool,
    pub verification: Verification,
}

/// How an evaluation samples besides its greedy rollouts.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// Samples per problem; 0 for greedy alone.
    pub n: u32,
    pub temperature: f64,
    pub top_p: f64,
    /// The k of pass@k, each at most `n`.
    pub pass_at: Vec<u32>,
}

/// The numbers of one evaluated iteration, before what only a series and a clock can add.
#[derive(Debug, Clone, PartialEq)]
pub struct Breakdown {
    pub splits: BySplit<SplitMetrics>,
    pub families: BTreeMap<String, BySplit<Share>>,
    pub rules: BTreeMap<String, BySplit<Share>>,
    pub units: BTreeMap<String, BySplit<Share>>,
}

impl Breakdown {
    /// The line, before the series with it has been judged.
    pub fn into_line(
        self,
        iteration: u32,
        adapter: Option<Digest>,
        holdout: Holdout,
        seconds: EvaluationSeconds,
    ) -> MetricsLine {
        let Self {
            splits,
            families,
            rules,
            units,
        } = self;
        MetricsLine {
            iteration,
            adapter,
            holdout,
            splits,
            families,
            // Where every unit is a rule they would only be told twice.
            units: (units != rules).then_some(units),
            rules,
            grokking: Grokking {
                phase: Phase::None,
                onset: None,
                report: None,
                families: BTreeMap::new(),
            },
            seconds,
        }
    }
}

/// A problem with its verifications.
struct VerifiedProblem<'a> {
    problem: ProblemRef<'a>,
    greedy: &'a Verification,
    sampled: Vec<&'a Verification>,
}

/// Counts an evaluation. The result depends neither on the order of `outcomes` nor on the
/// iteration.
///
/// # Errors
/// Outcomes that are missing, doubled, of no known problem or infrastructure errors; a k above
/// `sampling.n`.
pub fn evaluate(
    problems: &[ProblemRef<'_>],
    outcomes: &[RolloutOutcome],
    sampling: &Sampling,
) -> Result<Breakdown, Error> {
    let verified = pair_up(problems, outcomes, sampling.n)?;
    let mut breakdown = Breakdown {
        splits: by_split(&verified, sampling)?,
        families: BTreeMap::new(),
        rules: BTreeMap::new(),
        units: BTreeMap::new(),
    };
    for one in &verified {
        one.add_to(&mut breakdown.families, one.problem.family.to_owned());
        one.add_to(&mut breakdown.rules, function_of(&one.problem));
        one.add_to(&mut breakdown.units, unit_of(&one.problem));
    }
    Ok(breakdown)
}

fn by_split(
    verified: &[VerifiedProblem<'_>],
    sampling: &Sampling,
) -> Result<BySplit<SplitMetrics>, Error> {
    // A split without problems has no numbers and no place in the line.
    let mut members: BySplit<Vec<&VerifiedProblem<'_>>> = BySplit::new();
    for one in verified {
        members.entry(one.problem.split).or_default().push(one);
    }
    let mut splits = BySplit::new();
    for (split, members) in members {
        splits.insert(split, split_metrics(&members, sampling)?);
    }
    Ok(splits)
}

impl VerifiedProblem<'_> {
    fn correct(&self) -> u32 {
        self.sampled.iter().map(|v| u32::from(v.correct())).sum()
    }

    fn add_to(&self, shares: &mut BTreeMap<String, BySplit<Share>>, name: String) {
        let by_split = shares.entry(name).or_default();
        let share = by_split.entry(self.problem.split).or_default();
        share.total += 1;
        share.correct += u32::from(self.greedy.correct());
        if !self.sampled.is_empty() {
            let sampled = share.sampled.get_or_insert(Count::default());
            sampled.total += self.sampled.len() as u32;
            sampled.correct += self.correct();
        }
    }
}

/// The verifications of one problem, as far as they have been found.
#[derive(Default)]
struct ProblemVerifications<'a> {
    greedy: Vec<&'a Verification>,
    /// By sample.
    sampled: BTreeMap<u32, &'a Verification>,
    /// Samples that were there already.
    doubled: usize,
}

/// Gives every problem its rollouts, in the order of `problems`.
fn pair_up<'a>(
    problems: &[ProblemRef<'a>],
    outcomes: &'a [RolloutOutcome],
    n: u32,
) -> Result<Vec<VerifiedProblem<'a>>, Error> {
    let mut found: HashMap<u32, ProblemVerifications<'_>> = HashMap::new();
    for problem in problems {
        found.insert(problem.ordinal, ProblemVerifications::default());
    }
    for outcome in outcomes {
        let problem = outcome.problem;
        let of_problem = found.get_mut(&problem);
        of_problem
            .ok_or(Error::UnknownProblem { problem })?
            .add(outcome)?;
    }
    let mut verified = Vec::with_capacity(problems.len());
    for &problem in problems {
        let found = found.remove(&problem.ordinal).unwrap_or_default();
        verified.push(found.complete(problem, n)?);
    }
    Ok(verified)
}

impl<'a> ProblemVerifications<'a> {
    fn add(&mut self, outcome: &'a RolloutOutcome) -> Result<(), Error> {
        let verification = &outcome.verification;
        // A failure of our own is retried; it says nothing about the candidate.
        if verification.verdict == Verdict::InfrastructureError {
            let problem = Some(outcome.problem);
            return Err(Error::NotAVerdict { problem });
        }
        if outcome.greedy {
            self.greedy.push(verification);
        } else if self.sampled.insert(outcome.sample, verification).is_some() {
            self.doubled += 1;
        }
        Ok(())
    }

    /// All that the problem should have: one greedy rollout and `n` different sampled ones.
    fn complete(self, problem: ProblemRef<'a>, n: u32) -> Result<VerifiedProblem<'a>, Error> {
        let ordinal = problem.ordinal;
        let wrong_samples = Error::Samples {
            problem: ordinal,
            found: self.sampled.len() + self.doubled,
            n,
        };
        // Which of two verdicts on one sample counts would depend on the order of arrival.
        if self.doubled > 0 {
            return Err(wrong_samples);
        }
        let [greedy] = self.greedy[..] else {
            return Err(Error::Greedy {
                problem: ordinal,
                found: self.greedy.len(),
            });
        };
        if self.sampled.len() != n as usize {
            return Err(wrong_samples);
        }
        Ok(VerifiedProblem {
            problem,
            greedy,
            sampled: self.sampled.into_values().collect(),
        })
    }
}

fn split_metrics(
    verified: &[&VerifiedProblem<'_>],
    sampling: &Sampling,
) -> Result<SplitMetrics, Error> {
    // No split without problems comes here, so the total is not 0.
    let counts = RolloutCounts::of(verified.iter().map(|v| v.greedy), 0)?;
    let accuracy = f64::from(counts.correct) / f64::from(counts.total);
    let by_unit = clusters(verified, |v| f64::from(u8::from(v.greedy.correct())));
    Ok(SplitMetrics {
        total: counts.total,
        correct: counts.correct,
        accuracy: tidy(accuracy),
        ci95: tidy_interval(wilson(accuracy, counts.total.into(), Z95)),
        units: by_unit.len() as u32,
        ci95_clustered: interval_of(&by_unit),
        shortcuts: counts.shortcuts,
        verdicts: counts.verdicts,
        sampled: if sampling.n == 0 {
            None
        } else {
            Some(sampled(verified, sampling)?)
        },
    })
}

fn sampled(verified: &[&VerifiedProblem<'_>], sampling: &Sampling) -> Result<Sampled, Error> {
    let n = sampling.n;
    let counts = RolloutCounts::of(verified.iter().flat_map(|v| v.sampled.iter().copied()), 0)?;
    let (mut rates, mut intervals) = (BTreeMap::new(), BTreeMap::new());
    for &k in &sampling.pass_at {
        // Whether k is allowed does not depend on how many are correct; asked once, for all
        // problems.
        if pass_at(n, 0, k).is_none() {
            return Err(Error::PassAt { k, n });
        }
        let of_problem = |v: &VerifiedProblem<'_>| {
            pass_at(n, v.correct(), k)
                .expect("k is between 1 and n, and no more than n are correct")
        };
        // A mean over problems: every problem counts alike, as in the paper.
        let mean = verified.iter().map(|v| of_problem(v)).sum::<f64>() / verified.len() as f64;
        rates.insert(k, tidy(mean));
        if let Some(interval) = interval_of(&clusters(verified, of_problem)) {
            intervals.insert(k, interval);
        }
    }
    Ok(Sampled {
        n,
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        pass_at: rates,
        ci95_clustered: intervals,
        total: counts.total,
        correct: counts.correct,
        shortcuts: counts.shortcuts,
        verdicts: counts.verdicts,
    })
}

/// A cluster for each unit.
fn clusters(
    verified: &[&VerifiedProblem<'_>],
    value: impl Fn(&VerifiedProblem<'_>) -> f64,
) -> Vec<Cluster> {
    let mut by_unit: BTreeMap<String, Cluster> = BTreeMap::new();
    for one in verified {
        let cluster = by_unit.entry(unit_of(&one.problem)).or_default();
        cluster.sum += value(one);
        cluster.count += 1.0;
    }
    by_unit.into_values().collect()
}

fn interval_of(units: &[Cluster]) -> Option<Interval> {
    over_units(units, TAIL95).map(tidy_interval)
}

/// Six decimals: a line is read by people too.
fn tidy(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

fn tidy_interval(interval: Interval) -> Interval {
    Interval {
        lower: tidy(interval.lower),
        upper: tidy(interval.upper),
    }
}

#[cfg(test)]
mod tests;
