//! Gives this crate's tests and examples an rpath to the real libtorch, whose own rpaths find the
//! rest; and compiles the few lines of C++ by which tch's gaps are filled, where CUDA's headers are
//! there.
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

const SOURCE: &str = "src/device/torch_cuda.cpp";

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={SOURCE}");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("torch_cuda.so");
    // An empty file says that there is none.
    fs::write(&out, "").expect("write to OUT_DIR");
    let Ok(libtorch) = env::var("LIBTORCH") else {
        return;
    };
    let library = Path::new(&libtorch).join("lib/libtorch_cpu.so");
    println!("cargo:rerun-if-changed={}", library.display());
    // Without it tests would be built that do not start.
    let library = fs::canonicalize(&library)
        .unwrap_or_else(|error| panic!("{}: {error}: run `make setup`", library.display()));
    let Some(folder) = library.parent() else {
        return;
    };
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", folder.display());
    compile(folder, &out);
}

/// `folder` holds libtorch's libraries: `torch/lib` of the place where its wheels are unpacked.
fn compile(folder: &Path, out: &Path) {
    let Some(torch) = folder.parent() else {
        return;
    };
    let cuda = torch.with_file_name("nvidia/cu13/include");
    // This header comes with CUDA's wheels alone.
    let header = cuda.join("crt/host_config.h");
    // A file that is not there counts as changed: without a card every build would begin anew.
    if !header.exists() {
        let nvidia = torch.with_file_name("nvidia");
        if nvidia.exists() {
            println!("cargo:rerun-if-changed={}", nvidia.display());
        }
        return;
    }
    println!("cargo:rerun-if-changed={}", header.display());
    println!("cargo:rerun-if-env-changed=CXX");
    let compiler = env::var("CXX").unwrap_or_else(|_| "c++".into());
    let include = torch.join("include");
    // Linked against nothing: what it calls is found in the libtorch that is loaded before it.
    let compiled = Command::new(&compiler)
        .args(["-shared", "-fPIC", "-O1", "-std=c++20", "-o"])
        .arg(out)
        .arg("-I")
        .arg(&include)
        .arg("-I")
        .arg(include.join("torch/csrc/api/include"))
        .arg("-I")
        .arg(&cuda)
        .arg(SOURCE)
        .output();
    let problem = match compiled {
        Ok(done) if done.status.success() => return,
        Ok(done) => String::from_utf8_lossy(&done.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    fs::write(out, "").expect("write to OUT_DIR");
    let line = problem.lines().next().unwrap_or_default();
    // Only a warning: a build for machines without a card needs none of this.
    println!("cargo:warning=neither CUDA graphs nor flash attention: {compiler} {SOURCE}: {line}");
}
