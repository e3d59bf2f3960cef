//! The service: finds what was asked for and refuses what a real coordinator would.

use groklab_domain::{
    Purpose, Split,
    records::{ComparisonReport, ComparisonSide, Outcomes, RolloutFilter, RolloutLine},
};
use groklab_proto::v1::{
    self,
    experiments_server::{Experiments, ExperimentsServer},
};
use tokio::runtime::{Builder, Runtime};
use tonic::{
    Request, Response, Status,
    codegen::{BoxStream, tokio_stream},
    transport::{Server, server::TcpIncoming},
};

use super::answers;

type Answer<T> = Result<Response<T>, Status>;

/// Serves until it is dropped.
pub struct FakeCoordinator {
    pub url: String,
    _runtime: Runtime,
}

impl FakeCoordinator {
    pub fn start() -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let _inside = runtime.enter();
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let url = format!("http://{}", incoming.local_addr().unwrap());
        let server = Server::builder().add_service(ExperimentsServer::new(Service));
        runtime.spawn(server.serve_with_incoming(incoming));
        Self {
            url,
            _runtime: runtime,
        }
    }
}

struct Service;

fn found(id: &str) -> Result<v1::Experiment, Status> {
    let mut experiments = answers::experiments().into_iter();
    experiments
        .find(|experiment| experiment.name == id || experiment.experiment_id.starts_with(id))
        .ok_or_else(|| Status::not_found(format!("no experiment `{id}`")))
}

fn controlled(request: Request<v1::ExperimentRef>, state: &str) -> Answer<v1::Experiment> {
    let experiment = found(&request.get_ref().experiment)?;
    Ok(Response::new(v1::Experiment {
        state: state.to_owned(),
        reason: "on request".to_owned(),
        ..experiment
    }))
}

fn streamed<T: Send + 'static>(messages: Vec<T>) -> Answer<BoxStream<T>> {
    let messages = messages.into_iter().map(Ok);
    Ok(Response::new(Box::pin(tokio_stream::iter(messages))))
}

fn side(
    wire: Option<v1::EvaluationRef>,
    split: Split,
) -> Result<(ComparisonSide, Outcomes), Status> {
    let wire = wire.unwrap();
    let experiment = found(&wire.experiment)?;
    let iteration = wire.iteration.unwrap_or(3);
    if iteration != 0 && iteration != 3 {
        let why = "evaluated are the iterations [0, 3]";
        return Err(Status::invalid_argument(why));
    }
    let mut outcomes = Outcomes::default();
    for line in answers::rollouts() {
        let rollout: RolloutLine = serde_json::from_str(&line).unwrap();
        if RolloutFilter::evaluation(iteration, split).accepts(&rollout) {
            outcomes.count_line(&rollout);
        }
    }
    let side = ComparisonSide {
        experiment: experiment.name,
        iteration,
        problems: outcomes.len() as u32,
    };
    Ok((side, outcomes))
}

#[tonic::async_trait]
impl Experiments for Service {
    type WatchStream = BoxStream<v1::WatchUpdate>;
    type EventsStream = BoxStream<v1::Event>;
    type ProblemsStream = BoxStream<v1::ProblemRecord>;
    type RolloutsStream = BoxStream<v1::RolloutRecord>;
    type ExportStream = BoxStream<v1::ExportChunk>;

    async fn submit(&self, _: Request<v1::SubmitRequest>) -> Answer<v1::SubmitResponse> {
        Ok(Response::new(v1::SubmitResponse {
            experiment: Some(answers::finished()),
            warnings: vec!["what the coordinator has to say".to_owned()],
        }))
    }

    async fn get(&self, request: Request<v1::ExperimentRef>) -> Answer<v1::Experiment> {
        Ok(Response::new(found(&request.get_ref().experiment)?))
    }

    async fn list(&self, request: Request<v1::ListRequest>) -> Answer<v1::ListResponse> {
        let state = &request.get_ref().state;
        let mut experiments = answers::experiments();
        experiments.retain(|experiment| state.is_empty() || experiment.state == *state);
        let tags = &request.get_ref().tags;
        experiments.retain(|experiment| tags.iter().all(|tag| experiment.tags.contains(tag)));
        Ok(Response::new(v1::ListResponse { experiments }))
    }

    async fn cancel(&self, request: Request<v1::ExperimentRef>) -> Answer<v1::Experiment> {
        controlled(request, "cancelled")
    }

    async fn pause(&self, request: Request<v1::ExperimentRef>) -> Answer<v1::Experiment> {
        controlled(request, "paused")
    }

    async fn resume(&self, request: Request<v1::ExperimentRef>) -> Answer<v1::Experiment> {
        controlled(request, "running")
    }

    async fn footprint(
        &self,
        request: Request<v1::ExperimentRef>,
    ) -> Answer<v1::FootprintResponse> {
        Ok(Response::new(v1::FootprintResponse {
            experiment: Some(found(&request.get_ref().experiment)?),
            rollouts: 1_234,
            jobs: 12,
            artifacts: 6,
            artifact_bytes: 41_200_000,
        }))
    }

