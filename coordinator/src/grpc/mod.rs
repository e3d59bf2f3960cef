//! The coordinator's gRPC face for clients. A method parses, asks one function, converts back; no
//! generated type goes further than this room.

mod convert;
mod experiments;
mod request;

pub use experiments::Experiments;
