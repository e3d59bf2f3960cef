use std::{fs, sync::Mutex};

use serde_json::json;

use super::*;
use crate::{
    load::text_files::TEXT_FILES,
    testing::{COMMIT, Hub, Served},
};

const TOKEN: &str = "hf_0123456789secret";
const OTHER_COMMIT: &str = "1111111111111111111111111111111111111111";
const OFFLINE: [(&str, &str); 1] = [("HF_HUB_OFFLINE", "1")];

/// A hub, and caches beside it.
struct Set {
    hub: Hub,
    folder: tempfile::TempDir,
}

fn files_of(folder: &Path, note: &str) -> PathBuf {
    let files = folder.join(format!("files-{note}"));
    fs::create_dir(&files).unwrap();
    let names = ["config.json", "model.safetensors", "README.md"];
    for name in names.iter().chain(&TEXT_FILES) {
        fs::write(files.join(name), format!("this is {name} of {note}")).unwrap();
    }
    files
}

impl Set {
    /// A model behind [`TOKEN`].
    fn closed(status: u16) -> Self {
        Self::with(|served| served.token = Some((TOKEN.into(), status)))
    }

    fn with(change: impl FnOnce(&mut Served)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut served = Served::new("org/name", &files_of(folder.path(), "main"));
        change(&mut served);
        Self {
            hub: Hub::serve(served).unwrap(),
            folder,
        }
    }

