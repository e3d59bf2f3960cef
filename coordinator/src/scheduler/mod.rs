//! The loop of all experiments: looks at what is stored, does the next step, looks again. It holds
//! no state of its own, so several coordinators may run on one database and any of them may die at
//! any time.

mod adopt;
mod apply;
mod collect;
mod delete;
mod draw;
mod listen;
mod measure;
mod reconcile;
mod select;
mod snapshot;
mod sweep;

pub use listen::listen;
pub use reconcile::Scheduler;
