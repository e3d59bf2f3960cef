//! How many connections are open at once: one more is closed as soon as it was accepted, and its
//! client tries again later. So descriptors never run out: a server that cannot accept for want of
//! one would end.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use anyhow::Context as _;
use futures::{Stream, StreamExt as _};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tonic::transport::server::Connected;

/// Connections at once where there are descriptors enough; a process has one.
const MOST: usize = 4096;
/// How long nothing is accepted after accepting has failed: what was in the way may be gone by
/// then.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection that gives its place back when it is dropped.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    _place: OwnedSemaphorePermit,
}

/// How many connections may be open: half of the descriptors that this process may have, after
/// asking for as many as are wanted.
pub fn most() -> anyhow::Result<usize> {
    let (soft, hard) =
        getrlimit(Resource::RLIMIT_NOFILE).context("read the limit on open files")?;
    // The other half is for everything else that a coordinator opens.
    let wanted = soft.max(hard.min(2 * MOST as u64));
    setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).context("raise the limit on open files")?;
    Ok(MOST.min(usize::try_from(wanted / 2).unwrap_or(MOST)))
}

/// The accepted connections, at most `most` of them at once.
pub fn limited(
    accepted: impl Stream<Item = io::Result<TcpStream>>,
    most: usize,
) -> impl Stream<Item = io::Result<Connection>> {
    let places = Arc::new(Semaphore::new(most));
    let mut full = false;
    accepted.filter_map(move |accepted| {
        // Not waited for: connections that are not accepted would fill the kernel's queue, and
        // their clients would learn nothing.
        let place = places.clone().try_acquire_owned();
        // Said once, not for every connection of a flood.
        if place.is_err() && !full {
            tracing::warn!(
                most,
                "as many connections are open as are allowed: more are closed at once"
            );
        }
        full = place.is_err();
        async {
            match accepted {
                Ok(stream) => place.ok().map(|_place| Ok(Connection { stream, _place })),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                    None
                }
            }
        }
    })
}

impl Connected for Connection {
    type ConnectInfo = <TcpStream as Connected>::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncReadExt as _, net::TcpListener};
    use tonic::transport::server::TcpIncoming;

    use super::*;

    #[tokio::test]
    async fn accepting_goes_on_after_it_has_failed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let failed = futures::stream::iter([Err(io::Error::from_raw_os_error(nix::libc::EMFILE))]);
        let mut open = Box::pin(limited(failed.chain(TcpIncoming::from(listener)), 1));
        let client = TcpStream::connect(address).await.unwrap();
        let admitted = open.next().await.unwrap().unwrap();
        assert_eq!(
            admitted.stream.peer_addr().unwrap(),
            client.local_addr().unwrap()
        );
    }

    #[test]
    fn there_is_a_descriptor_for_every_connection_and_one_to_spare() {
        let most = most().unwrap();
        let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert!(most > 0 && most as u64 <= soft / 2, "{most} of {soft}");
    }

    #[tokio::test]
    async fn one_too_many_is_closed_and_a_place_given_back_is_used_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut open = Box::pin(limited(TcpIncoming::from(listener), 1));
        let _first_client = TcpStream::connect(address).await.unwrap();
        let first = open.next().await.unwrap().unwrap();
        let mut refused = TcpStream::connect(address).await.unwrap();
        let read = async { refused.read(&mut [0]).await.unwrap() };
        tokio::select! {
            read = read => assert_eq!(read, 0),
            admitted = open.next() => panic!("{admitted:?}"),
        }
        drop(first);
        let client = TcpStream::connect(address).await.unwrap();
        let admitted = open.next().await.unwrap().unwrap();
        assert_eq!(
            admitted.stream.peer_addr().unwrap(),
            client.local_addr().unwrap()
        );
    }
}
