//! The coordinator's gRPC face. A method parses, asks one function, converts back; no
//! generated type goes further than this room.

mod artifacts;
mod convert;
mod experiments;
mod reply;
mod request;
mod workers;

pub use experiments::Experiments;
use reply::Reply;
