//! The `health` command: asks a process on this machine how it is, for images that have no curl.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    process::ExitCode,
    time::Duration,
};

use crate::output;

/// Between tries of a container's health check lie seconds; an answer takes milliseconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// An answer is a line.
const MAX_ANSWER_BYTES: u64 = 4096;

/// Flags of the `health` command.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "health")]
pub struct HealthArgs {
    /// The address that the running service was given by the same flag.
    #[arg(long, env = "GROKLAB_ADMIN_LISTEN", value_name = "ADDRESS")]
    pub admin_listen: SocketAddr,
    /// Ask only whether it answers, not whether it can do its duty.
    #[arg(long)]
    pub live: bool,
}

impl HealthArgs {
    /// Prints what the service `name` says of itself; exit code 0 where that is good, else 1.
    pub fn run(&self, name: &str) -> ExitCode {
        let path = if self.live { "/livez" } else { "/readyz" };
        let address = reachable(self.admin_listen);
        match get(address, path) {
            Ok(Answer { status: 200, body }) => {
                // The exit code is the answer, also where nobody reads the text.
                let _ = output::line(body.trim_end());
                ExitCode::SUCCESS
            }
            Ok(Answer { status, body }) => {
                let reason = body.trim_end();
                output::complain(format!("{name}: {path} at {address}: {status} {reason}"));
                ExitCode::FAILURE
            }
            Err(error) => {
                output::complain(format!("{name}: {path} at {address}: {error}"));
                ExitCode::FAILURE
            }
        }
    }
}

/// A service that listens everywhere is reached by loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

struct Answer {
    status: u16,
    body: String,
}

fn get(address: SocketAddr, path: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_WITHIN)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.set_write_timeout(Some(ANSWER_WITHIN))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    // The server closes the connection after its answer, as asked.
    let mut text = String::new();
    stream.take(MAX_ANSWER_BYTES).read_to_string(&mut text)?;
    parse(&text).ok_or_else(|| io::Error::other("the answer is not HTTP"))
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?;
    Some(Answer {
        status: status.parse().ok()?,
        body: body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_status_and_a_body() {
        let answer = parse("HTTP/1.1 503 Service Unavailable\r\na: b\r\n\r\nstarting\n").unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (503, "starting\n"));
        for text in [
            "",
            "HTTP/1.1 200 OK",
            "SSH-2.0-x\r\n\r\n",
            "HTTP/1.1 \r\n\r\n",
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_service_that_listens_everywhere_is_asked_on_loopback() {
        let reached = |address: &str| reachable(address.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:9090"), "127.0.0.1:9090");
        assert_eq!(reached("[::]:9090"), "[::1]:9090");
        assert_eq!(reached("10.0.0.7:9090"), "10.0.0.7:9090");
    }
}
