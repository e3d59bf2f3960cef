//! The baseline: plain `python3 -I -S` without any isolation, with the same runner. For measuring alone.

use std::{
    io::Read as _,
    os::fd::AsFd as _,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::jail::nsjail::{COLD, new_nonce};
use crate::jail::process;
use crate::sandbox::{Ended, InfrastructureError, Raw, Request, Sandbox};

/// Isolates nothing and watches nothing: never give it code that is not known.
pub struct Plain {
    pub python: PathBuf,
}

impl Sandbox for Plain {
    fn run(&self, request: &Request<'_>) -> Result<Raw, InfrastructureError> {
        let system = |error| InfrastructureError::System("run plain python", error);
        let (nonce, since) = (new_nonce(), Instant::now());
        let input = process::sealed_file(&request.encode(&nonce)).map_err(system)?;
        let mut command = Command::new(&self.python);
        command
            .args(["-I", "-S", "-c", COLD, "1"])
            .env_clear()
            .stdin(Stdio::from(
                input.as_fd().try_clone_to_owned().map_err(system)?,
            ));
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(system)?;
        let mut results = Vec::new();
        child
            .stdout
            .take()
            .expect("it was piped")
            .read_to_end(&mut results)
            .map_err(system)?;
        let status = child.wait().map_err(system)?;
        let ended = Ended::Exited(status.code().unwrap_or(-1));
        Ok(Raw {
            ended,
            nonce,
            results,
            cpu: Duration::ZERO,
            wall: since.elapsed(),
            peak_memory_bytes: 0,
        })
    }
}
