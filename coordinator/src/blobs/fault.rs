//! What a failure of the store means: busy, where trying again may help, or a person should look.
//! The words name the variable, its value and the fix, and never a secret.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use nix::unistd::{getegid, geteuid};
use object_store::client::HttpError;

use super::answers::{Refusal, Unreachable};
use crate::error::Error;

/// What is done with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Put,
    /// The end of an upload that nobody wants any more.
    Abandon,
    Get,
    /// Asks for an object that may not be there.
    Find,
    Remove,
}

/// How the store is reached, for messages.
#[derive(Debug, Clone)]
pub enum Reach {
    Folder(PathBuf),
    S3(Way),
}

/// How S3 is reached, for messages.
#[derive(Debug, Clone)]
pub struct Way {
    /// `s3://BUCKET/PREFIX`.
    pub place: String,
    pub bucket: String,
    /// The server's address, and whence it is known.
    pub endpoint: String,
    pub region: String,
    /// Who signs, without what is secret.
    pub signer: String,
}

impl Operation {
    fn verb(self) -> &'static str {
        match self {
            Self::Put => "store",
            Self::Abandon => "discard the upload of",
            Self::Get => "read",
            Self::Find => "find",
            Self::Remove => "remove",
        }
    }

    /// What AWS calls the permission for it.
    fn permission(self) -> &'static str {
        match self {
            Self::Put => "s3:PutObject",
            Self::Abandon => "s3:AbortMultipartUpload",
            Self::Get => "s3:GetObject",
            // Without the second, what is not there is answered as if it were forbidden.
            Self::Find => "s3:GetObject and s3:ListBucket",
            Self::Remove => "s3:DeleteObject",
        }
    }
}

impl Reach {
    /// What to tell of a failed `operation` on `object`.
    pub fn error(&self, operation: Operation, object: &str, error: object_store::Error) -> Error {
        let doing = format!("{} {object}", operation.verb());
        let way = match self {
            // What the disk says is for everybody: "no space left" is mended by a person, not by
            // another attempt.
            Self::Folder(folder) => {
                return match find::<io::Error>(&error) {
                    Some(said) => {
                        let said = format!("{doing}: {}", disk_said(folder, said));
                        Error::internal(said, error)
                    }
                    None => Error::internal(doing, error),
                };
            }
            Self::S3(way) => way,
        };
        if let Some(refusal) = find::<Refusal>(&error) {
            if refusal.may_heal() {
                return busy(format!("{doing}: {refusal}; it was tried again in vain"));
            }
            return Error::broken(format!("{doing}: {}", way.refused(operation, refusal)));
        }
        let silent = find::<Unreachable>(&error);
        if silent.is_some() || find::<HttpError>(&error).is_some() {
            let server = silent.map_or(&way.endpoint, |silent| &silent.server);
            return busy(format!(
                "{doing}: {server} does not answer: {}",
                innermost(&error)
            ));
        }
        match error {
            object_store::Error::PermissionDenied { .. }
            | object_store::Error::Unauthenticated { .. } => Error::broken(format!(
                "{doing}: {} refuses, and not in S3's words: is it an S3 server?",
                way.endpoint
            )),
            error => Error::broken(format!("{doing}: {}", innermost(&error))),
        }
    }
}

impl Way {
    fn refused(&self, operation: Operation, refusal: &Refusal) -> String {
        let said = refusal.to_string();
        let fix = match refusal.code.as_str() {
            "InvalidAccessKeyId" | "InvalidClientTokenId" => format!(
                "it does not know {}: is AWS_ACCESS_KEY_ID right, and does it belong to {}?",
                self.signer, self.endpoint
            ),
            "SignatureDoesNotMatch" => format!(
                "AWS_SECRET_ACCESS_KEY is not the secret of {}, or something between changes \
                 requests",
                self.signer
            ),
            "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" => {
                "AWS_SESSION_TOKEN has expired or is another key's: set the three variables anew \
                 and start again"
                    .to_owned()
            }
            "RequestTimeTooSkewed" => "set this machine's clock".to_owned(),
            "NoSuchBucket" => format!(
                "make the bucket `{}`, or name another in --artifacts (GROKLAB_ARTIFACTS, now {})",
                self.bucket, self.place
            ),
            _ => self.refused_otherwise(operation, refusal),
        };
        format!("{said}; {fix}")
    }

    fn refused_otherwise(&self, operation: Operation, refusal: &Refusal) -> String {
        let is_redirect = (300..400).contains(&refusal.status);
        match &refusal.region {
            Some(region) if *region != self.region => format!(
                "the bucket `{}` lies in another region: set AWS_REGION={region} (now {})",
                self.bucket, self.region
            ),
            _ if is_redirect || refusal.code == "AuthorizationHeaderMalformed" => format!(
                "is AWS_REGION (now {}) the region of the bucket `{}`, and {} the server?",
                self.region, self.bucket, self.endpoint
            ),
            _ if matches!(refusal.status, 401 | 403) => format!(
                "{} needs {} on {}",
                self.signer,
                operation.permission(),
                self.place
            ),
            _ => format!("is {} an S3 server?", self.endpoint),
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            endpoint,
            region,
            signer,
            ..
        } = self;
        write!(f, "at {endpoint}, region {region}, signed by {signer}")
    }
}

