//! Lists the folders of `src/families/`: each becomes a module, and its Python stands beside it. So
//! a new family is a new folder, and two people who add one never meet in a shared file.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo names the package"));
    let room = root.join("src/families");
    // The folder itself, for folders that come and go; cargo looks at all that lies below.
    println!("cargo::rerun-if-changed={}", room.display());
    let mut folders = Vec::new();
    for entry in fs::read_dir(&room)? {
        let path = entry?.path();
        if path.join("mod.rs").is_file() {
            folders.push(path);
        }
    }
    folders.sort();
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo names the folder for what is made"));
    fs::write(out.join("families.rs"), list(&folders)?)
}

/// The module of every folder, and the table of all families.
fn list(folders: &[PathBuf]) -> io::Result<String> {
    let (mut modules, mut rows) = (String::new(), String::new());
    for folder in folders {
        let name = name(folder);
        modules += &format!("#[path = {:?}]\nmod {name};\n", folder.join("mod.rs"));
        rows += &format!(
            "    Folder::new({name:?}, {name}::FAMILY, Python {{\n        reference: {},\n        \
             wrong: &[{}],\n        blind: &[{}],\n    }}),\n",
            include(&folder.join("reference.py")),
            files(folder, "wrong_")?,
            files(folder, "blind_")?
        );
    }
    let count = folders.len();
    Ok(format!(
        "{modules}\npub(crate) static FOLDERS: [Folder; {count}] = [\n{rows}];\n"
    ))
}

/// The Python files whose names begin so, each as its name and its text.
fn files(folder: &Path, start: &str) -> io::Result<String> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "py") && name(&path).starts_with(start) {
            paths.push(path);
        }
    }
    paths.sort();
    let mut text = String::new();
    for path in paths {
        text += &format!("({:?}, {}), ", name(&path), include(&path));
    }
    Ok(text)
}

fn name(path: &Path) -> &str {
    path.file_stem()
        .and_then(|name| name.to_str())
        .expect("names below families/ are letters, digits and `_`")
}

fn include(path: &Path) -> String {
    format!("include_str!({path:?})")
}
