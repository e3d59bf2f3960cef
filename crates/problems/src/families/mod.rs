//! The families, a folder each. `build.rs` lists them: nobody edits this file for another one.

use crate::{catalog::Folder, python::Python};

include!(concat!(env!("OUT_DIR"), "/families.rs"));
