//! Keeps one component alive: a death is reported and followed by a restart after a pause, until there were too many.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{
    component::{Component, Running},
    restarts::{MOST, Restarts, WINDOW},
};
use crate::{console::Console, failure::Failure};

/// How long a component may take to drain.
const GRACE: Duration = Duration::from_secs(60);

/// What a supervisor is told.
#[derive(Debug, Clone)]
pub struct Orders {
    /// Stop in order.
    pub stop: CancellationToken,
    /// Kill at once.
    pub now: CancellationToken,
}

/// Supervises `running` until it is told to stop. The error says why a component was given up.
pub async fn supervise(
    component: Component,
    mut running: Running,
    orders: Orders,
    console: Console,
) -> Result<(), Failure> {
    let began = Instant::now();
    let mut restarts = Restarts::default();
    loop {
        let status = tokio::select! {
            biased;
            () = orders.stop.cancelled() => {
                let ended = running.stop(GRACE, &orders.now).await;
                return ended.map(drop).map_err(|error| Failure::other(format!("stop {}", component.name)).because(error));
            }
            status = running.ended() => status,
        };
        let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
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
                Err(error) => last_lines = error.to_string(),
            }
        };
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
        .next(format!("read {}", component.log.display()))
}

fn given_up(component: &Component, how: &str, last_lines: &str) -> Failure {
    let minutes = WINDOW.as_secs() / 60;
    Failure::other(format!("keep {} alive", component.name))
        .because(format!(
            "it ended more than {MOST} times within {minutes} minutes, last so: {how}\n{last_lines}"
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
        let script = "echo run; [ $(grep -c run \"$0\") -gt 1 ] || exit 3; trap 'exit 0' TERM; while :; do sleep 0.05; done";
        let args = vec![
            "-c".to_owned(),
            script.to_owned(),
            log.display().to_string(),
        ];
        let component = Component {
            name: "c",
            program: "/bin/sh".into(),
            args,
            env: Vec::new(),
            log: log.clone(),
            sweep: true,
        };
        let orders = Orders {
            stop: CancellationToken::new(),
            now: CancellationToken::new(),
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
