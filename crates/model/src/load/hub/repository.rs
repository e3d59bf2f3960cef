//! What the cache holds of one model: blobs, and snapshots of commits that link to them, as
//! huggingface_hub lays them out. Nothing here asks the hub.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use groklab_domain::Commit;
use serde_json::Value;

use super::super::{json::read_json, shards, text_files::TEXT_FILES};

/// Text files that nearly every model has: where one is missing, it may not have come.
const EXPECTED: [&str; 3] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "generation_config.json",
];

/// A model's folder in the cache.
pub(super) struct Repository {
    folder: PathBuf,
}

/// What of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileSet {
    /// All that loading reads.
    Model,
    /// The small files beside configuration and weights.
    Tokenizer,
}

/// A commit's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub folder: PathBuf,
    pub commit: Commit,
}

impl Repository {
    /// The model `id` in `cache`.
    pub fn new(cache: &Path, id: &str) -> Self {
        Self {
            folder: cache.join(format!("models--{}", id.replace('/', "--"))),
        }
    }

    /// The snapshot of `revision`, where that is there without which nothing goes: configuration
    /// and weights, or the tokenizer.
    pub fn usable(&self, revision: &str, wanted: FileSet) -> Option<Snapshot> {
        let commit = self.commit_of(revision)?;
        let folder = self.snapshot(commit);
        if wanted == FileSet::Tokenizer {
            let there = folder.join("tokenizer.json").exists();
            return there.then_some(Snapshot { folder, commit });
        }
        let weights = shards::paths(&folder).ok()?;
        let there = weights.iter().all(|path| path.exists());
        (there && folder.join("config.json").exists()).then_some(Snapshot { folder, commit })
    }

    /// Whether nothing is missing of what loading reads, as far as the cache can say.
    pub fn is_complete(&self, snapshot: &Snapshot) -> bool {
        let there = |name: &str| snapshot.folder.join(name).exists();
        if let Some(tree) = self.tree(snapshot.commit) {
            return TEXT_FILES
                .iter()
                .all(|name| there(name) || tree.get(name).is_none());
        }
        let absent = self.absent(snapshot.commit);
        EXPECTED
            .iter()
            .all(|name| there(name) || absent.join(name).exists())
    }

    /// A commit is itself; what a branch or a tag last meant stands in `refs`.
    fn commit_of(&self, revision: &str) -> Option<Commit> {
        if let Ok(commit) = revision.parse() {
            return Some(commit);
        }
        let text = fs::read_to_string(self.reference(revision)).ok()?;
        text.trim().parse().ok()
    }

    /// The files of a commit by name, where huggingface_hub has noted them.
    fn tree(&self, commit: Commit) -> Option<Value> {
        let path = self.folder.join("trees").join(format!("{commit}.json"));
        let noted = read_json(&path).ok()?;
        (noted["format_version"] == 1).then(|| noted["files"].clone())
    }

    pub fn snapshot(&self, commit: Commit) -> PathBuf {
        self.folder.join("snapshots").join(commit.to_string())
    }

    pub fn blobs(&self) -> PathBuf {
        self.folder.join("blobs")
    }

    fn reference(&self, revision: &str) -> PathBuf {
        self.folder.join("refs").join(revision)
    }

    /// Where files are noted that a commit is known not to have.
    fn absent(&self, commit: Commit) -> PathBuf {
        self.folder.join(".no_exist").join(commit.to_string())
    }

    /// Notes that `revision` is `commit`, and which of the text files it has not: afterwards the
    /// snapshot is complete without asking.
    pub fn note(&self, revision: &str, commit: Commit, names: &[String]) -> io::Result<()> {
        let missing = TEXT_FILES
            .iter()
            .filter(|name| !names.iter().any(|there| there == *name));
        for name in missing {
            fs::create_dir_all(self.absent(commit))?;
            fs::write(self.absent(commit).join(name), "")?;
        }
        let text = commit.to_string();
        // hf-hub notes what it was asked for, and huggingface_hub has no references to commits.
        match fs::remove_file(self.reference(&text)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if revision == text {
            return Ok(());
        }
        let path = self.reference(revision);
        fs::create_dir_all(path.parent().unwrap_or(&self.folder))?;
        fs::write(path, text)
    }
}
