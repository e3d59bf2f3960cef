//! Calls to the coordinator: their deadlines, their sizes, and errors that name what was asked.

use std::time::Duration;

use groklab_domain::{
    ExperimentState, Split,
    records::{
        ComparisonReport, EventLine, ExperimentRecord, JsonLine, ProblemLine, RolloutFilter,
        RolloutLine, WorkerRecord,
    },
};
use groklab_proto::{limits::MESSAGE_BYTES, v1};
use groklab_runtime::connect::{Access, Credentials};
use tonic::{
    Request, Response, Status, Streaming, service::interceptor::InterceptedService,
    transport::Channel,
};
use v1::experiments_client::ExperimentsClient;

use super::{
    answers::{Evaluation, ExportPiece, MetricsLines, Submitted},
    convert,
    streams::{RecordStream, Updates, no_answer_within},
};
use crate::failure::{Exit, Failure, chain};

pub(super) const CALL_DEADLINE: Duration = Duration::from_secs(30);
/// Submitting makes and stores all problems.
pub(super) const SUBMIT_DEADLINE: Duration = Duration::from_secs(300);

/// A connected client; cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    pub(super) rpc: ExperimentsClient<InterceptedService<Channel, Credentials>>,
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
            let what = format!("connect to the coordinator at {url}");
            Failure::new(Exit::Unreachable, what)
                .because(chain(&error))
                .next("start one here with `grokctl up`, or name another with --coordinator URL")
        })?;
        let service = InterceptedService::new(channel, access.credentials());
        let rpc = ExperimentsClient::new(service)
            // A page of lines is larger than what tonic takes by default.
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
    pub async fn submit(&self, key: String, config_json: String) -> Result<Submitted, Failure> {
        let what = "submit the experiment";
        let message = v1::SubmitRequest {
            idempotency_key: key,
            config_json,
        };
        let mut rpc = self.rpc.clone();
        let call = rpc.submit(timed(message, SUBMIT_DEADLINE));
        let answer = self.within(SUBMIT_DEADLINE, what, call).await?;
        self.read(what, convert::submitted(answer))
    }

    pub async fn get(&self, id: &str) -> Result<ExperimentRecord, Failure> {
        let what = format!("show `{id}`");
        let mut rpc = self.rpc.clone();
        let call = rpc.get(timed(reference(id), CALL_DEADLINE));
        let answer = self.within(CALL_DEADLINE, &what, call).await?;
        self.read(&what, convert::experiment(answer))
    }

    /// The experiments in `state`, or all, that have all of these tags.
    pub async fn list(
        &self,
        state: Option<ExperimentState>,
        tags: &[String],
    ) -> Result<Vec<ExperimentRecord>, Failure> {
        let what = "list the experiments";
        let message = v1::ListRequest {
            state: state.map_or_else(String::new, |state| state.to_string()),
            tags: tags.to_vec(),
        };
        let mut rpc = self.rpc.clone();
        let call = rpc.list(timed(message, CALL_DEADLINE));
        let answer = self.within(CALL_DEADLINE, what, call).await?;
        self.read(what, convert::experiments(answer))
    }

    pub async fn control(&self, id: &str, control: Control) -> Result<ExperimentRecord, Failure> {
        let what = format!("{} `{id}`", control.verb());
        let mut rpc = self.rpc.clone();
        // Asking for the same state twice changes nothing.
        let request = timed(reference(id), CALL_DEADLINE);
        let answer = match control {
            Control::Cancel => self.within(CALL_DEADLINE, &what, rpc.cancel(request)).await,
            Control::Pause => self.within(CALL_DEADLINE, &what, rpc.pause(request)).await,
            Control::Resume => self.within(CALL_DEADLINE, &what, rpc.resume(request)).await,
        };
        self.read(&what, convert::experiment(answer?))
    }

    /// All lines, a page at a time.
    pub async fn metrics(&self, id: &str) -> Result<MetricsLines, Failure> {
        let what = format!("read the metrics of `{id}`");
        let mut rpc = self.rpc.clone();
        let mut all = MetricsLines::default();
        let mut next = Some(0);
        while let Some(first) = next {
            let message = v1::MetricsRequest {
                experiment: id.to_owned(),
                first,
            };
            let call = rpc.metrics(timed(message, CALL_DEADLINE));
            let page = self.within(CALL_DEADLINE, &what, call).await?;
            all.metrics.extend(convert::lines(page.metrics_json));
            all.iterations.extend(convert::lines(page.iterations_json));
            // A coordinator that sends the same page again must not keep this loop for ever.
            next = page.next.filter(|next| *next > first);
        }
        Ok(all)
    }

    /// Compares two evaluations on the problems of a split that both were asked.
    pub async fn compare(
        &self,
        before: &Evaluation,
        after: &Evaluation,
        split: Split,
    ) -> Result<ComparisonReport, Failure> {
        let what = format!("compare `{before}` with `{after}`");
        let message = v1::CompareRequest {
            before: Some(convert::evaluation(before)),
            after: Some(convert::evaluation(after)),
            split: split.to_string(),
        };
        let mut rpc = self.rpc.clone();
        let call = rpc.compare(timed(message, CALL_DEADLINE));
        let answer = self.within(CALL_DEADLINE, &what, call).await?;
        self.read(&what, convert::comparison(answer))
    }

    pub async fn workers(&self) -> Result<Vec<WorkerRecord>, Failure> {
        let what = "list the workers";
        let mut rpc = self.rpc.clone();
        let call = rpc.list_workers(timed(v1::ListWorkersRequest {}, CALL_DEADLINE));
        let answer = self.within(CALL_DEADLINE, what, call).await?;
        self.read(what, convert::workers(answer))
    }

    /// The stream has no deadline: it lasts as long as the experiment. A dead peer is noticed by
    /// keepalive.
    pub async fn watch(&self, id: &str) -> Result<Updates, Status> {
        let mut rpc = self.rpc.clone();
        // Only the beginning of the stream has one.
        let answer = tokio::time::timeout(CALL_DEADLINE, rpc.watch(reference(id))).await;
        match answer {
            Ok(response) => Ok(Updates(response?.into_inner())),
            Err(_) => Err(Status::deadline_exceeded(no_answer_within(CALL_DEADLINE))),
        }
    }

    /// The rollouts that `filter` accepts, at most `limit` of them; 0: all.
    pub async fn rollouts(
        &self,
        id: &str,
        filter: &RolloutFilter,
        limit: u32,
    ) -> Result<RecordStream<v1::RolloutRecord, JsonLine<RolloutLine>>, Failure> {
        let what = format!("read the rollouts of `{id}`");
        let mut rpc = self.rpc.clone();
        let call = rpc.rollouts(convert::rollouts_request(id, filter, limit));
        let messages = self.within(CALL_DEADLINE, &what, call).await?;
        Ok(self.records(what, messages, convert::rollout))
    }

    /// The timeline so far.
    pub async fn events(&self, id: &str) -> Result<RecordStream<v1::Event, EventLine>, Failure> {
        let what = format!("read the events of `{id}`");
        let mut rpc = self.rpc.clone();
        let call = rpc.events(reference(id));
        let messages = self.within(CALL_DEADLINE, &what, call).await?;
        Ok(self.records(what, messages, convert::event))
    }

    /// The problems, in order.
    pub async fn problems(
        &self,
        id: &str,
    ) -> Result<RecordStream<v1::ProblemRecord, ProblemLine>, Failure> {
        let what = format!("read the problems of `{id}`");
        let mut rpc = self.rpc.clone();
        let call = rpc.problems(reference(id));
        let messages = self.within(CALL_DEADLINE, &what, call).await?;
        Ok(self.records(what, messages, convert::problem))
    }

    pub async fn export(
        &self,
        id: &str,
    ) -> Result<RecordStream<v1::ExportChunk, ExportPiece>, Failure> {
        let what = format!("export `{id}`");
        let mut rpc = self.rpc.clone();
        let call = rpc.export(reference(id));
        let messages = self.within(CALL_DEADLINE, &what, call).await?;
        Ok(self.records(what, messages, convert::export_piece))
    }

    fn records<Wire, Record>(
        &self,
        what: String,
        messages: Streaming<Wire>,
        convert: fn(Wire) -> Result<Record, Status>,
    ) -> RecordStream<Wire, Record> {
        RecordStream {
            messages,
            convert,
            what,
            url: self.url.clone(),
        }
    }

    /// The answer to `call`. Beside the deadline that the coordinator is told, this one also holds
    /// where it does not answer at all.
    pub(super) async fn within<T>(
        &self,
        deadline: Duration,
        what: &str,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Failure> {
        let answer = match tokio::time::timeout(deadline, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(status),
            Err(_) => Err(Status::deadline_exceeded(no_answer_within(deadline))),
        };
        self.read(what, answer)
    }

    pub(super) fn read<T>(&self, what: &str, answer: Result<T, Status>) -> Result<T, Failure> {
        answer.map_err(|status| Failure::from_status(what, &status, &self.url))
    }
}

pub(super) fn reference(id: &str) -> v1::ExperimentRef {
    v1::ExperimentRef {
        experiment: id.to_owned(),
    }
}

pub(super) fn timed<T>(message: T, deadline: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(deadline);
    request
}
