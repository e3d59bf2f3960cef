//! The connection to the coordinator: deadlines, message sizes, and errors that name what was asked.

use std::time::Duration;

use groklab_proto::{limits::MESSAGE_BYTES, v1};
use groklab_runtime::connect::{Access, Credentials};
use tonic::{
    Request, Response, Status, Streaming, service::interceptor::InterceptedService,
    transport::Channel,
};
use v1::experiments_client::ExperimentsClient;

use crate::failure::{Exit, Failure, chain};

const CALL: Duration = Duration::from_secs(30);
/// Submitting makes and stores all problems.
const SUBMIT: Duration = Duration::from_secs(300);
/// The longest pause between two messages of a stream that sends as fast as it can.
const STREAM_STALL: Duration = Duration::from_secs(60);

/// A connected client; cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    rpc: ExperimentsClient<InterceptedService<Channel, Credentials>>,
    url: String,
}

/// What may be asked of one experiment as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    Cancel,
    Pause,
    Resume,
}

impl Control {
    pub fn verb(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Pause => "pause",
            Self::Resume => "resume",
        }
    }
}

impl Client {
    /// Connects to `url`, as in `http://127.0.0.1:7070`.
    pub async fn connect(url: &str, access: &Access) -> Result<Self, Failure> {
        let endpoint = access.endpoint(url).map_err(|error| {
            Failure::usage(format!("use the coordinator `{url}`"))
                .because(chain(&error))
                .next("name it as http://HOST:PORT")
        })?;
        let channel = endpoint.connect().await.map_err(|error| {
            Failure::new(
                Exit::Unreachable,
                format!("connect to the coordinator at {url}"),
            )
            .because(chain(&error))
            .next("start one here with `grokctl up`, or name another with --coordinator URL")
        })?;
        let rpc = ExperimentsClient::new(InterceptedService::new(channel, access.credentials()))
            .max_decoding_message_size(MESSAGE_BYTES)
            .max_encoding_message_size(MESSAGE_BYTES);
        Ok(Self {
            rpc,
            url: url.to_owned(),
        })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Safe to repeat with the same `key`.
    pub async fn submit(
        &self,
        key: String,
        config_json: String,
    ) -> Result<v1::SubmitResponse, Failure> {
        let mut rpc = self.rpc.clone();
        let request = timed(
            v1::SubmitRequest {
                idempotency_key: key,
                config_json,
            },
            SUBMIT,
        );
        self.within("submit the experiment", SUBMIT, rpc.submit(request))
            .await
    }

    pub async fn get(&self, id: &str) -> Result<v1::Experiment, Failure> {
        let mut rpc = self.rpc.clone();
        self.within(
            format!("show `{id}`"),
            CALL,
            rpc.get(timed(reference(id), CALL)),
        )
        .await
    }

    /// All experiments, or those in `state`; an empty one means all.
    pub async fn list(&self, state: &str) -> Result<Vec<v1::Experiment>, Failure> {
        let mut rpc = self.rpc.clone();
        let request = timed(
            v1::ListRequest {
                state: state.to_owned(),
            },
            CALL,
        );
        Ok(self
            .within("list the experiments", CALL, rpc.list(request))
            .await?
            .experiments)
    }

    pub async fn control(&self, id: &str, control: Control) -> Result<v1::Experiment, Failure> {
        let mut rpc = self.rpc.clone();
        let request = timed(reference(id), CALL);
        let what = format!("{} `{id}`", control.verb());
        match control {
            Control::Cancel => self.within(what, CALL, rpc.cancel(request)).await,
            Control::Pause => self.within(what, CALL, rpc.pause(request)).await,
            Control::Resume => self.within(what, CALL, rpc.resume(request)).await,
        }
    }

    /// All lines, a page at a time.
    pub async fn metrics(&self, id: &str) -> Result<v1::MetricsResponse, Failure> {
        let mut rpc = self.rpc.clone();
        let mut all = v1::MetricsResponse {
            next: Some(0),
            ..Default::default()
        };
        while let Some(first) = all.next {
            let request = timed(
                v1::MetricsRequest {
                    experiment: id.to_owned(),
                    first,
                },
                CALL,
            );
            let page = self
                .within(
                    format!("read the metrics of `{id}`"),
                    CALL,
                    rpc.metrics(request),
                )
                .await?;
            all.metrics_json.extend(page.metrics_json);
            all.iterations_json.extend(page.iterations_json);
            all.next = page.next.filter(|next| *next > first);
        }
        Ok(all)
    }

    pub async fn workers(&self) -> Result<Vec<v1::Worker>, Failure> {
        let mut rpc = self.rpc.clone();
        let request = timed(v1::ListWorkersRequest {}, CALL);
        Ok(self
            .within("list the workers", CALL, rpc.list_workers(request))
            .await?
            .workers)
    }

    /// The stream has no deadline: it lasts as long as the experiment. A dead peer is noticed by keepalive.
    pub async fn watch(&self, id: &str) -> Result<Streaming<v1::WatchUpdate>, Status> {
        let mut rpc = self.rpc.clone();
        let opened = tokio::time::timeout(CALL, rpc.watch(reference(id))).await;
        opened
            .map_err(|_| Status::deadline_exceeded(late(CALL)))?
            .map(Response::into_inner)
    }

    pub async fn rollouts(
        &self,
        request: v1::RolloutsRequest,
    ) -> Result<Messages<v1::RolloutRecord>, Failure> {
        let mut rpc = self.rpc.clone();
        let what = format!("read the rollouts of `{}`", request.experiment);
        let stream = self
            .within(what.clone(), CALL, rpc.rollouts(request))
            .await?;
        Ok(Messages {
            stream,
            what,
            url: self.url.clone(),
        })
    }

    /// The timeline so far.
    pub async fn events(&self, id: &str) -> Result<Messages<v1::Event>, Failure> {
        let mut rpc = self.rpc.clone();
        let what = format!("read the events of `{id}`");
        let stream = self
            .within(what.clone(), CALL, rpc.events(reference(id)))
            .await?;
        Ok(Messages {
            stream,
            what,
            url: self.url.clone(),
        })
    }

    /// The problems, in order.
    pub async fn problems(&self, id: &str) -> Result<Messages<v1::ProblemRecord>, Failure> {
        let mut rpc = self.rpc.clone();
        let what = format!("read the problems of `{id}`");
        let stream = self
            .within(what.clone(), CALL, rpc.problems(reference(id)))
            .await?;
        Ok(Messages {
            stream,
            what,
            url: self.url.clone(),
        })
    }

    pub async fn export(&self, id: &str) -> Result<Messages<v1::ExportChunk>, Failure> {
        let mut rpc = self.rpc.clone();
        let what = format!("export `{id}`");
        let stream = self
            .within(what.clone(), CALL, rpc.export(reference(id)))
            .await?;
        Ok(Messages {
            stream,
            what,
            url: self.url.clone(),
        })
    }

    async fn within<T>(
        &self,
        what: impl Into<String>,
        deadline: Duration,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Failure> {
        let outcome = tokio::time::timeout(deadline, call)
            .await
            .unwrap_or_else(|_| Err(Status::deadline_exceeded(late(deadline))));
        outcome
            .map(Response::into_inner)
            .map_err(|status| Failure::from_status(what, &status, &self.url))
    }
}

/// A stream that is expected to send without long pauses.
pub struct Messages<T> {
    stream: Streaming<T>,
    what: String,
    url: String,
}

impl<T> Messages<T> {
    /// The next message, `None` at the end. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<T>, Failure> {
        let next = tokio::time::timeout(STREAM_STALL, self.stream.message()).await;
        let next = next.unwrap_or_else(|_| Err(Status::deadline_exceeded(late(STREAM_STALL))));
        next.map_err(|status| Failure::from_status(self.what.clone(), &status, &self.url))
    }
}

fn late(deadline: Duration) -> String {
    format!("no answer within {} s", deadline.as_secs())
}

fn reference(id: &str) -> v1::ExperimentRef {
    v1::ExperimentRef {
        experiment: id.to_owned(),
    }
}

fn timed<T>(message: T, deadline: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(deadline);
    request
}
