//! Fetches one commit of a model into the cache: what loading reads of it, all of one commit, each
//! file checked against what the hub says of it. A download that broke goes on where it stopped.

use std::{
    fs::{self, File},
    path::Path,
    time::Duration,
};

use groklab_domain::Commit;
use hf_hub::{
    Repo, RepoType,
    api::sync::{Api, ApiError, ApiRepo},
};
use serde::Deserialize;

use super::{
    access::{Access, Refusal},
    check::check,
    progress::Fetching,
    repository::{FileSet, Repository, Snapshot},
};
use crate::load::{json::read_json, shards, text_files::TEXT_FILES};

/// How long the hub may take to say what a model consists of: a machine without a network starts
/// after that with what it has.
const LISTING_TIMEOUT: Duration = Duration::from_secs(10);
/// The hub's word for why it refuses.
const ERROR_CODE: &str = "x-error-code";
const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";

/// What is fetched, and where to.
pub(super) struct Download<'a> {
    pub access: &'a Access,
    pub cache: &'a Path,
    pub id: &'a str,
    pub revision: &'a str,
    pub wanted: FileSet,
}

/// What the hub says of a revision.
#[derive(Debug, Deserialize)]
struct Listing {
    sha: String,
    siblings: Vec<Listed>,
}

#[derive(Debug, Clone, Deserialize)]
struct Listed {
    rfilename: String,
    size: Option<u64>,
}

impl Listing {
    fn names(&self) -> Vec<String> {
        let names = self.siblings.iter().map(|file| file.rfilename.clone());
        names.collect()
    }

    fn files(&self, wanted: impl Fn(&str) -> bool) -> Vec<Listed> {
        let wanted = self.siblings.iter().filter(|file| wanted(&file.rfilename));
        wanted.cloned().collect()
    }
}

impl Download<'_> {
    /// Fetches what `repository` lacks. The error is for a person.
    pub fn run(&self, repository: &Repository) -> Result<Snapshot, String> {
        let api = self.access.client(self.cache).build();
        let api = api.map_err(|error| error.to_string())?;
        let listing = self.list(&api)?;
        let commit: Commit = listing
            .sha
            .parse()
            .map_err(|error| format!("its commit is {error}"))?;
        // By the commit from here on: a branch may move while its files come.
        let pinned = Repo::with_revision(self.id.to_owned(), RepoType::Model, commit.to_string());
        let folder = repository.snapshot(commit);
        let files = Files {
            download: self,
            remote: api.repo(pinned),
            repository,
            folder: &folder,
        };
        files.fetch(&listing)?;
        repository
            .note(self.revision, commit, &listing.names())
            .map_err(|error| format!("note it in `{}`: {error}", self.cache.display()))?;
        Ok(Snapshot { folder, commit })
    }

    fn list(&self, api: &Api) -> Result<Listing, String> {
        let (id, revision) = (self.id.to_owned(), self.revision.to_owned());
        let repository = api.repo(Repo::with_revision(id, RepoType::Model, revision));
        let request = repository.info_request().query("blobs", "true");
        let request = request.config().timeout_global(Some(LISTING_TIMEOUT));
        let request = request.http_status_as_error(false).build();
        let mut response = request.call().map_err(|error| {
            let endpoint = &self.access.endpoint;
            format!(
                "ask {endpoint}: {error}; HF_ENDPOINT names a mirror, and a folder or a .gguf file \
                 needs no hub"
            )
        })?;
        let status = response.status();
        if !status.is_success() {
            let code = response.headers().get(ERROR_CODE);
            return Err(self.access.explain(&Refusal {
                id: self.id,
                revision: self.revision,
                status: status.as_u16(),
                code: code.and_then(|code| code.to_str().ok()),
            }));
        }
        let text = response.body_mut().read_to_string();
        let text = text.map_err(|error| error.to_string())?;
        serde_json::from_str(&text).map_err(|error| format!("read what the hub answered: {error}"))
    }
}

/// The files of one commit.
struct Files<'a> {
    download: &'a Download<'a>,
    remote: ApiRepo,
    repository: &'a Repository,
    folder: &'a Path,
}

