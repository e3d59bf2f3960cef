//! Cancel, pause, resume. Each is safe to repeat: what is so already is not an error.

use groklab_domain::{ExperimentId, ExperimentState, records::Event};

use crate::{
    error::Result,
    service::Service,
    store::{self, event, experiment, job},
};

/// What a client may do to an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Running work stops, data stays.
    Cancel,
    /// No new claims, running jobs finish.
    Pause,
    /// Goes on where it was; jobs get their attempts again.
    Resume,
}

impl Control {
    fn state(self) -> ExperimentState {
        match self {
            Self::Cancel => ExperimentState::Cancelled,
            Self::Pause => ExperimentState::Paused,
            Self::Resume => ExperimentState::Running,
        }
    }

    fn event(self) -> Event {
        match self {
            Self::Cancel => Event::Cancelled,
            Self::Pause => Event::Paused,
            Self::Resume => Event::Resumed,
        }
    }
}

impl Service {
    /// Does it to the experiment that `name` means, and returns its id.
    pub async fn control(&self, name: &str, control: Control) -> Result<ExperimentId> {
        let mut tx = self.store.begin().await?;
        let id = experiment::resolve(&mut tx, name).await?;
        let experiment = experiment::lock_wait(&mut tx, id).await?;
        let next = control.state();
        // It has not begun yet and will by itself, so there is nothing to resume.
        let waits_already =
            control == Control::Resume && experiment.state == ExperimentState::Queued;
        if experiment.state != next && !waits_already {
            let event = control.event();
            experiment::set_state(&mut tx, &experiment, next, &event.reason()).await?;
            match control {
                // In the same transaction as the state: a result that comes in between is refused
                // by its fence.
                Control::Cancel => _ = job::cancel(&mut tx, id, None).await?,
                // Else the first loss after it would pause it again.
                Control::Resume => job::forgive(&mut tx, id).await?,
                // Leases stay, so that running jobs finish; claims look at the state.
                Control::Pause => {}
            }
            event::insert(&mut tx, id, &event).await?;
            store::notify(&mut tx).await?;
        }
        tx.commit().await?;
        self.nudge.all();
        Ok(id)
    }
}
