//! Stands between a client and an S3 server and spoils what a test wants spoiled.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Pass,
    /// It is answered without the server.
    Answer(u16, &'static str),
    /// The server has it, and nobody hears of that.
    LoseAnswer,
    /// So many bytes of the answer arrive, then the connection ends.
    CutAnswer(usize),
    /// Nothing arrives for as long as the client waits.
    Hang,
}

/// A request, as far as tests tell them apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub method: String,
    /// With the query.
    pub target: String,
}

type Decide = Arc<Mutex<dyn FnMut(&Seen) -> Action + Send>>;

/// Serves until it is dropped.
pub struct Proxy {
    address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Before the server at `upstream`; `decide` is asked about every request.
    pub async fn start(
        upstream: String,
        decide: impl FnMut(&Seen) -> Action + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let decide: Decide = Arc::new(Mutex::new(decide));
        let seen = Arc::default();
        let task = tokio::spawn(serve(listener, upstream, decide, Arc::clone(&seen)));
        Self {
            address,
            seen,
            task,
        }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    listener: TcpListener,
    upstream: String,
    decide: Decide,
    seen: Arc<Mutex<Vec<Seen>>>,
) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let (upstream, decide, seen) = (upstream.clone(), Arc::clone(&decide), Arc::clone(&seen));
        tokio::spawn(async move {
            // Ends with an error wherever the client or the server leaves.
            let _ = one_request(client, &upstream, &decide, &seen).await;
        });
    }
}

/// One request for each connection.
async fn one_request(
    mut client: TcpStream,
    upstream: &str,
    decide: &Decide,
    all: &Mutex<Vec<Seen>>,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if client.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut words = head.split_whitespace().map(str::to_owned);
    let seen = Seen {
        method: words.next().unwrap(),
        target: words.next().unwrap(),
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.eq_ignore_ascii_case("content-length")).then(|| value.trim().parse().unwrap())
    });
    while bytes.len() < end + 4 + length.unwrap_or(0) {
        if client.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
    all.lock().unwrap().push(seen.clone());
    let action = (decide.lock().unwrap())(&seen);
    let limit = match action {
        Action::Hang => return std::future::pending().await,
        Action::Answer(status, body) => {
            let answer = format!(
                "HTTP/1.1 {status} Spoiled\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            return client.write_all(answer.as_bytes()).await;
        }
        Action::Pass => usize::MAX,
        Action::LoseAnswer => 0,
        Action::CutAnswer(bytes) => bytes,
    };
    let mut server = TcpStream::connect(upstream).await?;
    server.write_all(&bytes[..end]).await?;
    server.write_all(b"\r\nConnection: close\r\n\r\n").await?;
    server.write_all(&bytes[end + 4..]).await?;
    let mut left = limit;
    loop {
        let mut answer = Vec::with_capacity(64 << 10);
        if server.read_buf(&mut answer).await? == 0 {
            return Ok(());
        }
        if limit == 0 {
            // Read to its end: the server has done what it was asked for.
            continue;
        }
        answer.truncate(left);
        left -= answer.len();
        client.write_all(&answer).await?;
        if left == 0 {
            return Ok(());
        }
    }
}
