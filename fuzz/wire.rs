//! Fuzz target: whatever bytes come over the wire, decoding and converting them ends in a message
//! or an error, never in a panic. `cargo test` runs it on random bytes; `make fuzz` lets coverage
//! guide it.

use groklab_domain::Verification;
use groklab_proto::{
    convert::{adapter, claim, value},
    v1,
};
use prost::Message;

/// Decodes bytes as one kind of message; what could be read is written again and read as the same.
fn decode<M: Message + Default>(bytes: &[u8]) -> Option<M> {
    let message = M::decode(bytes).ok()?;
    // NaN does not equal itself, so bytes are compared and not messages.
    let again = message.encode_to_vec();
    assert_eq!(
        M::decode(again.as_slice())
            .expect("what was written can be read")
            .encode_to_vec(),
        again
    );
    Some(message)
}

#[test]
fn any_bytes_are_a_message_or_an_error() {
    bolero::check!().for_each(|bytes: &[u8]| {
        decode::<v1::SubmitRequest>(bytes);
        decode::<v1::ExperimentRef>(bytes);
        decode::<v1::RolloutsRequest>(bytes);
        decode::<v1::RegisterRequest>(bytes);
        decode::<v1::LeaseRequest>(bytes);
        decode::<v1::HeartbeatRequest>(bytes);
        decode::<v1::FailRequest>(bytes);
        decode::<v1::LeaveRequest>(bytes);
        decode::<v1::ArtifactChunk>(bytes);
        decode::<v1::Job>(bytes);
        if let Some(complete) = decode::<v1::CompleteRequest>(bytes) {
            convert(&complete);
        }
    });
}

/// What the coordinator does with a result before it touches the database.
fn convert(complete: &v1::CompleteRequest) {
    if let Ok(claim) = claim(&complete.worker_id, &complete.job_id, complete.fence) {
        assert_eq!(claim.fence.0, complete.fence);
    }
    match &complete.result {
        Some(v1::complete_request::Result::Verify(result)) => {
            for wire in &result.verdicts {
                if let Ok(parsed) = Verification::try_from(wire) {
                    assert!(
                        parsed.visible.passed <= parsed.visible.total
                            && parsed.hidden.passed <= parsed.hidden.total
                    );
                }
            }
        }
        Some(v1::complete_request::Result::Train(result)) => {
            if let Some(Ok(named)) = result.adapter.as_ref().map(adapter) {
                assert_eq!(
                    adapter(&v1::Adapter::from(named))
                        .expect("what was parsed can be parsed again"),
                    named
                );
            }
        }
        _ => {}
    }
}

#[test]
fn any_text_is_a_value_or_an_error() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        if let Ok(parsed) = value("v", &text) {
            let written = |value| serde_json::to_string(value).expect("a value is JSON");
            let again = written(&parsed);
            assert_eq!(
                written(&value("v", &again).expect("what was written can be read")),
                again
            );
        }
    });
}
