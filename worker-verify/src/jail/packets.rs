//! Sockets that keep messages apart and carry descriptors, and waiting for them with a limit.

use std::{
    io::{self, IoSlice},
    os::fd::{AsRawFd as _, BorrowedFd, OwnedFd, RawFd},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{
        AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, sendmsg, socketpair,
    },
};

/// Longest message that is received.
const MAX_MESSAGE_BYTES: usize = 64;

/// Two ends of a socket, closed on exec.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )?)
}

/// Sends one message together with descriptors.
pub fn send(socket: &OwnedFd, message: &[u8], fds: &[RawFd]) -> io::Result<()> {
    sendmsg::<()>(
        socket.as_raw_fd(),
        &[IoSlice::new(message)],
        &[ControlMessage::ScmRights(fds)],
        // Without this, the other end's death would be a signal to this process.
        MsgFlags::MSG_NOSIGNAL,
        None,
    )?;
    Ok(())
}

/// The next message; an empty one if the other end is gone.
pub fn receive(socket: &OwnedFd) -> io::Result<Vec<u8>> {
    let mut bytes = [0; MAX_MESSAGE_BYTES];
    let length = nix::unistd::read(socket, &mut bytes)?;
    Ok(bytes[..length].to_vec())
}

/// Waits at most `limit`, which is below a minute, until at least one of the descriptors is
/// readable, and says which are.
pub fn wait_for<const N: usize>(
    sources: [BorrowedFd<'_>; N],
    limit: Duration,
) -> io::Result<[bool; N]> {
    let since = Instant::now();
    loop {
        let left = limit.saturating_sub(since.elapsed());
        let left = PollTimeout::try_from(left).expect("limits are below a minute");
        let mut fds = sources.map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        match poll(&mut fds, left) {
            Ok(_) => return Ok(fds.map(|fd| fd.any().unwrap_or(false))),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
