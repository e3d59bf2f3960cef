//! The body of an answer, watched for the status at its end.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::Code;

use super::call::{Call, status_among};

pin_project! {
    /// The body of an answer; the call ends with it.
    pub struct CallBody<B> {
        #[pin]
        body: B,
        call: Call,
    }
}

/// Lets the call end with the answer. An error is an answer without a body: its status is among
/// the headers.
pub(super) fn watch<B>(response: Response<B>, mut call: Call) -> Response<CallBody<B>> {
    if let Some(code) = status_among(response.headers()) {
        call.finish(code);
    }
    response.map(|body| CallBody { body, call })
}

impl<B: Body> Body for CallBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        // What a stream computes while it is read belongs to its call.
        let entered = this.call.span.clone().entered();
        let polled = this.body.poll_frame(context);
        drop(entered);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(code) = frame.trailers_ref().and_then(status_among) {
                    this.call.finish(code);
                }
            }
            // The connection broke in the middle of the answer.
            Poll::Ready(Some(Err(_))) => this.call.finish(Code::Unknown),
            // Without trailers the status was among the headers, and counts already.
            Poll::Ready(None) => this.call.finish(Code::Ok),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
