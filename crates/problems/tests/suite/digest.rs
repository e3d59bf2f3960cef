//! That a family makes what its version made: `digest.txt` in its folder says what that was. After
//! a change with a new version: `GROKLAB_STORE=1 cargo test -p groklab-problems`.

use std::{fs, path::PathBuf};

use groklab_problems::{Folder, families, make, sample};

use crate::spec::{asked_at, of_rules};

/// The version, and the hash of all texts of rules and of some problems.
fn digest(folder: &'static Folder) -> String {
    let mut hasher = blake3::Hasher::new();
    for rule in folder.rules() {
        hasher.update(format!("{:?}\n", rule.text).as_bytes());
    }
    for difficulty in [1, 4, 10] {
        let rules = asked_at(folder, sample(folder, 12), difficulty);
        if rules.is_empty() {
            continue;
        }
        let spec = of_rules(folder.name(), &rules, 1, difficulty);
        for problem in make(&spec, 7).unwrap_or_else(|error| panic!("{error}")) {
            hasher.update(serde_json::to_string(&problem).unwrap().as_bytes());
        }
    }
    let hash = &hasher.finalize().to_hex()[..32];
    format!("{}@{} {hash}\n", folder.name(), folder.family.version)
}

#[test]
fn what_a_version_makes_never_changes() {
    for folder in families() {
        let name = folder.name();
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/families");
        let path = root.join(name).join("digest.txt");
        let digest = digest(folder);
        if std::env::var_os("GROKLAB_STORE").is_some() {
            fs::write(&path, &digest).unwrap();
        }
        let stored = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            stored, digest,
            "{name} makes other problems than it did: raise its version (unless it was never \
             released), then store the digest with GROKLAB_STORE=1"
        );
    }
}
