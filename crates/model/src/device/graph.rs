//! CUDA graphs: what is asked of a GPU, recorded once and replayed with one call. A step of
//! decoding asks for some 500 small things, and asking takes longer than doing them.

use std::{
    ffi::{c_int, c_void},
    ptr::NonNull,
    sync::{Mutex, PoisonError},
};

use super::torch_cuda::{Act, Reason, functions};
use crate::error::{first_line, panic_text};

/// Set to 0, every step is asked for anew; for measurements.
const SWITCH: &str = "GROKLAB_CUDA_GRAPHS";

/// Recorded work. What it reads and writes must outlive it in the same place.
pub(crate) struct Graph(NonNull<c_void>);

impl Graph {
    /// Records what `work` asks of this GPU, which is not done yet. It may use the memory of
    /// `other`, so that their results must not be needed at the same time.
    pub(crate) fn record<T>(
        gpu: usize,
        other: Option<&Self>,
        work: impl FnOnce() -> T,
    ) -> Result<(Self, T), String> {
        let functions = functions().as_ref().map_err(Clone::clone)?;
        let other = other.map_or(std::ptr::null_mut(), |other| other.0.as_ptr());
        let mut reason = Reason::new();
        let (text, bytes) = reason.room();
        // SAFETY: `other` is a graph that lives, and the text is at most as long as it is told.
        let begun = unsafe { (functions.begin)(gpu as c_int, other, text, bytes) };
        let graph = Self(NonNull::new(begun).ok_or_else(|| reason.text())?);
        let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        // Also after a panic: this thread would go on recording.
        let ended = graph.act(functions.end);
        match made {
            Ok(made) => ended.map(|()| (graph, made)),
            Err(panic) => Err(first_line(&panic_text(panic.as_ref()))),
        }
    }

    /// Does what was recorded, once more.
    pub(crate) fn replay(&self) -> Result<(), String> {
        self.act(functions().as_ref().map_err(Clone::clone)?.replay)
    }

    fn act(&self, function: Act) -> Result<(), String> {
        let mut reason = Reason::new();
        let (text, bytes) = reason.room();
        // SAFETY: the graph lives, and the text is at most as long as it is told.
        let done = unsafe { function(self.0.as_ptr(), text, bytes) };
        if done { Ok(()) } else { Err(reason.text()) }
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        if let Ok(functions) = functions() {
            // SAFETY: it was made by `begin` and is freed once.
            unsafe { (functions.free)(self.0.as_ptr()) }
        }
    }
}

/// Whether steps are recorded in this process; else why not.
pub(crate) fn available() -> Result<(), String> {
    if let Some(reason) = switched_off().as_ref() {
        return Err(reason.clone());
    }
    if std::env::var(SWITCH).is_ok_and(|value| value == "0") {
        return Err(format!("{SWITCH} is 0"));
    }
    functions().as_ref().map(|_| ()).map_err(Clone::clone)
}

/// Records nothing any more in this process, for this reason.
pub(crate) fn switch_off(reason: String) {
    switched_off().get_or_insert(reason);
}

fn switched_off() -> std::sync::MutexGuard<'static, Option<String>> {
    static REASON: Mutex<Option<String>> = Mutex::new(None);
    REASON.lock().unwrap_or_else(PoisonError::into_inner)
}
