//! Two evaluated iterations, problem by problem, from the rollouts of the test split.

use groklab_domain::{Purpose, Split, metrics::Comparison};
use groklab_proto::v1::RolloutsRequest;

use crate::{
    client::Client,
    failure::Failure,
    results::{self, Outcomes, Rollout},
};

/// `None` where the two can't be compared: too few problems, or not the same ones.
pub async fn test_split(client: &Client, id: &str, first: u32, last: u32) -> Result<Option<Comparison>, Failure> {
    let before = outcomes(client, id, first).await?;
    let after = outcomes(client, id, last).await?;
    Ok(before.against(&after))
}

async fn outcomes(client: &Client, id: &str, iteration: u32) -> Result<Outcomes, Failure> {
    let request = RolloutsRequest {
        experiment: id.to_owned(),
        iteration: Some(iteration),
        purpose: Some(Purpose::Eval.to_string()),
        split: Some(Split::Test.to_string()),
        ..RolloutsRequest::default()
    };
    let mut records = client.rollouts(request).await?;
    let mut outcomes = Outcomes::default();
    while let Some(record) = records.next().await? {
        outcomes.count(&results::line::<Rollout>("a rollout", &record.json)?);
    }
    Ok(outcomes)
}
