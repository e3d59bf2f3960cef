//! What a process answers on its admin address.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    time::Duration,
};

use crate::{binaries::binary, wait::until};

/// The admin address of a process, which may be yet to start.
pub struct Admin(pub String);

impl Admin {
    /// A free one on this machine.
    pub fn free() -> Self {
        // The port may be taken again only by another program that asks for this very one.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self(listener.local_addr().unwrap().to_string())
    }

    /// Status and body of an answer; none where nobody answers.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(&self.0).ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        // Bodies of unknown length come in chunks; these are short or have a length.
        assert!(!head.to_lowercase().contains("transfer-encoding"), "{head}");
        Some((status, body.to_owned()))
    }

    /// The body, once the answer has this status.
    pub fn wait_for(&self, path: &str, status: u16, deadline: Duration) -> String {
        until(&format!("{path} to be {status}"), deadline, || {
            self.get(path)
                .filter(|(found, _)| *found == status)
                .map(|(_, body)| body)
        })
    }

    /// The value of one sample of `/metrics`, with its labels as they are written.
    pub fn metric(&self, sample: &str) -> Option<f64> {
        let (_, text) = self.get("/metrics")?;
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '))?;
        value.parse().ok()
    }

    /// The exit code of the program's `health` command.
    pub fn health(&self, program: &str, flags: &[&str]) -> Option<i32> {
        let mut command = Command::new(binary(program));
        command.arg("health").args(flags);
        let output = command
            .env("GROKLAB_ADMIN_LISTEN", &self.0)
            .output()
            .unwrap();
        output.status.code()
    }
}

/// Lints metrics with Prometheus' own tool where it is installed.
pub fn lint(program: &str, metrics: &str) {
    let spawned = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = spawned else {
        eprintln!(
            "NOT CHECKED: the metrics of {program}, as promtool is not on PATH \
             (Debian: apt-get install prometheus)"
        );
        return;
    };
    let mut input = promtool.stdin.take().unwrap();
    input.write_all(metrics.as_bytes()).unwrap();
    drop(input);
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.trim().is_empty(),
        "{program}: {said}\n{metrics}"
    );
}
