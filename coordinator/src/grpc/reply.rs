//! What a server-streaming method answers with.

use std::pin::Pin;

use futures::Stream;
use tonic::Status;

pub type Reply<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;
