//! The `Experiments` service.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _};
use groklab_domain::{ExperimentState, Purpose, Split, Verdict};
use groklab_proto::{
    convert::optional_field,
    v1::{self, experiments_server::Experiments},
};
use tonic::{Request, Response, Status};

use super::{Reply, Service, control::Control, export, records, view, watch};
use crate::store::{experiment, rollout::Filter, worker};

/// The shortest silence after which a worker counts as gone: a waiting one is noted every few seconds.
const SILENCE: Duration = Duration::from_secs(10);

#[tonic::async_trait]
impl Experiments for Shared {
    async fn submit(
        &self,
        request: Request<v1::SubmitRequest>,
    ) -> Result<Response<v1::SubmitResponse>, Status> {
        let request = request.into_inner();
        let (id, warnings) = self
            .0
            .submit_experiment(&request.idempotency_key, &request.config_json)
            .await?;
        let experiment = Some(self.0.view(id).await?);
        Ok(Response::new(v1::SubmitResponse {
            experiment,
            warnings,
        }))
    }

    async fn get(
        &self,
        request: Request<v1::ExperimentRef>,
    ) -> Result<Response<v1::Experiment>, Status> {
        let id = self.0.resolve(&request.into_inner().experiment).await?;
        Ok(Response::new(self.0.view(id).await?))
    }

    async fn list(
        &self,
        request: Request<v1::ListRequest>,
    ) -> Result<Response<v1::ListResponse>, Status> {
        let state: Option<ExperimentState> = optional_field("state", &request.into_inner().state)?;
        let mut db = self.0.store.connection().await?;
        let experiments = experiment::list(&mut db, state).await?;
        Ok(Response::new(v1::ListResponse {
            experiments: experiments
                .into_iter()
                .map(view::without_progress)
                .collect(),
        }))
    }

    async fn cancel(
        &self,
        request: Request<v1::ExperimentRef>,
    ) -> Result<Response<v1::Experiment>, Status> {
        Ok(Response::new(
            self.0
                .control(&request.into_inner().experiment, Control::Cancel)
                .await?,
        ))
    }

    async fn pause(
        &self,
        request: Request<v1::ExperimentRef>,
    ) -> Result<Response<v1::Experiment>, Status> {
        Ok(Response::new(
            self.0
                .control(&request.into_inner().experiment, Control::Pause)
                .await?,
        ))
    }

    async fn resume(
        &self,
        request: Request<v1::ExperimentRef>,
    ) -> Result<Response<v1::Experiment>, Status> {
        Ok(Response::new(
            self.0
                .control(&request.into_inner().experiment, Control::Resume)
                .await?,
        ))
    }

    type WatchStream = Reply<v1::WatchUpdate>;

    async fn watch(
        &self,
        request: Request<v1::ExperimentRef>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let id = self.0.resolve(&request.into_inner().experiment).await?;
        Ok(Response::new(
            watch::updates(self.0.clone(), id)
                .map_err(Status::from)
                .boxed(),
        ))
    }

    type EventsStream = Reply<v1::Event>;

    async fn events(
        &self,
        request: Request<v1::ExperimentRef>,
    ) -> Result<Response<Self::EventsStream>, Status> {
        let id = self.0.resolve(&request.into_inner().experiment).await?;
        Ok(Response::new(
            watch::timeline(self.0.clone(), id)
                .map_err(Status::from)
                .boxed(),
        ))
    }

    async fn metrics(
        &self,
        request: Request<v1::MetricsRequest>,
    ) -> Result<Response<v1::MetricsResponse>, Status> {
        let v1::MetricsRequest { experiment, first } = request.into_inner();
        let id = self.0.resolve(&experiment).await?;
        Ok(Response::new(records::metrics(&self.0, id, first).await?))
    }

    type ProblemsStream = Reply<v1::ProblemRecord>;

    async fn problems(
        &self,
        request: Request<v1::ExperimentRef>,
    ) -> Result<Response<Self::ProblemsStream>, Status> {
        let id = self.0.resolve(&request.into_inner().experiment).await?;
        let lines = records::problems(self.0.clone(), id, None).await?;
        Ok(Response::new(
            lines
                .map_ok(|json| v1::ProblemRecord { json })
                .map_err(Status::from)
                .boxed(),
        ))
    }

    type RolloutsStream = Reply<v1::RolloutRecord>;

    async fn rollouts(
        &self,
        request: Request<v1::RolloutsRequest>,
    ) -> Result<Response<Self::RolloutsStream>, Status> {
        let request = request.into_inner();
        let limit = if request.limit == 0 {
            usize::MAX
        } else {
            request.limit as usize
        };
        let filter = filter(&request)?;
        let id = self.0.resolve(&request.experiment).await?;
        let lines = records::rollouts(self.0.clone(), id, filter).take(limit);
        Ok(Response::new(
            lines
                .map_ok(|json| v1::RolloutRecord { json })
                .map_err(Status::from)
                .boxed(),
        ))
    }

    type ExportStream = Reply<v1::ExportChunk>;

    async fn export(
        &self,
        request: Request<v1::ExperimentRef>,
    ) -> Result<Response<Self::ExportStream>, Status> {
        let id = self.0.resolve(&request.into_inner().experiment).await?;
        let files = export::files(self.0.clone(), id).await?;
        Ok(Response::new(files.map_err(Status::from).boxed()))
    }

    async fn list_workers(
        &self,
        _: Request<v1::ListWorkersRequest>,
    ) -> Result<Response<v1::ListWorkersResponse>, Status> {
        let mut db = self.0.store.connection().await?;
        let workers = worker::list(&mut db, self.0.lease.max(SILENCE)).await?;
        Ok(Response::new(v1::ListWorkersResponse {
            workers: workers.into_iter().map(wire_worker).collect(),
        }))
    }
}

/// The service behind a handle that streams can keep.
#[derive(Debug, Clone)]
pub struct Shared(pub Arc<Service>);

fn filter(request: &v1::RolloutsRequest) -> Result<Filter, Status> {
    let word = |text: &Option<String>| text.clone().unwrap_or_default();
    if request
        .family
        .as_ref()
        .is_some_and(|family| family.contains('\0'))
    {
        return Err(Status::invalid_argument("field `family` holds NUL"));
    }
    Ok(Filter {
        iteration: request.iteration.map(|i| i.min(i32::MAX.cast_unsigned())),
        purpose: optional_field::<Purpose>("purpose", &word(&request.purpose))?,
        split: optional_field::<Split>("split", &word(&request.split))?,
        family: request.family.clone(),
        problem: request
            .problem
            .map(|problem| problem.min(i32::MAX.cast_unsigned())),
        verdict: optional_field::<Verdict>("verdict", &word(&request.verdict))?,
    })
}

fn wire_worker(worker: worker::Worker) -> v1::Worker {
    let registration = worker.registration;
    let job = worker.job.unwrap_or_default();
    v1::Worker {
        worker_id: registration.worker.to_string(),
        kind: registration.kind.to_string(),
        host: registration.host,
        device: registration.device,
        threads: registration.threads,
        version: registration.version,
        seen_unix_ms: worker.seen_unix_ms,
        alive: worker.alive,
        experiment_id: job.experiment_id,
        job_id: job.job_id,
        experiment: job.experiment,
        iteration: job.iteration,
        purpose: job.purpose,
        units_done: job.units_done,
        units_total: job.units_total,
        started_unix_ms: job.started_unix_ms,
    }
}
