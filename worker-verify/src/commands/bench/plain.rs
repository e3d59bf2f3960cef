//! The baseline: plain `python3 -I -S` without any isolation, with the same runner. For measuring
//! alone.

use std::{
    io::{self, Read as _},
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use crate::{
    jail::{process, scripts::COLD_PROGRAM},
    sandbox::{Ended, InfrastructureError, RawRun, Request, Sandbox},
    wire::frame::{Nonce, new_nonce},
};

/// Isolates nothing and watches nothing: never give it code that is not known.
pub struct Plain {
    pub python: PathBuf,
}

impl Plain {
    /// The exit status, and what was written to standard output.
    fn run_unwatched(
        &self,
        request: &Request<'_>,
        nonce: &Nonce,
    ) -> io::Result<(ExitStatus, Vec<u8>)> {
        let input = process::sealed_file(&request.encode(nonce))?;
        let mut child = Command::new(&self.python)
            .args(["-I", "-S", "-c", &COLD_PROGRAM, "1"])
            .env_clear()
            .stdin(Stdio::from(input))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut results = Vec::new();
        let mut output = child.stdout.take().expect("it was piped");
        // It ends when the process closes it: no candidate of a measurement forks.
        output.read_to_end(&mut results)?;
        Ok((child.wait()?, results))
    }
}

impl Sandbox for Plain {
    fn run(&self, request: &Request<'_>) -> Result<RawRun, InfrastructureError> {
        let nonce = new_nonce().map_err(InfrastructureError::during("draw the nonce"))?;
        let since = Instant::now();
        let (status, results) = self
            .run_unwatched(request, &nonce)
            .map_err(InfrastructureError::during("run plain python"))?;
        Ok(RawRun {
            ended: Ended::Exited(status.code().unwrap_or(-1)),
            nonce,
            results,
            cpu: Duration::ZERO,
            wall: since.elapsed(),
            peak_memory_bytes: 0,
        })
    }
}