    async fn delete(&self, request: Request<v1::DeleteRequest>) -> Answer<v1::Experiment> {
        Ok(Response::new(v1::Experiment {
            state: "deleting".to_owned(),
            ..found(&request.get_ref().experiment)?
        }))
    }

    async fn rename(&self, request: Request<v1::RenameRequest>) -> Answer<v1::Experiment> {
        let asked = request.into_inner();
        if found(&asked.name).is_ok() {
            let why = format!("another experiment has the name `{}`", asked.name);
            return Err(Status::failed_precondition(why));
        }
        Ok(Response::new(v1::Experiment {
            name: asked.name,
            ..found(&asked.experiment)?
        }))
    }

    async fn tag(&self, request: Request<v1::TagRequest>) -> Answer<v1::Experiment> {
        let asked = request.into_inner();
        let mut experiment = found(&asked.experiment)?;
        experiment.tags.retain(|tag| !asked.remove.contains(tag));
        experiment.tags.extend(asked.add);
        Ok(Response::new(experiment))
    }

    async fn fork(&self, request: Request<v1::ForkRequest>) -> Answer<v1::SubmitResponse> {
        let parent = found(&request.get_ref().experiment)?;
        Ok(Response::new(v1::SubmitResponse {
            experiment: Some(answers::forked(parent, request.get_ref().iteration)),
            warnings: vec!["what the coordinator has to say".to_owned()],
        }))
    }

    async fn watch(&self, request: Request<v1::ExperimentRef>) -> Answer<Self::WatchStream> {
        found(&request.get_ref().experiment)?;
        streamed(answers::updates())
    }

    async fn events(&self, request: Request<v1::ExperimentRef>) -> Answer<Self::EventsStream> {
        found(&request.get_ref().experiment)?;
        streamed(answers::events())
    }

    /// The evaluated iterations on one page and the last one on another.
    async fn metrics(&self, request: Request<v1::MetricsRequest>) -> Answer<v1::MetricsResponse> {
        let mut metrics = answers::metrics();
        let last = metrics.split_off(1);
        let page = match request.get_ref().first {
            0 => v1::MetricsResponse {
                metrics_json: metrics,
                iterations_json: answers::iterations(),
                next: Some(3),
            },
            _ => v1::MetricsResponse {
                metrics_json: last,
                ..v1::MetricsResponse::default()
            },
        };
        Ok(Response::new(page))
    }

    async fn problems(&self, request: Request<v1::ExperimentRef>) -> Answer<Self::ProblemsStream> {
        found(&request.get_ref().experiment)?;
        let mut problems = Vec::new();
        for json in answers::problems() {
            problems.push(v1::ProblemRecord { json });
        }
        streamed(problems)
    }

    async fn rollouts(
        &self,
        request: Request<v1::RolloutsRequest>,
    ) -> Answer<Self::RolloutsStream> {
        let asked = request.into_inner();
        found(&asked.experiment)?;
        let filter = RolloutFilter {
            iteration: asked.iteration,
            purpose: asked.purpose.map(|word| word.parse::<Purpose>().unwrap()),
            split: asked.split.map(|word| word.parse().unwrap()),
            family: asked.family,
            problem: asked.problem,
            verdict: asked.verdict.map(|word| word.parse().unwrap()),
        };
        let mut rollouts = Vec::new();
        for json in answers::rollouts() {
            if filter.accepts(&serde_json::from_str(&json).unwrap()) {
                rollouts.push(v1::RolloutRecord { json });
            }
        }
        if asked.limit > 0 {
            rollouts.truncate(asked.limit as usize);
        }
        streamed(rollouts)
    }

    async fn compare(&self, request: Request<v1::CompareRequest>) -> Answer<v1::CompareResponse> {
        let asked = request.into_inner();
        let split = asked.split.parse().unwrap();
        let (before, before_outcomes) = side(asked.before, split)?;
        let (after, after_outcomes) = side(asked.after, split)?;
        let report = ComparisonReport {
            split,
            before,
            after,
            unlike: Vec::new(),
            shared: before_outcomes.shared_with(&after_outcomes).len() as u32,
            comparison: before_outcomes.against(&after_outcomes),
        };
        let json = serde_json::to_string(&report).unwrap();
        Ok(Response::new(v1::CompareResponse { json }))
    }

    async fn export(&self, request: Request<v1::ExperimentRef>) -> Answer<Self::ExportStream> {
        found(&request.get_ref().experiment)?;
        streamed(answers::export())
    }

    async fn list_workers(
        &self,
        _: Request<v1::ListWorkersRequest>,
    ) -> Answer<v1::ListWorkersResponse> {
        let workers = answers::workers();
        Ok(Response::new(v1::ListWorkersResponse { workers }))
    }
}
