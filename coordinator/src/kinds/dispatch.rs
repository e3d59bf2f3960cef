//! From a job's kind to the file that knows it: the one place that lists them.

use enum_map::EnumMap;
use groklab_domain::{JobKind, job::Job};
use groklab_proto::v1::{complete_request::Result as Wire, job::Work};
use sqlx::PgConnection;

use super::{
    contract::{Experiments, Kind, MadeWith, Refusal},
    generate::Generate,
    train::Train,
    verify::Verify,
};
use crate::{
    error::Result,
    store::{
        experiment,
        job::{self, NewJob},
    },
};

/// A claimed job with everything its worker needs, and nothing that grows with the experiment.
#[derive(Debug)]
pub struct Assignment {
    pub job: Job,
    pub work: Work,
}

/// What workers are given with these jobs, which are all of this kind.
pub async fn assign(
    db: &mut PgConnection,
    kind: JobKind,
    jobs: Vec<Job>,
) -> Result<Vec<Assignment>> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<_> = jobs.iter().map(|job| job.experiment).collect();
    let experiments = Experiments::new(experiment::get_many(db, &ids).await?);
    let work = match kind {
        JobKind::Generate => Generate::messages(db, &jobs, &experiments).await?,
        JobKind::Verify => Verify::messages(db, &jobs, &experiments).await?,
        JobKind::Train => Train::messages(db, &jobs, &experiments).await?,
    };
    let assigned = jobs.into_iter().zip(work);
    Ok(assigned
        .map(|(job, work)| Assignment { job, work })
        .collect())
}

/// After how many losses a job of this kind is split into single rollouts.
pub fn losses_before_split(kind: JobKind) -> Option<u32> {
    match kind {
        JobKind::Generate => Generate::LOSSES_BEFORE_SPLIT,
        JobKind::Verify => Verify::LOSSES_BEFORE_SPLIT,
        JobKind::Train => Train::LOSSES_BEFORE_SPLIT,
    }
}

/// A job's results, parsed.
#[derive(Debug)]
pub enum Results {
    Generate(<Generate as Kind>::Results),
    Verify(<Verify as Kind>::Results),
    Train(<Train as Kind>::Results),
}

impl Results {
    pub fn parse(wire: Option<Wire>) -> Result<Self, Refusal> {
        match wire {
            Some(Wire::Generate(wire)) => Generate::parse(wire).map(Self::Generate),
            Some(Wire::Verify(wire)) => Verify::parse(wire).map(Self::Verify),
            Some(Wire::Train(wire)) => Train::parse(wire).map(Self::Train),
            None => Err("no results".to_owned()),
        }
    }

    /// What they were made with.
    pub fn made_with(&self) -> MadeWith {
        match self {
            Self::Generate(results) => Generate::made_with(results),
            Self::Verify(results) => Verify::made_with(results),
            Self::Train(results) => Train::made_with(results),
        }
    }
}

/// A job whose holder has sent results.
#[derive(Debug, Clone, Copy)]
pub struct Completed<'a> {
    /// Its place among the calls of this transaction.
    pub place: usize,
    pub job: &'a Job,
    pub results: &'a Results,
}

/// What became of a transaction's results.
#[derive(Debug, Default)]
pub struct Accepted {
    /// By the calls' places: those that were refused, and why. All others are stored.
    pub refused: Vec<(usize, Refusal)>,
    /// Jobs that were made and can be claimed.
    pub followers: EnumMap<JobKind, usize>,
}

/// Checks results and stores those that are their jobs'. Nothing is written for those that are
/// refused.
pub async fn take(
    db: &mut PgConnection,
    completed: &[Completed<'_>],
    experiments: &mut Experiments,
) -> Result<Accepted> {
    let mut accepted = Accepted::default();
    let (mut generated, mut verified, mut trained) = (Vec::new(), Vec::new(), Vec::new());
    for &Completed {
        place,
        job,
        results,
    } in completed
    {
        // By the job's kind, so that one that is forgotten here does not compile.
        match job.spec.kind {
            JobKind::Generate => {
                if let Results::Generate(results) = results {
                    generated.push((place, (job, results)));
                    continue;
                }
            }
            JobKind::Verify => {
                if let Results::Verify(results) = results {
                    verified.push((place, (job, results)));
                    continue;
                }
            }
            JobKind::Train => {
                if let Results::Train(results) = results {
                    trained.push((place, (job, results)));
                    continue;
                }
            }
        }
        let refusal = format!("not the results of a {} job", job.spec.kind);
        accepted.refused.push((place, refusal));
    }
    take_kind::<Generate>(db, generated, experiments, &mut accepted).await?;
    take_kind::<Verify>(db, verified, experiments, &mut accepted).await?;
    take_kind::<Train>(db, trained, experiments, &mut accepted).await?;
    experiments.store_fixed(db).await?;
    Ok(accepted)
}

async fn take_kind<K: Kind>(
    db: &mut PgConnection,
    completed: Vec<(usize, (&Job, &K::Results))>,
    experiments: &mut Experiments,
    accepted: &mut Accepted,
) -> Result<()> {
    if completed.is_empty() {
        return Ok(());
    }
    let (places, completed): (Vec<usize>, Vec<(&Job, &K::Results)>) = completed.into_iter().unzip();
    let context = K::context(db, &completed).await?;
    let mut checked = Vec::with_capacity(completed.len());
    for (place, (job, results)) in places.into_iter().zip(completed) {
        match check::<K>(job, results, &context, experiments) {
            Ok(()) => checked.push((job, results)),
            Err(refusal) => accepted.refused.push((place, refusal)),
        }
    }
    if checked.is_empty() {
        return Ok(());
    }
    K::store(db, &checked, &context).await?;
    let mut followers = Vec::new();
    for (job, _) in &checked {
        let Some(spec) = job.spec.follower() else {
            continue;
        };
        accepted.followers[spec.kind] += 1;
        followers.push(NewJob {
            experiment: job.experiment,
            spec,
            traceparent: &job.traceparent,
        });
    }
    if followers.is_empty() {
        return Ok(());
    }
    job::insert(db, &followers).await
}

fn check<K: Kind>(
    job: &Job,
    results: &K::Results,
    context: &K::Context,
    experiments: &mut Experiments,
) -> Result<(), Refusal> {
    let experiment = experiments.of(job).map_err(|error| error.to_string())?;
    let config = experiment.config().map_err(|error| error.to_string())?;
    K::check(job, results, context, config)?;
    experiments.fix(job.experiment, K::made_with(results))
}
