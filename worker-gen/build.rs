//! Gives this worker rpaths to the real libtorch, whose own rpaths find the rest: the folder beside
//! the program where images have it, and the one that it is built with, unless GROKLAB_RELOCATABLE
//! says that it goes to other machines.
use std::path::Path;

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-env-changed=GROKLAB_RELOCATABLE");
    println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/../site/torch/lib");
    let (Ok(libtorch), Err(_)) = (
        std::env::var("LIBTORCH"),
        std::env::var("GROKLAB_RELOCATABLE"),
    ) else {
        return;
    };
    // `LIBTORCH` is a folder of links without the CUDA half; the real folder has all libraries.
    let library = Path::new(&libtorch).join("lib/libtorch_cpu.so");
    println!("cargo:rerun-if-changed={}", library.display());
    // Without it a program would be built that does not start.
    let library = std::fs::canonicalize(&library)
        .unwrap_or_else(|error| panic!("{}: {error}: run `make setup`", library.display()));
    if let Some(folder) = library.parent() {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", folder.display());
    }
}
