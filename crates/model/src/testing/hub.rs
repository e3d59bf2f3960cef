//! A hub on loopback: answers what hf-hub asks of huggingface.co about one model, and writes down
//! who asked. It can want a token, have a licence, have several revisions, and break a download.

use std::{
    fs,
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use groklab_domain::Digest;
use serde_json::{Value, json};

/// The commit that `main` is.
pub const COMMIT: &str = "00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee";

/// What a [`Hub`] serves, and to whom.
#[derive(Debug, Clone)]
pub struct Served {
    /// `org/name`.
    pub id: String,
    /// Name, commit and files of every revision.
    pub revisions: Vec<(String, String, PathBuf)>,
    /// Whoever shows another token, or none, is answered with this status.
    pub token: Option<(String, u16)>,
    /// Everybody may see what there is, the token is wanted for its files alone.
    pub licensed: bool,
    /// Of the first file that is larger only so many bytes are sent, once.
    pub break_after: Option<usize>,
}

impl Served {
    /// `folder` as the branch `main` of the model `id`, for everybody.
    pub fn new(id: &str, folder: &Path) -> Self {
        let main = ("main".to_owned(), COMMIT.to_owned(), folder.to_owned());
        Self {
            id: id.to_owned(),
            revisions: vec![main],
            token: None,
            licensed: false,
            break_after: None,
        }
    }

    /// The commit and the files of a revision, which may be named by its commit.
    fn revision(&self, wanted: &str) -> Option<(&str, &Path)> {
        let wanted = wanted.replace("%2F", "/");
        let mut revisions = self.revisions.iter();
        let found = revisions.find(|(name, commit, _)| *name == wanted || *commit == wanted)?;
        Some((&found.1, &found.2))
    }
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub path: String,
    pub authorization: Option<String>,
    pub range: Option<String>,
}

/// A running hub. It ends with the process.
#[derive(Debug)]
pub struct Hub {
    pub endpoint: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Hub {
    /// Starts to serve.
    ///
    /// # Errors
    /// No port can be had.
    pub fn serve(mut served: Served) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let seen: Arc<Mutex<Vec<_>>> = Arc::default();
        let noted = Arc::clone(&seen);
        thread::Builder::new().name("hub".into()).spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that went away has its reasons, which the test will see.
                let _ = serve_one(stream, &mut served, &noted);
            }
        })?;
        Ok(Self { endpoint, seen })
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.seen).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An answer, before it is written.
#[derive(Default)]
struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn refuse(status: u16, code: &str) -> Self {
        Self {
            status,
            headers: vec![("X-Error-Code", code.to_owned())],
            body: Vec::new(),
        }
    }
}

/// Answers one request and closes the connection.
fn serve_one(
    mut stream: TcpStream,
    served: &mut Served,
    seen: &Mutex<Vec<Request>>,
) -> io::Result<()> {
    let request = read_request(&stream);
    lock(seen).push(request.clone());
    let answer = answer(served, &request)?;
    let mut sent = answer.body.len();
    let is_file = request.path.contains("/resolve/");
    if let Some(limit) = served.break_after.filter(|limit| is_file && *limit < sent) {
        (served.break_after, sent) = (None, limit);
    }
    write_answer(&mut stream, &answer, sent)
}

fn read_request(stream: &TcpStream) -> Request {
    let head: Vec<String> = BufReader::new(stream)
        .lines()
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .collect();
    let header = |name: &str| {
        let value = |line: &String| {
            line.split_once(": ")
                .filter(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.to_owned())
        };
        head.iter().find_map(value)
    };
    let path = head.first().and_then(|line| line.split(' ').nth(1));
    Request {
        path: path.unwrap_or_default().to_owned(),
        authorization: header("authorization"),
        range: header("range"),
    }
}

fn answer(served: &Served, request: &Request) -> io::Result<Answer> {
    let may_read = match &served.token {
        None => true,
        Some((token, _)) => request.authorization == Some(format!("Bearer {token}")),
    };
    let status = served.token.as_ref().map_or(0, |(_, status)| *status);
    let path = request.path.split('?').next().unwrap_or_default();
    if let Some(revision) = path.strip_prefix(&format!("/api/models/{}/revision/", served.id)) {
        return match served.revision(revision) {
            _ if !may_read && !served.licensed => Ok(Answer::refuse(status, "RepoNotFound")),
            None => Ok(Answer::refuse(404, "RevisionNotFound")),
            Some((commit, folder)) => listing(commit, folder),
        };
    }
    let file = path.strip_prefix(&format!("/{}/resolve/", served.id));
    let Some((revision, name)) = file.and_then(|file| file.split_once('/')) else {
        return Ok(Answer::refuse(404, "RepoNotFound"));
    };
    let Some((commit, folder)) = served.revision(revision).filter(|_| !name.contains('/')) else {
        return Ok(Answer::refuse(404, "RevisionNotFound"));
    };
    if !may_read {
        return Ok(Answer::refuse(status, "GatedRepo"));
    }
    match fs::read(folder.join(name)) {
        Ok(bytes) => Ok(file_part(commit, name, &bytes, request.range.as_deref())),
        Err(_) => Ok(Answer::refuse(404, "EntryNotFound")),
    }
}

fn listing(commit: &str, folder: &Path) -> io::Result<Answer> {
    let mut siblings = Vec::new();
    for file in fs::read_dir(folder)?.flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        siblings.push(json!({"rfilename": name, "size": file.metadata()?.len()}));
    }
    let body: Value = json!({"sha": commit, "siblings": siblings});
    Ok(Answer {
        status: 200,
        headers: Vec::new(),
        body: body.to_string().into_bytes(),
    })
}

/// The part of a file that `range` names, as in `bytes=0-0` or `bytes=7-`.
fn file_part(commit: &str, name: &str, bytes: &[u8], range: Option<&str>) -> Answer {
    let range = range.unwrap_or_default();
    let (from, to) = range
        .trim_start_matches("bytes=")
        .split_once('-')
        .unwrap_or_default();
    let from = from.parse().unwrap_or(0);
    if from >= bytes.len() {
        return Answer::refuse(416, "RangeNotSatisfiable");
    }
    let end = to
        .parse::<usize>()
        .map_or(bytes.len(), |last| (last + 1).clamp(from, bytes.len()));
    let place = format!("bytes {from}-{}/{}", end.saturating_sub(1), bytes.len());
    // The hub names large files by their SHA-256, and others by 40 digits.
    let digest = Digest::of(bytes).hex();
    let is_large = name.ends_with(".safetensors");
    let tag = if is_large { &digest[..] } else { &digest[..40] };
    // hf-hub takes the size from the first, its name in the cache from the second, the commit from
    // the third.
    let headers = vec![
        ("Content-Range", place),
        ("ETag", tag.to_owned()),
        ("X-Repo-Commit", commit.to_owned()),
    ];
    Answer {
        status: 206,
        headers,
        body: bytes[from..end].to_vec(),
    }
}

/// Writes the answer, but only the first `sent` bytes of its body.
fn write_answer(stream: &mut TcpStream, answer: &Answer, sent: usize) -> io::Result<()> {
    let (status, length) = (answer.status, answer.body.len());
    let headers = answer.headers.iter();
    let headers: String = headers
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    write!(
        stream,
        "HTTP/1.1 {status} Answer\r\nConnection: close\r\nContent-Length: {length}\r\n\
         {headers}\r\n",
    )?;
    stream.write_all(&answer.body[..sent])
}
