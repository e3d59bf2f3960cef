//! The frame of a process: runtime, telemetry, stop token, and the error chain printed once.

use std::{future::Future, process::ExitCode};

use tokio_util::sync::CancellationToken;

/// The exit code of a command line, or a file that it names, that cannot be used: starting again will not help. clap's own as well.
/// Everything else that ends a service is 1.
pub const USAGE: u8 = 2;

/// Runs a service until it ends by itself or is told to stop.
pub fn serve<F, Fut>(name: &'static str, service: F) -> ExitCode
where
    F: FnOnce(CancellationToken) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            return failed(
                name,
                &anyhow::Error::new(error).context("start the async runtime"),
            );
        }
    };
    let outcome = runtime.block_on(async {
        let _telemetry = crate::telemetry::init(name)?;
        service(crate::shutdown::token()?).await
    });
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(name, &error),
    }
}

fn failed(name: &str, error: &anyhow::Error) -> ExitCode {
    crate::output::complain(format!("{name}: error: {error:#}"));
    let usage = error
        .chain()
        .any(|cause| cause.is::<crate::connect::Error>());
    if usage {
        ExitCode::from(USAGE)
    } else {
        ExitCode::FAILURE
    }
}
