//! Components that are supervised and stopped together: the workers, or the coordinator.

use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    component::{Component, Running},
    supervise::{StopOrders, supervise},
};
use crate::{console::Console, failure::Failure};

#[derive(Debug)]
pub struct Tier {
    orders: StopOrders,
    tasks: JoinSet<()>,
}

impl Tier {
    /// An empty one, whose components are killed when `kill` is cancelled.
    pub fn new(kill: CancellationToken) -> Self {
        Self {
            orders: StopOrders {
                stop: CancellationToken::new(),
                kill,
            },
            tasks: JoinSet::new(),
        }
    }

    /// Keeps `running` alive until the tier is stopped; why it could not be goes to `given_up`.
    pub fn supervise(
        &mut self,
        component: Component,
        running: Running,
        console: &Console,
        given_up: mpsc::Sender<Failure>,
    ) {
        // A task of its own each: one that restarts must not keep the others waiting.
        let supervised = supervise(component, running, self.orders.clone(), console.clone());
        self.tasks.spawn(async move {
            if let Err(failure) = supervised.await {
                // The first one counts; nobody listens once the stack stops.
                let _ = given_up.try_send(failure);
            }
        });
    }

    /// Components end now, and those supervised from now on end at once.
    pub fn refuse_restarts(&self) {
        self.orders.stop.cancel();
    }

    /// Stops all of them and waits for their end.
    pub async fn stop(mut self) {
        self.orders.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}
