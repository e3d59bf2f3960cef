//! Reading page by page: a connection is held for one page and not while a client reads.

use futures::{Stream, TryStreamExt as _, stream};

use crate::error::Result;

/// The records of pages, one by one.
pub fn records<T: Send + 'static>(
    pages: impl Stream<Item = Result<Vec<T>>> + Send,
) -> impl Stream<Item = Result<T>> + Send {
    pages.map_ok(each).try_flatten()
}

fn each<T: Send + 'static>(page: Vec<T>) -> impl Stream<Item = Result<T>> + Send {
    stream::iter(page.into_iter().map(Ok))
}
