//! The `Experiments` service.

use std::sync::Arc;

use futures::{Stream, StreamExt as _, TryStreamExt as _};
use groklab_domain::ExperimentId;
use groklab_proto::v1::{self, experiments_server};
use tonic::{Request, Response, Status};

use super::{Reply, convert, request};
use crate::{
    control::Control,
    error::Result,
    queries::{self, Reader},
    service::Service,
    store::Store,
};

/// What clients ask of the coordinator.
#[derive(Debug, Clone)]
pub struct Experiments {
    service: Arc<Service>,
}

type Answer<T> = Result<Response<T>, Status>;
type Named = Request<v1::ExperimentRef>;

impl Experiments {
    pub fn new(service: Arc<Service>) -> Self {
        Self { service }
    }

    fn store(&self) -> &Store {
        &self.service.store
    }

    // A stream outlives its call, so it takes handles of its own.
    fn reader(&self) -> Reader {
        let service = &self.service;
        Reader {
            store: service.store.clone(),
            blobs: service.blobs.clone(),
            nudge: service.nudge.clone(),
            stop: service.stop.clone(),
        }
    }

    async fn named(&self, request: Named) -> Result<ExperimentId> {
        queries::resolve_experiment(self.store(), &request.into_inner().experiment).await
    }

    /// One whose rows are all there.
    async fn readable(&self, request: Named) -> Result<ExperimentId> {
        queries::readable_experiment(self.store(), &request.into_inner().experiment).await
    }

    async fn current(&self, id: ExperimentId) -> Result<v1::Experiment> {
        let mut db = self.store().connection().await?;
        let record = queries::experiment_record(&mut db, id).await?;
        Ok(convert::experiment(record))
    }

    async fn control(&self, request: Named, control: Control) -> Answer<v1::Experiment> {
        let name = request.into_inner().experiment;
        let id = self.service.control(&name, control).await?;
        // Read anew: others may have changed it since.
        Ok(Response::new(self.current(id).await?))
    }
}

fn reply<T>(answers: impl Stream<Item = Result<T>> + Send + 'static) -> Response<Reply<T>> {
    Response::new(answers.map_err(Status::from).boxed())
}

#[tonic::async_trait]
impl experiments_server::Experiments for Experiments {
    async fn submit(&self, request: Request<v1::SubmitRequest>) -> Answer<v1::SubmitResponse> {
        let request = request.into_inner();
        let (key, config) = (&request.idempotency_key, &request.config_json);
        let (id, warnings) = self.service.submit_experiment(key, config).await?;
        let experiment = Some(self.current(id).await?);
        Ok(Response::new(v1::SubmitResponse {
            experiment,
            warnings,
        }))
    }

    async fn get(&self, request: Named) -> Answer<v1::Experiment> {
        let id = self.named(request).await?;
        Ok(Response::new(self.current(id).await?))
    }

    async fn list(&self, request: Request<v1::ListRequest>) -> Answer<v1::ListResponse> {
        let request = request.into_inner();
        let (state, tags) = (request::state(&request)?, request::tags(&request)?);
        let records = queries::experiment_records(self.store(), state, tags).await?;
        let experiments = records.into_iter().map(convert::experiment).collect();
        Ok(Response::new(v1::ListResponse { experiments }))
    }

    async fn cancel(&self, request: Named) -> Answer<v1::Experiment> {
        self.control(request, Control::Cancel).await
    }

    async fn pause(&self, request: Named) -> Answer<v1::Experiment> {
        self.control(request, Control::Pause).await
    }

    async fn resume(&self, request: Named) -> Answer<v1::Experiment> {
        self.control(request, Control::Resume).await
    }

    async fn footprint(&self, request: Named) -> Answer<v1::FootprintResponse> {
        let id = self.named(request).await?;
        let experiment = self.current(id).await?;
        let footprint = queries::footprint(self.store(), id).await?;
        Ok(Response::new(convert::footprint(experiment, footprint)))
    }

    async fn delete(&self, request: Request<v1::DeleteRequest>) -> Answer<v1::Experiment> {
        let v1::DeleteRequest { experiment, cancel } = request.into_inner();
        let record = self.service.delete_experiment(&experiment, cancel).await?;
        Ok(Response::new(convert::experiment(record)))
    }