    fn cache(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn fetch(
        &self,
        cache: &str,
        revision: &str,
        variables: &[(&str, &str)],
    ) -> Result<Snapshot, String> {
        let access = Access::read(|name| {
            let given = variables.iter().find(|(known, _)| *known == name);
            match (given, name) {
                (Some((_, value)), _) => Some((*value).to_owned()),
                (None, "HF_ENDPOINT") => Some(format!("{}/", self.hub.endpoint)),
                (None, "HF_HOME") => Some("/nowhere".to_owned()),
                _ => None,
            }
        });
        let wanted = FileSet::Model;
        fetch_by(&access?, "org/name", revision, &self.cache(cache), wanted)
    }

    /// Lays out a cache by hand, as huggingface_hub does.
    fn warm(&self, cache: &str, note: &str, absent: &[&str]) -> PathBuf {
        let repository = self.cache(cache).join("models--org--name");
        let snapshot = repository.join("snapshots").join(OTHER_COMMIT);
        for folder in ["blobs", "refs"] {
            fs::create_dir_all(repository.join(folder)).unwrap();
        }
        fs::create_dir_all(&snapshot).unwrap();
        fs::write(repository.join("refs/main"), OTHER_COMMIT).unwrap();
        let files = fs::read_dir(files_of(self.folder.path(), note)).unwrap();
        for file in files.map(|file| file.unwrap().path()) {
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            if absent.contains(&name.as_str()) {
                continue;
            }
            fs::copy(&file, repository.join("blobs").join(&name)).unwrap();
            let link = format!("../../blobs/{name}");
            std::os::unix::fs::symlink(link, snapshot.join(name)).unwrap();
        }
        repository
    }
}

fn text(snapshot: &Snapshot, name: &str) -> String {
    fs::read_to_string(snapshot.folder.join(name)).unwrap()
}

#[test]
fn a_token_opens_a_model_and_goes_with_every_request() {
    let set = Set::closed(401);
    let fetched = set.fetch("cache", "main", &[("HF_TOKEN", TOKEN)]).unwrap();
    for name in ["config.json", "model.safetensors"]
        .iter()
        .chain(&TEXT_FILES)
    {
        assert_eq!(text(&fetched, name), format!("this is {name} of main"));
    }
    assert!(!fetched.folder.join("README.md").exists());
    let requests = set.hub.requests();
    assert!(requests.len() > 6, "{requests:?}");
    let bearer = format!("Bearer {TOKEN}");
    assert!(
        requests
            .iter()
            .all(|request| request.authorization.as_deref() == Some(&bearer)),
        "{requests:?}"
    );
}

#[test]
fn who_may_not_read_is_told_what_to_do_and_never_the_token() {
    let stale = [("HF_TOKEN", "hf_stale9")];
    let old = [("HUGGING_FACE_HUB_TOKEN", "hf_stale9")];
    for (status, licensed, variables, says) in [
        (401, false, &[][..], "or not everybody may see it"),
        (
            401,
            false,
            &stale[..],
            "does not know the token in HF_TOKEN",
        ),
        (
            403,
            false,
            &old[..],
            "token in HUGGING_FACE_HUB_TOKEN has no access",
        ),
        (
            404,
            false,
            &stale[..],
            "or the token in HF_TOKEN may not see it",
        ),
        (404, false, &[][..], "there is no http"),
        (
            401,
            true,
            &[][..],
            "it has a licence, and there is no token: accept the licence at",
        ),
        (
            403,
            true,
            &stale[..],
            "the token in HF_TOKEN has no access to it (status 403): accept",
        ),
    ] {
        let set = Set::with(|served| {
            served.token = Some((TOKEN.into(), status));
            served.licensed = licensed;
        });
        let message = set.fetch("cache", "main", variables).unwrap_err();
        assert!(
            message.contains(says) && !message.contains("hf_stale9"),
            "{status}: {message}"
        );
        let page = format!("{}/org/name", set.hub.endpoint);
        let accept = format!("accept the licence at {page}, then set HF_TOKEN");
        assert!(
            message.contains(&page) || message.contains("set HF_TOKEN"),
            "{message}"
        );
        assert_eq!(
            message.contains(&accept),
            licensed || status == 403,
            "{message}"
        );
    }
}

#[test]
fn offline_nothing_is_asked() {
    let set = Set::closed(401);
    let message = set.fetch("cache", "main", &OFFLINE).unwrap_err();
    let says = "HF_HUB_OFFLINE is set, and there is no copy of its revision `main` in";
    assert!(message.contains(says), "{message}");
    let fetched = set.fetch("cache", "main", &[("HF_TOKEN", TOKEN)]).unwrap();
    let asked = set.hub.requests().len();
    assert_eq!(set.fetch("cache", "main", &OFFLINE).unwrap(), fetched);
    assert_eq!(
        set.fetch("cache", "main", &[]).unwrap(),
        fetched,
        "what was fetched stays when the token is gone"
    );
    assert_eq!(set.hub.requests().len(), asked);
}

#[test]
fn a_warm_cache_of_huggingface_hub_is_used_without_asking() {
    let set = Set::with(|_| {});
    set.warm("warm", "warm", &[]);
    for revision in ["main", OTHER_COMMIT] {
        let snapshot = set.fetch("warm", revision, &[]).unwrap();
        assert_eq!(snapshot.commit.to_string(), OTHER_COMMIT);
        assert_eq!(
            text(&snapshot, "config.json"),
            "this is config.json of warm"
        );
    }
    // What huggingface_hub notes of files that are not there, in both of its ways.
    let repository = set.warm("noted", "noted", &["generation_config.json"]);
    let absent = repository.join(".no_exist").join(OTHER_COMMIT);
    fs::create_dir_all(&absent).unwrap();
    fs::write(absent.join("generation_config.json"), "").unwrap();
    set.fetch("noted", "main", &[]).unwrap();
    let repository = set.warm("tree", "tree", &["generation_config.json"]);
    fs::create_dir(repository.join("trees")).unwrap();
    let tree = json!({"format_version": 1, "files": {"config.json": {"size": 1, "blob_id": "x"}}});
    let path = repository.join(format!("trees/{OTHER_COMMIT}.json"));
    fs::write(path, tree.to_string()).unwrap();
    set.fetch("tree", "main", &[]).unwrap();
    assert_eq!(set.hub.requests(), []);
}

#[test]
fn a_cache_with_gaps_is_filled_and_without_the_hub_it_has_to_do() {
    let set = Set::with(|served| {
        let files = served.revisions[0].2.clone();
        served.revisions = vec![("main".into(), OTHER_COMMIT.into(), files)];
    });
    set.warm("gap", "gap", &["tokenizer_config.json"]);
    let snapshot = set.fetch("gap", "main", &[]).unwrap();
    let name = "tokenizer_config.json";
    assert_eq!(text(&snapshot, name), format!("this is {name} of main"));
    assert_eq!(text(&snapshot, "config.json"), "this is config.json of gap");
    set.warm("alone", "alone", &["tokenizer_config.json"]);
    let nobody = [("HF_ENDPOINT", "http://127.0.0.1:9")];
    let kept = set.fetch("alone", "main", &nobody).unwrap();
    assert_eq!(kept.commit.to_string(), OTHER_COMMIT);
    let message = set.fetch("new", "main", &nobody).unwrap_err();
    assert!(
        message.contains("ask http://127.0.0.1:9: ") && message.contains("HF_ENDPOINT names"),
        "{message}"
    );
    // Without weights it is no model.
    set.warm("empty", "empty", &["model.safetensors"]);
    let message = set.fetch("empty", "main", &OFFLINE).unwrap_err();
    assert!(message.contains("there is no copy"), "{message}");
}

#[test]
fn a_revision_is_a_commit_afterwards() {
    let set = Set::with(|served| {
        let other = files_of(served.revisions[0].2.parent().unwrap(), "other");
        let revision = ("feature/x".to_owned(), OTHER_COMMIT.to_owned(), other);
        served.revisions.push(revision);
    });
    let main = set.fetch("cache", "main", &[]).unwrap();
    let other = set.fetch("cache", "feature/x", &[]).unwrap();
    assert_eq!(main.commit.to_string(), COMMIT);
    assert_eq!(other.commit.to_string(), OTHER_COMMIT);
    assert_eq!(text(&other, "config.json"), "this is config.json of other");
    let asked = set.hub.requests().len();
    assert_eq!(set.fetch("cache", OTHER_COMMIT, &[]).unwrap(), other);
    assert_eq!(set.hub.requests().len(), asked);
    let refs = set.cache("cache/models--org--name/refs");
    assert_eq!(
        fs::read_to_string(refs.join("feature/x")).unwrap(),
        OTHER_COMMIT
    );
    assert!(!refs.join(OTHER_COMMIT).exists());
    let message = set.fetch("cache", "v9", &[]).unwrap_err();
    assert!(message.contains("it has no revision `v9`"), "{message}");
}

#[test]
fn a_download_that_broke_goes_on_where_it_stopped() {
    let set = Set::with(|served| {
        served.break_after = Some(100);
        let weights = served.revisions[0].2.join("model.safetensors");
        fs::write(weights, vec![7; 1000]).unwrap();
    });
    let message = set.fetch("cache", "main", &[]).unwrap_err();
    assert!(message.starts_with("model.safetensors: "), "{message}");
    let snapshot = set.fetch("cache", "main", &[]).unwrap();
    let weights = fs::read(snapshot.folder.join("model.safetensors")).unwrap();
    assert_eq!(weights, vec![7; 1000]);
    let ranges: Vec<_> = set
        .hub
        .requests()
        .into_iter()
        .filter_map(|asked| asked.range)
        .collect();
    assert!(ranges.contains(&"bytes=100-".to_owned()), "{ranges:?}");
}

#[test]
fn the_rest_of_another_file_is_not_gone_on_with() {
    let set = Set::with(|_| {});
    let name = "model.safetensors";
    let whole = format!("this is {name} of main");
    let blob = groklab_domain::Digest::of(whole.as_bytes()).hex();
    let blobs = set.cache("cache/models--org--name/blobs");
    fs::create_dir_all(&blobs).unwrap();
    // As long as the file, and longer: nothing could come behind it.
    for rest in [whole.len(), whole.len() + 1] {
        fs::write(blobs.join(format!("{blob}.part")), vec![0; rest]).unwrap();
        let snapshot = set.fetch("cache", "main", &[]).unwrap();
        assert_eq!(text(&snapshot, name), whole);
        fs::remove_dir_all(&snapshot.folder).unwrap();
    }
    // As long as a part of it: only the digest tells.
    fs::write(blobs.join(format!("{blob}.part")), "that").unwrap();
    let message = set.fetch("cache", "main", &[]).unwrap_err();
    assert!(message.contains("its SHA-256 is not the one"), "{message}");
    assert_eq!(text(&set.fetch("cache", "main", &[]).unwrap(), name), whole);
}

#[test]
fn two_that_want_a_model_fetch_it_once() {
    let set = Set::with(|_| {});
    let fetch = || set.fetch("cache", "main", &[]).unwrap();
    std::thread::scope(|scope| {
        let (one, other) = (scope.spawn(fetch), scope.spawn(fetch));
        assert_eq!(one.join().unwrap(), other.join().unwrap());
    });
    let asked = set.hub.requests();
    let listings = asked
        .iter()
        .filter(|request| request.path.contains("/api/"));
    assert_eq!(listings.count(), 1, "{asked:?}");
}

#[test]
fn an_index_says_which_weights_are_fetched() {
    let set = Set::with(|served| {
        let folder = served.revisions[0].2.clone();
        fs::rename(
            folder.join("model.safetensors"),
            folder.join("model-1.safetensors"),
        )
        .unwrap();
        fs::write(folder.join("model-2.safetensors"), "two").unwrap();
        fs::write(folder.join("model-fp8.safetensors"), "another form").unwrap();
        let index = json!({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}});
        fs::write(
            folder.join("model.safetensors.index.json"),
            index.to_string(),
        )
        .unwrap();
    });
    let snapshot = set.fetch("cache", "main", &[]).unwrap();
    let there = |name: &str| snapshot.folder.join(name).exists();
    assert!(there("model-1.safetensors") && there("model-2.safetensors"));
    assert!(!there("model-fp8.safetensors"));
    let asked = set.hub.requests().len();
    assert_eq!(set.fetch("cache", "main", &[]).unwrap(), snapshot);
    assert_eq!(set.hub.requests().len(), asked);
    // A part that is gone comes again.
    fs::remove_file(snapshot.folder.join("model-2.safetensors")).unwrap();
    set.fetch("cache", "main", &[]).unwrap();
    assert!(there("model-2.safetensors"));
}

