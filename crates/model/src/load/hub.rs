//! Fetches a model from the Hugging Face hub into a cache folder. Needs the network; nothing else
//! in this crate does.

mod access;

use std::path::{Path, PathBuf};

use access::Access;
use hf_hub::{Cache, Repo};

use super::text_files::TEXT_FILES;
use crate::error::{Error, Result};

/// True for `org/name`.
pub(crate) fn is_id(source: &str) -> bool {
    let part = |text: &str| {
        !text.is_empty()
            && !text.starts_with('.')
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    source
        .split_once('/')
        .is_some_and(|(org, name)| part(org) && part(name))
}

/// The cache that other Hugging Face software shares: `HF_HOME`, else the user's own.
pub fn default_cache() -> PathBuf {
    Cache::from_env().path().clone()
}

/// Fetches configuration, weights and tokenizer of `id`; files already in `cache` are kept. Returns
/// the folder they lie in. Where the hub cannot be reached, what an earlier fetch left in `cache`
/// is taken.
pub(crate) fn fetch(id: &str, cache: &Path) -> Result<PathBuf> {
    let access = Access::from_env().map_err(|reason| Error::Hub {
        repository: id.into(),
        reason,
    })?;
    fetch_by(&access, id, cache)
}

fn fetch_by(access: &Access, id: &str, cache: &Path) -> Result<PathBuf> {
    let failed = |reason: String| Error::Hub {
        repository: id.into(),
        reason,
    };
    let kept = || {
        Cache::new(cache.into())
            .repo(Repo::model(id.to_owned()))
            .get("config.json")?
            .parent()
            .map(Path::to_path_buf)
    };
    if access.offline {
        let reason = || {
            format!(
                "HF_HUB_OFFLINE is set, and there is no copy of it in `{}`",
                cache.display()
            )
        };
        return kept().ok_or_else(|| failed(reason()));
    }
    let api = access
        .client(cache)
        .build()
        .map_err(|e| failed(e.to_string()))?;
    let repository = api.model(id.to_owned());
    let listed = match repository.info() {
        Ok(listed) => listed,
        Err(error) => return kept().ok_or_else(|| failed(access.explain(id, &error))),
    };
    let names: Vec<String> = listed
        .siblings
        .into_iter()
        .map(|file| file.rfilename)
        .filter(|name| wanted(name))
        .collect();
    if !names.iter().any(|name| name.ends_with(".safetensors")) {
        return Err(failed("it has no .safetensors file".into()));
    }
    let mut folder = None;
    for name in names {
        let path = repository
            .get(&name)
            .map_err(|error| failed(format!("{name}: {}", access.explain(id, &error))))?;
        folder = path.parent().map(Path::to_path_buf);
    }
    folder.ok_or_else(|| failed("it has no files".into()))
}

/// What loading reads, all of it: the base digest of a model must not depend on who fetched it.
fn wanted(name: &str) -> bool {
    const FILES: [&str; 2] = ["config.json", "model.safetensors.index.json"];
    // Files in folders are other forms of the same model, such as ONNX.
    let weights = name.starts_with("model") && name.ends_with(".safetensors");
    !name.contains('/') && (weights || FILES.contains(&name) || TEXT_FILES.contains(&name))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::testing::{Hub, Served};

    #[test]
    fn an_id_has_two_parts() {
        assert!(is_id("Qwen/Qwen2.5-Coder-1.5B-Instruct"));
        assert!(
            !is_id("./folder")
                && !is_id("a/b/c")
                && !is_id("/a")
                && !is_id("name")
                && !is_id("../x")
        );
    }

    /// A hub with a few small files behind a token, a cache, and what the environment says.
    struct Set {
        hub: Hub,
        folder: tempfile::TempDir,
    }

    const TOKEN: &str = "hf_0123456789secret";

    impl Set {
        fn new(refusal: u16) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let files = folder.path().join("files");
            std::fs::create_dir(&files).unwrap();
            for name in ["config.json", "model.safetensors", "README.md"]
                .iter()
                .chain(&TEXT_FILES)
            {
                std::fs::write(files.join(name), format!("this is {name}")).unwrap();
            }
            let served = Served {
                id: "org/name".into(),
                folder: files,
                token: Some((TOKEN.into(), refusal)),
            };
            Self {
                hub: Hub::serve(served).unwrap(),
                folder,
            }
        }

        fn fetch(&self, cache: &str, variables: &[(&str, &str)]) -> Result<PathBuf> {
            let own = [
                ("HF_ENDPOINT", format!("{}/", self.hub.endpoint)),
                ("HF_HOME", "/nowhere".into()),
            ];
            let given = |name: &str| {
                variables
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| (*value).to_owned())
            };
            let access = Access::read(|name| {
                given(name).or_else(|| {
                    own.iter()
                        .find(|(own, _)| *own == name)
                        .map(|(_, value)| value.clone())
                })
            });
            fetch_by(
                &access.unwrap(),
                "org/name",
                &self.folder.path().join(cache),
            )
        }
    }

    #[test]
    fn a_token_opens_a_model_and_goes_with_every_request() {
        let set = Set::new(401);
        let fetched = set.fetch("cache", &[("HF_TOKEN", TOKEN)]).unwrap();
        for name in ["config.json", "model.safetensors"]
            .iter()
            .chain(&TEXT_FILES)
        {
            assert_eq!(
                std::fs::read_to_string(fetched.join(name)).unwrap(),
                format!("this is {name}")
            );
        }
        assert!(!fetched.join("README.md").exists());
        let requests = set.hub.requests();
        assert!(requests.len() > 6, "{requests:?}");
        assert!(
            requests
                .iter()
                .all(|(_, authorization)| authorization.as_deref()
                    == Some(&format!("Bearer {TOKEN}"))),
            "{requests:?}"
        );
    }

    #[test]
    fn who_may_not_read_is_told_what_to_do_and_never_the_token() {
        for (status, variables, says) in [
            (401, &[][..], "status 401), and there is no token"),
            (403, &[][..], "status 403), and there is no token"),
            (
                401,
                &[("HF_TOKEN", "hf_stale9")],
                "the token in HF_TOKEN may not read it (status 401)",
            ),
            (
                403,
                &[("HUGGING_FACE_HUB_TOKEN", "hf_stale9")],
                "the token in HUGGING_FACE_HUB_TOKEN may not read it (status 403)",
            ),
            (
                404,
                &[("HF_TOKEN", "hf_stale9")],
                "or the token in HF_TOKEN may not see it",
            ),
        ] {
            let set = Set::new(status);
            let message = set.fetch("cache", variables).unwrap_err().to_string();
            let licence = format!("accept its licence at {}/org/name", set.hub.endpoint);
            assert!(
                message.contains(says) && !message.contains("hf_stale9"),
                "{message}"
            );
            assert!(
                status == 404 || (message.contains(&licence) && message.contains("set HF_TOKEN")),
                "{message}"
            );
        }
    }

    #[test]
    fn offline_nothing_is_asked() {
        let set = Set::new(401);
        let offline = [("HF_HUB_OFFLINE", "1")];
        let message = set.fetch("cache", &offline).unwrap_err().to_string();
        assert!(
            message.contains("HF_HUB_OFFLINE is set, and there is no copy of it in"),
            "{message}"
        );
        let fetched = set.fetch("cache", &[("HF_TOKEN", TOKEN)]).unwrap();
        let asked = set.hub.requests().len();
        assert_eq!(set.fetch("cache", &offline).unwrap(), fetched);
        assert_eq!(set.hub.requests().len(), asked);
        assert_eq!(
            set.fetch("cache", &[]).unwrap(),
            fetched,
            "what was fetched stays when the token is gone"
        );
    }

    static LOGGED: Mutex<String> = Mutex::new(String::new());

    /// Keeps everything that any library logs.
    struct Everything;

    impl log::Log for Everything {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }

        fn log(&self, record: &log::Record<'_>) {
            LOGGED
                .lock()
                .unwrap()
                .push_str(&format!("{}\n", record.args()));
        }

        fn flush(&self) {}
    }

    #[test]
    fn no_log_holds_a_token() {
        log::set_logger(&Everything).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
        Set::new(401)
            .fetch("cache", &[("HF_TOKEN", TOKEN)])
            .unwrap();
        let logged = LOGGED.lock().unwrap();
        assert!(
            logged.to_lowercase().contains("authorization") && !logged.contains(TOKEN),
            "{logged}"
        );
    }

    #[test]
    fn only_what_is_read_is_fetched() {
        assert!(wanted("model-00001-of-00002.safetensors") && wanted("config.json"));
        assert!(
            !wanted("onnx/model.safetensors")
                && !wanted("pytorch_model.bin")
                && !wanted("adapter_model.safetensors")
        );
    }
}
