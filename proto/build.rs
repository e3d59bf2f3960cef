//! Compiles the protocol with protox, so that no protoc is needed.

use std::{env, fs, path::PathBuf};

use prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=groklab");
    let files =
        ["experiments", "workers", "artifacts"].map(|name| format!("groklab/v1/{name}.proto"));
    let descriptors = protox::compile(files, ["."])?;
    // Reflection hands them out.
    let path = PathBuf::from(env::var("OUT_DIR")?).join("groklab_descriptor.bin");
    fs::write(path, descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
