//! How the hub is reached: by the environment variables that all Hugging Face software reads. The
//! token is shown to the hub alone, never in a message, a log or an argument.

use std::{fmt, fs, io, path::Path};

use hf_hub::{Cache, api::sync::ApiBuilder};

use super::places::Places;

const HUB: &str = "https://huggingface.co";
/// The variables that may hold a token; the first that does counts.
const TOKENS: [&str; 2] = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"];

/// The variables that forbid to ask.
const OFFLINE: [&str; 2] = ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"];

/// Where the hub is, and who asks.
#[derive(Debug, Clone)]
pub(super) struct Access {
    /// Without a slash at its end.
    pub endpoint: String,
    /// Nothing may be asked.
    pub offline: bool,
    /// The variable that says so.
    pub offline_because: &'static str,
    token: Option<Token>,
}

#[derive(Clone)]
struct Token {
    text: String,
    /// Where it came from, for messages.
    place: String,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(redacted, from {})", self.place)
    }
}

impl Access {
    /// What the environment says.
    ///
    /// # Errors
    /// There is a token that cannot be read or sent.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let on = |name: &str| {
            set(name).is_some_and(|value| {
                ["1", "ON", "YES", "TRUE"].contains(&value.to_uppercase().as_str())
            })
        };
        // The second counts where the first is not set, as for huggingface_hub.
        let offline = OFFLINE.into_iter().find(|name| set(name).is_some());
        let endpoint = set("HF_ENDPOINT").unwrap_or_else(|| HUB.to_owned());
        Ok(Self {
            endpoint: endpoint.trim().trim_end_matches('/').to_owned(),
            offline: offline.is_some_and(on),
            offline_because: offline.unwrap_or_default(),
            // This asks for no token unless one is given by hand, which cannot be done here.
            token: if on("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
                None
            } else {
                token(set, &Places::read(&variable).token_file)?
            },
        })
    }

    /// The hub's client, which keeps what it fetches in `cache`.
    pub fn client(&self, cache: &Path) -> ApiBuilder {
        let token = self.token.as_ref().map(|token| token.text.clone());
        let client =
            ApiBuilder::from_cache(Cache::new(cache.into())).with_endpoint(self.endpoint.clone());
        client.with_token(token).with_progress(false)
    }

    /// What a refusal means, and what to do about it.
    pub fn explain(&self, refusal: &Refusal<'_>) -> String {
        let (revision, status, code) = (refusal.revision, refusal.status, refusal.code);
        let page = format!("{}/{}", self.endpoint, refusal.id);
        let place = self.token.as_ref().map(|token| &token.place);
        let accept = format!("accept the licence at {page}, then set HF_TOKEN");
        let tokens = format!("{}/settings/tokens", self.endpoint);
        match (status, code, place) {
            (404, Some("RevisionNotFound"), _) => {
                format!("it has no revision `{revision}`: {page} lists those it has")
            }
            (404, _, None) => format!("there is no {page}"),
            (404, _, Some(place)) => {
                format!("there is no {page}, or the token in {place} may not see it")
            }
            (401 | 403, Some("GatedRepo"), None) => {
                format!("it has a licence, and there is no token: {accept} ({tokens})")
            }
            (401, Some("RepoNotFound"), None) => format!(
                "there is no {page}, or not everybody may see it: check the name; where it is \
                 private, set HF_TOKEN ({tokens})"
            ),
            (401 | 403, _, None) => format!(
                "the hub shows it to those alone who may read it (status {status}), and there is \
                 no token: {accept} ({tokens})"
            ),
            (403, ..) | (401, Some("GatedRepo"), _) => format!(
                "the token in {} has no access to it (status {status}): {accept} to one of the \
                 account that accepted ({tokens})",
                place.map_or("use", String::as_str)
            ),
            (401, _, Some(place)) => format!(
                "the hub does not know the token in {place} (status 401): set HF_TOKEN to one \
                 that is valid ({tokens})"
            ),
            _ => format!("the hub answered with status {status}"),
        }
    }
}

/// A request that the hub did not answer as asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal<'a> {
    pub id: &'a str,
    pub revision: &'a str,
    pub status: u16,
    /// The hub's own word for the reason.
    pub code: Option<&'a str>,
}

