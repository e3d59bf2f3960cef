//! Calls that name, fork and delete experiments.

use groklab_domain::records::{ExperimentRecord, Footprint};
use groklab_proto::v1;

use super::{
    answers::{Evaluation, Submitted},
    connection::{CALL_DEADLINE, Client, SUBMIT_DEADLINE, reference, timed},
    convert,
};
use crate::failure::Failure;

/// Counting a million rollouts takes a while on a slow disk.
const COUNT_DEADLINE: std::time::Duration = SUBMIT_DEADLINE;

impl Client {
    /// The experiment, and what deleting it would take along.
    pub async fn footprint(&self, id: &str) -> Result<(ExperimentRecord, Footprint), Failure> {
        let what = format!("count what `{id}` keeps");
        let mut rpc = self.rpc.clone();
        let call = rpc.footprint(timed(reference(id), COUNT_DEADLINE));
        let answer = self.within(COUNT_DEADLINE, &what, call).await?;
        self.read(&what, convert::footprint(answer))
    }

    /// Safe to repeat until it is gone.
    pub async fn delete(&self, id: &str, cancel: bool) -> Result<ExperimentRecord, Failure> {
        let what = format!("delete `{id}`");
        let experiment = id.to_owned();
        let message = v1::DeleteRequest { experiment, cancel };
        let mut rpc = self.rpc.clone();
        let call = rpc.delete(timed(message, CALL_DEADLINE));
        let answer = self.within(CALL_DEADLINE, &what, call).await?;
        self.read(&what, convert::experiment(answer))
    }

    pub async fn rename(&self, id: &str, name: &str) -> Result<ExperimentRecord, Failure> {
        let what = format!("rename `{id}` to `{name}`");
        let message = v1::RenameRequest {
            experiment: id.to_owned(),
            name: name.to_owned(),
        };
        let mut rpc = self.rpc.clone();
        let call = rpc.rename(timed(message, CALL_DEADLINE));
        let answer = self.within(CALL_DEADLINE, &what, call).await?;
        self.read(&what, convert::experiment(answer))
    }

    pub async fn tag(
        &self,
        id: &str,
        add: Vec<String>,
        remove: Vec<String>,
    ) -> Result<ExperimentRecord, Failure> {
        let what = format!("tag `{id}`");
        let message = v1::TagRequest {
            experiment: id.to_owned(),
            add,
            remove,
        };
        let mut rpc = self.rpc.clone();
        let call = rpc.tag(timed(message, CALL_DEADLINE));
        let answer = self.within(CALL_DEADLINE, &what, call).await?;
        self.read(&what, convert::experiment(answer))
    }

    /// Safe to repeat with the same `key`.
    pub async fn fork(
        &self,
        key: String,
        origin: &Evaluation,
        config_json: String,
    ) -> Result<Submitted, Failure> {
        let what = format!("fork `{origin}`");
        let message = v1::ForkRequest {
            idempotency_key: key,
            experiment: origin.experiment.clone(),
            iteration: origin.iteration,
            config_json,
        };
        let mut rpc = self.rpc.clone();
        let call = rpc.fork(timed(message, SUBMIT_DEADLINE));
        let answer = self.within(SUBMIT_DEADLINE, &what, call).await?;
        self.read(&what, convert::submitted(answer))
    }
}
