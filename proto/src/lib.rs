//! The wire: the types and services generated from `groklab/v1`, and how the domain's values are
//! read out of them. In every other crate they stop at its own conversions: a coordinator's `grpc/`
//! and `kinds/`, a client's or a worker's `client`.

pub mod convert;
pub mod limits;

/// Generated from `proto/groklab/v1`.
#[expect(clippy::allow_attributes, reason = "generated code")]
pub mod v1 {
    tonic::include_proto!("groklab.v1");
}

/// The protocol's own description, an encoded `FileDescriptorSet`.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("groklab_descriptor");