/// The token of the environment, else of the file that `hf auth login` writes.
fn token(set: impl Fn(&str) -> Option<String>, file: &Path) -> Result<Option<Token>, String> {
    if let Some((name, text)) = TOKENS
        .into_iter()
        .find_map(|name| set(name).map(|text| (name, text)))
    {
        return Token::new(&text, name.to_owned());
    }
    match fs::read_to_string(file) {
        Ok(text) => Token::new(&text, format!("`{}`", file.display())),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(format!("read the token file `{}`: {error}", file.display())),
    }
}

impl Token {
    /// None where there are only blanks.
    fn new(text: &str, place: String) -> Result<Option<Self>, String> {
        // As huggingface_hub cleans it: files often end with a line end.
        let text = text.replace(['\r', '\n'], "").trim().to_owned();
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "the token in {place} holds blanks or characters that are not ASCII: copy it again"
            ));
        }
        Ok((!text.is_empty()).then_some(Self { text, place }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Access, String> {
        Access::read(|name| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_token_comes_from_where_hugging_face_software_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_str().unwrap();
        fs::create_dir(folder.path().join("huggingface")).unwrap();
        let elsewhere = folder.path().join("elsewhere");
        let elsewhere = elsewhere.to_str().unwrap();
        for (name, text) in [
            ("token", "hf_home\n"),
            ("elsewhere", " hf_path\r\n"),
            ("huggingface/token", "hf_xdg"),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let sent =
            |variables: &[(&str, &str)]| read(variables).unwrap().token.map(|token| token.text);
        let (env, old) = (
            ("HF_TOKEN", "hf_env\n"),
            ("HUGGING_FACE_HUB_TOKEN", "hf_old"),
        );
        let (path, home, xdg) = (
            ("HF_TOKEN_PATH", elsewhere),
            ("HF_HOME", home),
            ("XDG_CACHE_HOME", home),
        );
        assert_eq!(sent(&[env, old, path, home, xdg]).unwrap(), "hf_env");
        assert_eq!(
            sent(&[("HF_TOKEN", " "), old, path, home]).unwrap(),
            "hf_old"
        );
        assert_eq!(sent(&[path, home]).unwrap(), "hf_path");
        assert_eq!(sent(&[home, xdg]).unwrap(), "hf_home");
        assert_eq!(sent(&[xdg]).unwrap(), "hf_xdg");
        assert_eq!(sent(&[("HF_HOME", "/nowhere")]), None);
        assert_eq!(sent(&[env, ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")]), None);
    }

    #[test]
    fn a_token_that_cannot_be_sent_is_named_by_its_place_alone() {
        let message = read(&[("HF_TOKEN", "hf_secret hf_other")]).unwrap_err();
        assert!(
            message.contains("HF_TOKEN") && !message.contains("hf_secret"),
            "{message}"
        );
        let folder = tempfile::tempdir().unwrap();
        let message = read(&[("HF_TOKEN_PATH", folder.path().to_str().unwrap())]).unwrap_err();
        assert!(message.contains("read the token file"), "{message}");
        let shown = format!("{:?}", read(&[("HF_TOKEN", "hf_secret")]).unwrap());
        assert!(
            shown.contains("redacted") && !shown.contains("hf_secret"),
            "{shown}"
        );
    }

    #[test]
    fn the_endpoint_and_being_offline_are_what_the_environment_says() {
        let nowhere = ("HF_HOME", "/nowhere");
        assert_eq!(read(&[nowhere]).unwrap().endpoint, "https://huggingface.co");
        assert_eq!(
            read(&[nowhere, ("HF_ENDPOINT", "https://mirror.example/hub/")])
                .unwrap()
                .endpoint,
            "https://mirror.example/hub"
        );
        for (value, offline) in [
            ("1", true),
            ("true", true),
            ("Yes", true),
            ("0", false),
            ("", false),
        ] {
            for name in OFFLINE {
                let access = read(&[nowhere, (name, value)]).unwrap();
                assert_eq!(access.offline, offline, "{name} {value}");
            }
        }
        let both = [
            nowhere,
            ("HF_HUB_OFFLINE", "0"),
            ("TRANSFORMERS_OFFLINE", "1"),
        ];
        assert!(!read(&both).unwrap().offline, "the first counts");
    }
}
