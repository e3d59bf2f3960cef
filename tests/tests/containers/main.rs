//! The installation of `deploy/compose.yaml` as containers, with images of the binaries under test;
//! and the archive of `make dist` on bare systems.
//! Ends with its reason where there is no engine. `deploy/testing/images.sh` makes the images, a
//! few minutes the first time.
#![expect(
    clippy::unwrap_used,
    reason = "tests: a failure is a panic with its place"
)]

mod archive;
mod disks;
mod disturbed;
mod engine;
mod files;
mod images;
mod installation;
mod life;
mod network;
mod rolling;
mod s3;
mod same_results;
mod shares;
mod upgrade;
