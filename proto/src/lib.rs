//! The wire: the types and services generated from `groklab/v1`, and how they map to the domain's.
//! Nothing past the conversions here sees generated types in another room's core.

pub mod convert;
pub mod limits;

/// Generated from `proto/groklab/v1`.
#[expect(clippy::allow_attributes, reason = "generated code")]
pub mod v1 {
    tonic::include_proto!("groklab.v1");
}

/// The protocol's own description, an encoded `FileDescriptorSet`.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("groklab_descriptor");
