//! What libtorch can do on a GPU and tch does not pass on: a small library in C++, built in.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    fs, io,
    os::unix::fs::OpenOptionsExt,
    sync::OnceLock,
};

use libloading::os::unix::{Library, RTLD_NOW};

/// `torch_cuda.cpp`, compiled; empty where CUDA's headers were not there.
static LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/torch_cuda.so"));

const ERROR_BYTES: usize = 1024;

pub(super) type Begin = unsafe extern "C" fn(c_int, *mut c_void, *mut c_char, usize) -> *mut c_void;
pub(super) type Act = unsafe extern "C" fn(*mut c_void, *mut c_char, usize) -> bool;
pub(super) type Set = unsafe extern "C" fn(*mut c_char, usize) -> bool;
pub(super) type Free = unsafe extern "C" fn(*mut c_void);
pub(super) type Attend = unsafe extern "C" fn(
    *const c_void,
    *const c_void,
    *const c_void,
    *const c_void,
    *const c_void,
    *const c_void,
    i64,
    i64,
    f64,
    bool,
    *mut c_char,
    usize,
) -> *mut c_void;

/// The functions of `torch_cuda.cpp`, which explains them. Each writes why it failed to a
/// [`Reason`].
pub(super) struct Functions {
    pub begin: Begin,
    pub end: Act,
    pub replay: Act,
    pub free: Free,
    pub attend: Attend,
    pub repeat: Set,
}

/// Room for the reason of a failure.
pub(super) struct Reason([c_char; ERROR_BYTES]);

impl Reason {
    pub(super) fn new() -> Self {
        Self([0; ERROR_BYTES])
    }

    /// Where to write it, and how many bytes at most.
    pub(super) fn room(&mut self) -> (*mut c_char, usize) {
        (self.0.as_mut_ptr(), ERROR_BYTES)
    }

    /// Its first line.
    pub(super) fn text(&self) -> String {
        // SAFETY: the array was filled with zeros, and its last byte is never another.
        let text = unsafe { CStr::from_ptr(self.0.as_ptr()) }.to_string_lossy();
        text.lines().next().unwrap_or_default().to_owned()
    }
}

/// The library's functions, or why there are none. libtorch's CUDA part has to be loaded before.
pub(super) fn functions() -> &'static Result<Functions, String> {
    static FUNCTIONS: OnceLock<Result<Functions, String>> = OnceLock::new();
    FUNCTIONS.get_or_init(|| {
        if LIBRARY.is_empty() {
            return Err("built without CUDA's headers".into());
        }
        load().map_err(|error| error.to_string())
    })
}

/// Loads the library from a file that is gone when it is loaded.
fn load() -> Result<Functions, Box<dyn std::error::Error>> {
    // The dynamic linker opens files only.
    let path = std::env::temp_dir().join(format!("groklab-torch-{}.so", std::process::id()));
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
    // SAFETY: the functions have these signatures in `torch_cuda.cpp`; the library stays loaded.
    let functions = unsafe {
        Functions {
            begin: *library.get::<Begin>(b"groklab_graph_begin")?,
            end: *library.get::<Act>(b"groklab_graph_end")?,
            replay: *library.get::<Act>(b"groklab_graph_replay")?,
            free: *library.get::<Free>(b"groklab_graph_free")?,
            attend: *library.get::<Attend>(b"groklab_attend")?,
            repeat: *library.get::<Set>(b"groklab_repeat")?,
        }
    };
    // The functions are kept for the life of the process.
    std::mem::forget(library);
    Ok(functions)
}
