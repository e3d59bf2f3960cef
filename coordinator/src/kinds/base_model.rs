//! The base model as messages name it.

use groklab_proto::v1;

use crate::{
    error::{Error, Result},
    store::experiment::Experiment,
};

pub fn message(experiment: &Experiment) -> Result<v1::BaseModel> {
    let model = &experiment.config()?.model;
    let chat_json = if model.chat.is_default() {
        String::new()
    } else {
        serde_json::to_string(&model.chat)
            .map_err(|error| Error::internal("write chat settings", error))?
    };
    Ok(v1::BaseModel {
        source: model.source.clone(),
        // Empty until the first result has fixed it.
        digest: experiment
            .base_digest
            .map_or_else(String::new, |digest| digest.to_string()),
        chat_json,
    })
}
