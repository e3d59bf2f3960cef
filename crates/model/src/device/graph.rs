//! CUDA graphs: what is asked of a GPU, recorded once and replayed with one call. A step of
//! decoding asks for some 500 small things, and asking takes longer than doing them.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    fs, io,
    os::unix::fs::OpenOptionsExt,
    ptr::NonNull,
    sync::{Mutex, OnceLock, PoisonError},
};

use libloading::os::unix::{Library, RTLD_NOW};

use crate::error::{first_line, panic_text};

/// `graph.cpp`, compiled; empty where CUDA's headers were not there.
static LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/graph.so"));

/// Set to 0, every step is asked for anew; for measurements.
const SWITCH: &str = "GROKLAB_CUDA_GRAPHS";
const ERROR_BYTES: usize = 1024;

type Begin = unsafe extern "C" fn(c_int, *mut c_void, *mut c_char, usize) -> *mut c_void;
type Act = unsafe extern "C" fn(*mut c_void, *mut c_char, usize) -> bool;
type Free = unsafe extern "C" fn(*mut c_void);

struct Functions {
    begin: Begin,
    end: Act,
    replay: Act,
    free: Free,
}

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
        let mut error = [0; ERROR_BYTES];
        // SAFETY: `other` is a graph that lives, and the text is at most as long as it is told.
        let begun =
            unsafe { (functions.begin)(gpu as c_int, other, error.as_mut_ptr(), ERROR_BYTES) };
        let graph = Self(NonNull::new(begun).ok_or_else(|| text(&error))?);
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
        let mut error = [0; ERROR_BYTES];
        // SAFETY: the graph lives, and the text is at most as long as it is told.
        let done = unsafe { function(self.0.as_ptr(), error.as_mut_ptr(), ERROR_BYTES) };
        if done { Ok(()) } else { Err(text(&error)) }
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

fn functions() -> &'static Result<Functions, String> {
    static FUNCTIONS: OnceLock<Result<Functions, String>> = OnceLock::new();
    FUNCTIONS.get_or_init(|| {
        if std::env::var(SWITCH).is_ok_and(|value| value == "0") {
            return Err(format!("{SWITCH} is 0"));
        }
        if LIBRARY.is_empty() {
            return Err("built without CUDA's headers".into());
        }
        load().map_err(|error| error.to_string())
    })
}

/// Loads the library from a file that is gone when it is loaded. libtorch's CUDA part has to be
/// loaded before.
fn load() -> Result<Functions, Box<dyn std::error::Error>> {
    // The dynamic linker opens files only.
    let path = std::env::temp_dir().join(format!("groklab-graph-{}.so", std::process::id()));
    // A file of the same name may be left from a process that was killed.
    let _ = fs::remove_file(&path);
    // `create_new` follows no link and opens nobody else's file: what it holds is about to run
    // here.
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o700)
        .open(&path)?;
    io::Write::write_all(&mut file, LIBRARY)?;
    drop(file);
    // SAFETY: the library is ours and has no initialisers.
    let library = unsafe { Library::open(Some(&path), RTLD_NOW) };
    let _ = fs::remove_file(&path);
    let library = library?;
    // SAFETY: the functions have these signatures in `graph.cpp`; the library stays loaded.
    let functions = unsafe {
        Functions {
            begin: *library.get::<Begin>(b"groklab_graph_begin")?,
            end: *library.get::<Act>(b"groklab_graph_end")?,
            replay: *library.get::<Act>(b"groklab_graph_replay")?,
            free: *library.get::<Free>(b"groklab_graph_free")?,
        }
    };
    // The functions are kept for the life of the process.
    std::mem::forget(library);
    Ok(functions)
}

fn text(error: &[c_char]) -> String {
    // SAFETY: the array was filled with zeros, and its last byte is never another.
    let text = unsafe { CStr::from_ptr(error.as_ptr()) }.to_string_lossy();
    text.lines().next().unwrap_or_default().to_owned()
}