impl Files<'_> {
    fn fetch(&self, listing: &Listing) -> Result<(), String> {
        let mut files = listing.files(|name| TEXT_FILES.contains(&name));
        if self.download.wanted == FileSet::Tokenizer {
            return self.all(&files);
        }
        files.extend(self.weights(listing)?);
        // The last one: a snapshot without it is not taken for a model.
        let config = listing.files(|name| name == CONFIG);
        if config.is_empty() {
            return Err(format!("it has no {CONFIG}"));
        }
        files.extend(config);
        self.all(&files)
    }

    /// The weights: one file, or those that an index names.
    fn weights(&self, listing: &Listing) -> Result<Vec<Listed>, String> {
        let index = listing.files(|name| name == shards::INDEX);
        if index.is_empty() {
            let one = listing.files(|name| name == WEIGHTS);
            return if one.is_empty() {
                Err("it has no .safetensors file".into())
            } else {
                Ok(one)
            };
        }
        self.all(&index)?;
        let path = self.folder.join(shards::INDEX);
        let index = read_json(&path).map_err(|error| error.to_string())?;
        let named = shards::named(&path, &index).map_err(|error| error.to_string())?;
        let parts = listing.files(|name| named.contains(name));
        if parts.len() == named.len() {
            return Ok(parts);
        }
        let (there, named) = (parts.len(), named.len());
        Err(format!(
            "{} names {named} files, and it has {there}",
            shards::INDEX
        ))
    }

    /// Fetches those of `files` that are not here yet.
    fn all(&self, files: &[Listed]) -> Result<(), String> {
        let missing = |file: &&Listed| !self.folder.join(&file.rfilename).exists();
        let missing: Vec<&Listed> = files.iter().filter(missing).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let bytes = missing.iter().filter_map(|file| file.size).sum();
        let mut fetching = Fetching::begin(self.download.id, missing.len(), bytes);
        for file in missing {
            self.one(file, &mut fetching)
                .map_err(|reason| format!("{}: {reason}", file.rfilename))?;
        }
        fetching.end();
        Ok(())
    }

    fn one(&self, file: &Listed, fetching: &mut Fetching<'_>) -> Result<(), String> {
        let name = &file.rfilename;
        let mut fetched = self.remote.download_with_progress(name, &mut *fetching);
        if fetched.as_ref().is_err_and(is_bad_rest) {
            // What an earlier download left is no beginning of the file.
            remove_parts(&self.repository.blobs());
            fetched = self.remote.download_with_progress(name, fetching);
        }
        match fetched {
            Ok(path) => check(&path, file.size),
            Err(error) => Err(self.explain(&error)),
        }
    }

    fn explain(&self, error: &ApiError) -> String {
        let ApiError::RequestError(request) = error else {
            return error.to_string();
        };
        let ureq::Error::StatusCode(status) = **request else {
            return error.to_string();
        };
        // It was listed, so it is there and may be seen.
        let code = matches!(status, 401 | 403).then_some("GatedRepo");
        self.download.access.explain(&Refusal {
            id: self.download.id,
            revision: self.download.revision,
            status,
            code,
        })
    }
}

/// Whether the hub has nothing behind the end of what an earlier download left.
fn is_bad_rest(error: &ApiError) -> bool {
    const RANGE_NOT_SATISFIABLE: u16 = 416;
    match error {
        ApiError::InvalidResume => true,
        ApiError::RequestError(error) => {
            matches!(**error, ureq::Error::StatusCode(RANGE_NOT_SATISFIABLE))
        }
        _ => false,
    }
}

/// Removes unfinished downloads; the caller holds the lock.
fn remove_parts(blobs: &Path) {
    let files = fs::read_dir(blobs).into_iter().flatten().flatten();
    for file in files {
        if file.path().extension().is_some_and(|end| end == "part") {
            // One that stays is refused again, with its name.
            let _ = fs::remove_file(file.path());
        }
    }
}

/// Waits until no other process of ours fetches `id`; held while the file is open.
pub(super) fn lock(cache: &Path, id: &str) -> std::io::Result<File> {
    // Where huggingface_hub has its locks; it has one for each file, hf-hub keeps others.
    let folder = cache
        .join(".locks")
        .join(format!("models--{}", id.replace('/', "--")));
    fs::create_dir_all(&folder)?;
    let file = File::create(folder.join("groklab.lock"))?;
    file.lock()?;
    Ok(file)
}
