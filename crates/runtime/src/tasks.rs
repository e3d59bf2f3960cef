//! Named tasks under one token: each says what its failure means, and none outlives the group.

use std::{future::Future, time::Duration};

use tokio::task::JoinSet;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// What the failure or panic of a task means for the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// Log it; the others go on.
    Log,
    /// Stop the group: the process cannot do its duty without this task.
    Stop,
}

/// Tasks that live and end together.
pub struct Group {
    stop: CancellationToken,
    tasks: JoinSet<(&'static str, OnFailure, anyhow::Result<()>)>,
}

impl Group {
    /// A group whose tasks are to end when `stop` is cancelled.
    pub fn new(stop: CancellationToken) -> Self {
        Self {
            stop,
            tasks: JoinSet::new(),
        }
    }

    /// The token that every task must watch.
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    pub fn spawn<F>(&mut self, name: &'static str, policy: OnFailure, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.tasks.spawn(async move {
            // A task of its own, so that a panic is caught and has a name; it ends with the group.
            let task = AbortOnDropHandle::new(tokio::spawn(task));
            let outcome = match task.await {
                Ok(outcome) => outcome,
                Err(panic) => Err(anyhow::anyhow!("task `{name}` panicked: {panic}")),
            };
            (name, policy, outcome)
        });
    }

    /// Waits for all tasks; once the token is cancelled, for at most `grace`. Returns the first
    /// failure that stopped the group.
    pub async fn finish(mut self, grace: Duration) -> anyhow::Result<()> {
        let mut first = Ok(());
        let deadline = async {
            self.stop.cancelled().await;
            tokio::time::sleep(grace).await;
        };
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                () = &mut deadline => {
                    let left = self.tasks.len();
                    tracing::warn!(left, "tasks did not end within the grace time");
                    return first;
                }
                ended = self.tasks.join_next() => match ended {
                    None => return first,
                    Some(Ok((name, policy, Err(error)))) => {
                        tracing::error!(task = name, error = format!("{error:#}"), "task failed");
                        if policy == OnFailure::Stop {
                            self.stop.cancel();
                            first = first.and(Err(error.context(format!("task `{name}`"))));
                        }
                    }
                    Some(_) => {}
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_vital_failure_stops_the_others() {
        let mut group = Group::new(CancellationToken::new());
        let stop = group.stop();
        group.spawn("waits", OnFailure::Log, async move {
            stop.cancelled().await;
            Ok(())
        });
        group.spawn("fails", OnFailure::Stop, async { anyhow::bail!("no") });
        let error = group.finish(Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(format!("{error:#}"), "task `fails`: no");
    }

    #[tokio::test]
    async fn what_does_not_end_is_ended_with_the_group() {
        let mut group = Group::new(CancellationToken::new());
        let (alive, mut ended) = tokio::sync::oneshot::channel::<()>();
        group.spawn("deaf", OnFailure::Log, async move {
            let _alive = alive;
            std::future::pending().await
        });
        group.stop().cancel();
        group.finish(Duration::from_millis(10)).await.unwrap();
        let waited = tokio::time::timeout(Duration::from_secs(5), &mut ended).await;
        assert!(waited.is_ok(), "the task runs on");
    }

    #[tokio::test]
    async fn a_panic_is_a_failure() {
        let mut group = Group::new(CancellationToken::new());
        group.spawn("panics", OnFailure::Stop, async { panic!("boom") });
        assert!(group.finish(Duration::from_secs(5)).await.is_err());
    }
}
