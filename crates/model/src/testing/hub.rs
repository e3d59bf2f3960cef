//! A hub on loopback: answers what hf-hub asks of huggingface.co about one model, and writes down
//! who asked.

use std::{
    fs,
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use serde_json::json;

/// What a [`Hub`] serves, and to whom.
#[derive(Debug, Clone)]
pub struct Served {
    /// `org/name`.
    pub id: String,
    pub folder: PathBuf,
    /// Whoever shows another token, or none, is answered with this status.
    pub token: Option<(String, u16)>,
}

/// The path and the `Authorization` of a request.
pub type Request = (String, Option<String>);

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
    pub fn serve(served: Served) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let seen: Arc<Mutex<Vec<_>>> = Arc::default();
        let noted = Arc::clone(&seen);
        thread::Builder::new().name("hub".into()).spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that went away has its reasons, which the test will see.
                let _ = answer(stream, &served, &noted);
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

/// Answers one request and closes the connection.
fn answer(mut stream: TcpStream, served: &Served, seen: &Mutex<Vec<Request>>) -> io::Result<()> {
    let head: Vec<String> = BufReader::new(&stream)
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
    let path = head
        .first()
        .and_then(|line| line.split(' ').nth(1))
        .unwrap_or_default();
    let authorization = header("authorization");
    lock(seen).push((path.to_owned(), authorization.clone()));
    let refused = served
        .token
        .as_ref()
        .filter(|(token, _)| authorization.as_deref() != Some(&format!("Bearer {token}")));
    if let Some((_, status)) = refused {
        return respond(&mut stream, &format!("{status} Refused"), &[], b"");
    }
    if path == format!("/api/models/{}/revision/main", served.id) {
        let names = fs::read_dir(&served.folder)?
            .flatten()
            .map(|file| json!({"rfilename": file.file_name().to_string_lossy()}));
        let body = json!({"sha": "c0ffee", "siblings": names.collect::<Vec<_>>()}).to_string();
        return respond(&mut stream, "200 OK", &[], body.as_bytes());
    }
    let name = path
        .strip_prefix(&format!("/{}/resolve/main/", served.id))
        .filter(|name| !name.contains('/'));
    match name.map(|name| fs::read(served.folder.join(name))) {
        Some(Ok(bytes)) => file(
            &mut stream,
            name.unwrap_or_default(),
            &bytes,
            header("range"),
        ),
        _ => respond(&mut stream, "404 Not Found", &[], b""),
    }
}

/// The part of a file that `range` names, as in `bytes=0-0` or `bytes=7-`.
fn file(stream: &mut TcpStream, name: &str, bytes: &[u8], range: Option<String>) -> io::Result<()> {
    let range = range.unwrap_or_default();
    let (from, to) = range
        .trim_start_matches("bytes=")
        .split_once('-')
        .unwrap_or_default();
    let from = from.parse().unwrap_or(0).min(bytes.len());
    let end = to
        .parse::<usize>()
        .map_or(bytes.len(), |last| (last + 1).clamp(from, bytes.len()));
    let place = format!("bytes {from}-{}/{}", end.saturating_sub(1), bytes.len());
    // hf-hub takes the size from the first, its name in the cache from the second, the commit from
    // the third.
    let headers = [
        ("Content-Range", place.as_str()),
        ("ETag", name),
        ("X-Repo-Commit", "c0ffee"),
    ];
    respond(stream, "206 Partial Content", &headers, &bytes[from..end])
}

fn respond(
    stream: &mut TcpStream,
    status: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<()> {
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    )?;
    stream.write_all(body)
}
