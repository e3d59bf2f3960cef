//! Gives this worker an rpath to the real libtorch, whose own rpaths find the rest.
use std::path::Path;

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    let Ok(libtorch) = std::env::var("LIBTORCH") else {
        return;
    };
    // `LIBTORCH` is a folder of links without the CUDA half; the real folder has all libraries.
    let library = Path::new(&libtorch).join("lib/libtorch_cpu.so");
    if let Some(folder) = std::fs::canonicalize(library)
        .ok()
        .as_deref()
        .and_then(Path::parent)
    {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", folder.display());
    }
}
