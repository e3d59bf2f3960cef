//! Lanes: threads that each compute with their own share of libtorch's threads. Small operations
//! gain nothing from being split over threads, so work that falls into parts goes to lanes instead.

use std::{num::NonZeroUsize, sync::OnceLock, thread};

static THREADS: OnceLock<usize> = OnceLock::new();

/// Sets how many threads this process computes with, for all of its lanes together: those wanted,
/// else libtorch's own choice, but no more than a container's CPU limit lets run at once, which
/// libtorch does not ask about. Call before anything is computed; later calls change nothing.
pub fn set_threads(wanted: Option<NonZeroUsize>) {
    let threads = match wanted {
        Some(threads) => threads.get(),
        None => libtorch_threads().min(allowed_threads()),
    };
    let _ = THREADS.set(threads);
    tch::set_num_threads(i32::try_from(self::threads()).unwrap_or(i32::MAX));
}

/// The threads that this process computes with: those set, else libtorch's own choice.
pub fn threads() -> usize {
    // Asked once: within a lane libtorch would answer with the lane's share.
    *THREADS.get_or_init(libtorch_threads)
}

fn libtorch_threads() -> usize {
    usize::try_from(tch::get_num_threads()).unwrap_or(1).max(1)
}

/// The cores that this process may use, of those its control group's quota pays for.
fn allowed_threads() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// A borrow that lanes may share. Tensors lack `Sync` only because they can be written to in place.
pub(crate) struct Shared<'a, T>(pub &'a T);

// SAFETY: lanes only read what is shared; libtorch's reference counts are atomic, and reading a
// tensor from several threads is allowed.
unsafe impl<T> Send for Shared<'_, T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(crate) fn get(&self) -> &'a T {
        self.0
    }
}

/// Runs `others` on `lanes - 1` threads of their own and `first` on this one, each with its share
/// of libtorch's threads, and waits for all. A panic in any of them goes on in the caller.
pub(crate) fn run<R>(lanes: usize, first: impl FnOnce() -> R, others: impl Fn() + Sync) -> R {
    let share = i32::try_from((threads() / lanes.max(1)).max(1)).unwrap_or(i32::MAX);
    let restore = Restore(i32::try_from(threads()).unwrap_or(i32::MAX));
    let result = std::thread::scope(|scope| {
        let handles: Vec<_> = (1..lanes)
            .map(|_| {
                scope.spawn(|| {
                    // OpenMP keeps this number for each thread, so every lane sets its own.
                    tch::set_num_threads(share);
                    others();
                })
            })
            .collect();
        tch::set_num_threads(share);
        let result = first();
        for handle in handles {
            if let Err(panic) = handle.join() {
                std::panic::resume_unwind(panic);
            }
        }
        result
    });
    drop(restore);
    result
}

/// Gives this thread back its libtorch threads, also when a lane panics.
struct Restore(i32);

impl Drop for Restore {
    fn drop(&mut self) {
        tch::set_num_threads(self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn every_lane_runs_once_and_a_panic_reaches_the_caller() {
        let ran = AtomicUsize::new(0);
        assert_eq!(run(3, || 7, || _ = ran.fetch_add(1, Ordering::Relaxed)), 7);
        assert_eq!(ran.into_inner(), 2);
        assert!(std::panic::catch_unwind(|| run(2, || (), || panic!("a lane broke"))).is_err());
    }
}
