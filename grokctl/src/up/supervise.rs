//! Keeps one component alive: a death is reported and followed by a restart after a pause, until
//! there were too many.

use std::{
    io,
    process::ExitStatus,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use super::{
    component::{Component, Running},
    restarts::{MAX_RESTARTS, RESTART_WINDOW, Restarts},
};
use crate::{console::Console, failure::Failure};

/// How long a component may take to drain.
const DRAIN_GRACE: Duration = Duration::from_secs(60);

/// How a supervisor is told to end its component.
#[derive(Debug, Clone)]
pub struct StopOrders {
    /// Stop in order.
    pub stop: CancellationToken,
    /// Kill at once.
    pub kill: CancellationToken,
}

/// Supervises `running` until it is told to stop. The error says why a component was given up.
pub async fn supervise(
    component: Component,
    mut running: Running,
    orders: StopOrders,
    console: Console,
) -> Result<(), Failure> {
    let began = Instant::now();
    let mut restarts = Restarts::default();
    loop {
        let status = tokio::select! {
            // A component that ends because it was told to is not started again.
            biased;
            () = orders.stop.cancelled() => return stop(&component, &mut running, &orders).await,
            status = running.ended_logging_to(&component.log) => status,
        };
        let how = ending(status);
        // The next run adds to the same file.
        let mut last_lines = component.log_tail(running.log_start());
        running = loop {
            let Some(pause) = restarts.after_death(began.elapsed()) else {
                return Err(given_up(&component, &how, &last_lines));
            };
            console.note(format!(
                "{} ended ({how}); starting it again in {} s; log {}",
                component.name,
                pause.as_secs(),
                component.log.display()
            ));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = orders.stop.cancelled() => return Ok(()),
            }
            match component.start() {
                Ok(running) => break running,
                // A program that is being replaced may not start for a moment.
                Err(error) => last_lines = error.to_string(),
            }
        };
    }
}

async fn stop(
    component: &Component,
    running: &mut Running,
    orders: &StopOrders,
) -> Result<(), Failure> {
    match running.stop(DRAIN_GRACE, &orders.kill).await {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::other(format!("stop {}", component.name)).because(error)),
    }
}

/// How a process ended, for a message.
pub fn ending(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}

/// A component died before it was ready.
pub fn died(component: &Component, how: &str, last_lines: &str) -> Failure {
    let why = if last_lines.is_empty() {
        format!("it ended ({how}) and wrote nothing")
    } else {
        format!("it ended ({how}); its last lines:\n{last_lines}")
    };
    Failure::other(format!("start {}", component.name))
        .because(why)
        .next(format!(
            "`grokctl doctor`, which says what this machine lacks, or read {}",
            component.log.display()
        ))
}

fn given_up(component: &Component, how: &str, last_lines: &str) -> Failure {
    let minutes = RESTART_WINDOW.as_secs() / 60;
    Failure::other(format!("keep {} alive", component.name))
        .because(format!(
            "it ended more than {MAX_RESTARTS} times within {minutes} minutes, \
             last so: {how}\n{last_lines}"
        ))
        .next(format!("read {}", component.log.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dead_component_comes_back_and_stops_when_told() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("c.log");
        let script = concat!(
            "echo run; [ $(grep -c run \"$0\") -gt 1 ] || exit 3; ",
            "trap 'exit 0' TERM; while :; do sleep 0.05; done"
        );
        let args = vec![
            "-c".to_owned(),
            script.to_owned(),
            log.display().to_string(),
        ];
        let component = Component {
            name: "c".to_owned(),
            program: "/bin/sh".into(),
            args,
            env: Vec::new(),
            log: log.clone(),
            kill_group: true,
        };
        let orders = StopOrders {
            stop: CancellationToken::new(),
            kill: CancellationToken::new(),
        };
        let running = component.start().unwrap();
        let task = tokio::spawn(supervise(
            component,
            running,
            orders.clone(),
            Console::new(true),
        ));
        let runs = || {
            std::fs::read_to_string(&log)
                .unwrap_or_default()
                .matches("run")
                .count()
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        while runs() < 2 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        orders.stop.cancel();
        assert_eq!(task.await.unwrap(), Ok(()));
        assert_eq!(runs(), 2);
    }
}
