//! Artifacts' bytes, named by their digest, in a folder or in S3.

mod answers;
mod by_digest;
mod fault;
mod folder;
mod listing;
mod place;
mod reading;
mod s3;
mod start;
mod upload;

#[cfg(test)]
mod tests;

pub use by_digest::Blobs;
pub use place::Place;
pub use s3::AwsVariables;
pub use upload::Abandoned;
