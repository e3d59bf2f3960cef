//! One value for each kind of job. A fourth kind is a field here, and the compiler names every
//! place that lacks it.

use crate::JobKind;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PerKind<T> {
    pub generate: T,
    pub verify: T,
    pub train: T,
}

impl<T> PerKind<T> {
    pub fn from_fn(mut make: impl FnMut(JobKind) -> T) -> Self {
        Self {
            generate: make(JobKind::Generate),
            verify: make(JobKind::Verify),
            train: make(JobKind::Train),
        }
    }

    pub fn get(&self, kind: JobKind) -> &T {
        match kind {
            JobKind::Generate => &self.generate,
            JobKind::Verify => &self.verify,
            JobKind::Train => &self.train,
        }
    }

    pub fn get_mut(&mut self, kind: JobKind) -> &mut T {
        match kind {
            JobKind::Generate => &mut self.generate,
            JobKind::Verify => &mut self.verify,
            JobKind::Train => &mut self.train,
        }
    }

    /// The values with their kinds, in the order of [`JobKind::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (JobKind, &T)> {
        JobKind::ALL.iter().map(|&kind| (kind, self.get(kind)))
    }
}
