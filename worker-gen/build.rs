//! Gives this worker an rpath to the real libtorch, whose own rpaths find the rest: the folder that
//! it is built with, or the one that GROKLAB_RPATH names, for binaries that go to other machines.
use std::path::Path;

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-env-changed=GROKLAB_RPATH");
    if let Ok(rpath) = std::env::var("GROKLAB_RPATH") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{rpath}");
        return;
    }
    let Ok(libtorch) = std::env::var("LIBTORCH") else {
        return;
    };
    let library = Path::new(&libtorch).join("lib/libtorch_cpu.so");
    if let Some(folder) = std::fs::canonicalize(library)
        .ok()
        .as_deref()
        .and_then(Path::parent)
    {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", folder.display());
    }
}