    async fn rename(&self, request: Request<v1::RenameRequest>) -> Answer<v1::Experiment> {
        let v1::RenameRequest { experiment, name } = request.into_inner();
        let id = self.service.rename_experiment(&experiment, &name).await?;
        Ok(Response::new(self.current(id).await?))
    }

    async fn tag(&self, request: Request<v1::TagRequest>) -> Answer<v1::Experiment> {
        let asked = request.into_inner();
        let (add, remove) = (&asked.add, &asked.remove);
        let id = self
            .service
            .tag_experiment(&asked.experiment, add, remove)
            .await?;
        Ok(Response::new(self.current(id).await?))
    }

    async fn fork(&self, request: Request<v1::ForkRequest>) -> Answer<v1::SubmitResponse> {
        let asked = request::fork(request.into_inner());
        let (id, warnings) = self.service.fork_experiment(&asked).await?;
        let experiment = Some(self.current(id).await?);
        Ok(Response::new(v1::SubmitResponse {
            experiment,
            warnings,
        }))
    }

    type WatchStream = Reply<v1::WatchUpdate>;

    async fn watch(&self, request: Named) -> Answer<Self::WatchStream> {
        let id = self.named(request).await?;
        Ok(reply(
            queries::watch_updates(self.reader(), id).map_ok(convert::update),
        ))
    }

    type EventsStream = Reply<v1::Event>;

    async fn events(&self, request: Named) -> Answer<Self::EventsStream> {
        let id = self.readable(request).await?;
        let events = queries::timeline(self.store().clone(), id);
        let events = queries::whole(self.store().clone(), id, events);
        Ok(reply(events.map_ok(convert::event)))
    }

    async fn metrics(&self, request: Request<v1::MetricsRequest>) -> Answer<v1::MetricsResponse> {
        let request = request.into_inner();
        let id = queries::readable_experiment(self.store(), &request.experiment).await?;
        let page = queries::metrics_page(self.store(), id, request.first).await?;
        Ok(Response::new(convert::metrics_page(page)))
    }

    type ProblemsStream = Reply<v1::ProblemRecord>;

    async fn problems(&self, request: Named) -> Answer<Self::ProblemsStream> {
        let id = self.readable(request).await?;
        let problems = queries::problem_lines(self.store().clone(), id, None);
        let problems = queries::whole(self.store().clone(), id, problems);
        Ok(reply(problems.map(|line| convert::problem(line?))))
    }

    type RolloutsStream = Reply<v1::RolloutRecord>;

    async fn rollouts(
        &self,
        request: Request<v1::RolloutsRequest>,
    ) -> Answer<Self::RolloutsStream> {
        let request = request.into_inner();
        let (filter, limit) = (request::filter(&request)?, request::limit(&request));
        let id = queries::readable_experiment(self.store(), &request.experiment).await?;
        let rollouts = queries::rollout_lines(self.store().clone(), id, filter).take(limit);
        let rollouts = queries::whole(self.store().clone(), id, rollouts);
        Ok(reply(rollouts.map(|line| convert::rollout(line?))))
    }

    async fn compare(&self, request: Request<v1::CompareRequest>) -> Answer<v1::CompareResponse> {
        let (before, after, split) = request::comparison(request.into_inner())?;
        let report = queries::compare_evaluations(self.store(), &before, &after, split).await?;
        Ok(Response::new(convert::comparison(&report)?))
    }

    type ExportStream = Reply<v1::ExportChunk>;

    async fn export(&self, request: Named) -> Answer<Self::ExportStream> {
        let id = self.readable(request).await?;
        let pieces = queries::export_files(self.reader(), id).await?;
        Ok(reply(pieces.map_ok(convert::export_chunk)))
    }

    async fn list_workers(
        &self,
        _: Request<v1::ListWorkersRequest>,
    ) -> Answer<v1::ListWorkersResponse> {
        let records = queries::worker_records(self.store(), self.service.lease).await?;
        let workers = records.into_iter().map(convert::worker).collect();
        Ok(Response::new(v1::ListWorkersResponse { workers }))
    }
}