/// What the disk said, and whose the folder has to be where that is what is wrong.
pub fn disk_said(folder: &Path, said: &io::Error) -> String {
    if said.kind() != io::ErrorKind::PermissionDenied {
        return said.to_string();
    }
    format!(
        "{said}: this process may not write there: `chown -R {}:{} {}`, or name another folder \
         by --artifacts (GROKLAB_ARTIFACTS)",
        geteuid(),
        getegid(),
        folder.display()
    )
}

fn busy(what: String) -> Error {
    Error::Busy { what, source: None }
}

/// The first error of the type `E` in the chain.
fn find<'a, E>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a E>
where
    E: std::error::Error + 'static,
{
    let mut sources = std::iter::successors(Some(error), |error| error.source());
    sources.find_map(|error| error.downcast_ref())
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let sources = std::iter::successors(Some(error), |error| error.source());
    match sources.last() {
        Some(error) => error.to_string(),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use object_store::client::HttpErrorKind;

    use super::*;

    fn reach() -> Reach {
        Reach::S3(Way {
            place: "s3://things/here".to_owned(),
            bucket: "things".to_owned(),
            endpoint: "http://store:9000 (AWS_ENDPOINT_URL)".to_owned(),
            region: "us-east-1".to_owned(),
            signer: "the access key `AKIA…`".to_owned(),
        })
    }

    fn refusal(status: u16, code: &str, region: Option<&str>) -> object_store::Error {
        let refusal = Refusal {
            server: "store:9000".to_owned(),
            status,
            code: code.to_owned(),
            message: "No.".to_owned(),
            region: region.map(str::to_owned),
        };
        object_store::Error::Generic {
            store: "S3",
            source: Box::new(HttpError::from(refusal)),
        }
    }

    #[test]
    fn a_refusal_names_the_variable_and_the_fix() {
        for (operation, error, says) in [
            (
                Operation::Put,
                refusal(403, "InvalidAccessKeyId", None),
                "is AWS_ACCESS_KEY_ID right",
            ),
            (
                Operation::Put,
                refusal(403, "SignatureDoesNotMatch", None),
                "AWS_SECRET_ACCESS_KEY is not the secret of the access key `AKIA…`",
            ),
            (
                Operation::Put,
                refusal(403, "AccessDenied", None),
                "needs s3:PutObject on s3://things/here",
            ),
            (
                Operation::Find,
                refusal(403, "", None),
                "needs s3:GetObject and s3:ListBucket on",
            ),
            (
                Operation::Get,
                refusal(404, "NoSuchBucket", None),
                "make the bucket `things`, or name another in --artifacts (GROKLAB_ARTIFACTS",
            ),
            (
                Operation::Get,
                refusal(301, "PermanentRedirect", Some("eu-west-1")),
                "set AWS_REGION=eu-west-1 (now us-east-1)",
            ),
            (
                Operation::Get,
                refusal(400, "AuthorizationHeaderMalformed", None),
                "is AWS_REGION (now us-east-1) the region of the bucket",
            ),
            (
                Operation::Get,
                refusal(400, "ExpiredToken", None),
                "AWS_SESSION_TOKEN has expired",
            ),
            (
                Operation::Get,
                refusal(405, "MethodNotAllowed", None),
                "an S3 server?",
            ),
        ] {
            let error = reach().error(operation, "artifact x", error);
            let said = error.to_string();
            assert!(matches!(error, Error::Internal { .. }), "{said}");
            assert!(
                said.contains(says) && said.contains("artifact x: "),
                "{said}"
            );
        }
    }

    #[test]
    fn a_folder_of_another_user_says_whose_it_has_to_be() {
        let reach = Reach::Folder("/srv/artifacts".into());
        let error = |kind: io::ErrorKind| object_store::Error::Generic {
            store: "LocalFileSystem",
            source: Box::new(io::Error::from(kind)),
        };
        let denied = reach.error(
            Operation::Put,
            "artifact x",
            error(io::ErrorKind::PermissionDenied),
        );
        let fix = format!("`chown -R {}:{} /srv/artifacts`", geteuid(), getegid());
        assert!(denied.to_string().contains(&fix), "{denied}");
        let full = reach.error(
            Operation::Put,
            "artifact x",
            error(io::ErrorKind::StorageFull),
        );
        assert!(!full.to_string().contains("chown"), "{full}");
    }

    #[test]
    fn what_may_heal_is_busy() {
        let interrupted = HttpError::new(HttpErrorKind::Interrupted, std::fmt::Error);
        let interrupted = object_store::Error::Generic {
            store: "S3",
            source: Box::new(interrupted),
        };
        for error in [refusal(503, "SlowDown", None), interrupted] {
            let error = reach().error(Operation::Get, "artifact x", error);
            assert!(matches!(error, Error::Busy { .. }), "{error}");
        }
    }
}