#[test]
fn a_tokenizer_comes_without_the_weights() {
    let set = Set::with(|_| {});
    let access = Access::read(|name| match name {
        "HF_ENDPOINT" => Some(set.hub.endpoint.clone()),
        "HF_HOME" => Some("/nowhere".to_owned()),
        _ => None,
    });
    let (access, cache) = (access.unwrap(), set.cache("cache"));
    let fetch = |wanted| fetch_by(&access, "org/name", "main", &cache, wanted).unwrap();
    let snapshot = fetch(FileSet::Tokenizer);
    assert_eq!(
        text(&snapshot, "tokenizer.json"),
        "this is tokenizer.json of main"
    );
    assert!(!snapshot.folder.join("model.safetensors").exists());
    let asked = set.hub.requests().len();
    assert_eq!(fetch(FileSet::Tokenizer), snapshot);
    assert_eq!(set.hub.requests().len(), asked);
    // A model is more than that.
    assert_eq!(fetch(FileSet::Model), snapshot);
    assert!(snapshot.folder.join("model.safetensors").exists());
}

static LOGGED: Mutex<String> = Mutex::new(String::new());

/// Keeps everything that any library logs.
struct Everything;

impl log::Log for Everything {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = format!("{}\n", record.args());
        LOGGED.lock().unwrap().push_str(&line);
    }

    fn flush(&self) {}
}

#[test]
fn no_log_holds_a_token() {
    log::set_logger(&Everything).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let set = Set::closed(401);
    set.fetch("cache", "main", &[("HF_TOKEN", TOKEN)]).unwrap();
    let logged = LOGGED.lock().unwrap();
    assert!(
        logged.to_lowercase().contains("authorization") && !logged.contains(TOKEN),
        "{logged}"
    );
}
