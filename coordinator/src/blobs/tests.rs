//! One contract for a folder and for a real S3 server, and what only the second can do wrong.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use groklab_domain::Digest;
use groklab_proto::limits::CHUNK_BYTES;
use groklab_runtime::metrics::Instruments;
use groklab_tests::s3::{Action, Identity, Proxy, Seen, Server};
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use tempfile::TempDir;
use uuid::Uuid;

use super::{AwsVariables, Blobs, Place, by_digest::key, upload::PART_BYTES};
use crate::{
    error::{Error, Result},
    metrics::Metrics,
};

/// A store, and what it lives on.
struct Kept {
    blobs: Blobs,
    instruments: Instruments,
    on: On,
}

enum On {
    Folder(TempDir),
    S3(Arc<Server>, String),
}

impl Kept {
    fn folder() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (blobs, instruments) = open(&Place::Folder(folder.path().join("made")), &[]);
        Self {
            blobs,
            instruments,
            on: On::Folder(folder),
        }
    }

    fn s3() -> Self {
        let (server, bucket) = (Server::shared(), bucket());
        server.make_bucket(&bucket);
        let (blobs, instruments) = open(&place(&bucket), &server.variables(Identity::Writer));
        Self {
            blobs,
            instruments,
            on: On::S3(server, bucket),
        }
    }

    /// The same contract holds for both.
    fn both() -> [Self; 2] {
        [Self::folder(), Self::s3()]
    }

    /// What is left of uploads that were not finished.
    fn unfinished(&self) -> usize {
        match &self.on {
            On::S3(server, bucket) => server.unfinished_uploads(bucket),
            On::Folder(folder) => unfinished_files(folder.path()),
        }
    }

    async fn objects(&self) -> usize {
        self.blobs
            .store
            .list(None)
            .try_collect::<Vec<_>>()
            .await
            .unwrap()
            .len()
    }
}

/// A file on its way has a `#` in its name.
fn unfinished_files(folder: &std::path::Path) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            count += unfinished_files(&entry.path());
        } else if entry.file_name().to_string_lossy().contains('#') {
            count += 1;
        }
    }
    count
}

fn bucket() -> String {
    format!("bucket-{}", Uuid::now_v7())
}

fn place(bucket: &str) -> Place {
    format!("s3://{bucket}/all/of-it").parse().unwrap()
}

fn open(place: &Place, variables: &[(&'static str, String)]) -> (Blobs, Instruments) {
    let instruments = Instruments::for_tests();
    let owned = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()));
    let variables = AwsVariables::among(owned);
    let metrics = Metrics::new(&instruments.meter());
    let (blobs, abandoned) = Blobs::open(place, &variables, metrics).unwrap();
    tokio::spawn(abandoned.run());
    (blobs, instruments)
}

/// Bytes of which no two ranges are alike.
fn content(length: usize, seed: u64) -> Bytes {
    let mut state = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

/// In the pieces in which it comes over the wire.
fn wire(bytes: &Bytes) -> Vec<Result<Bytes>> {
    let mut pieces = Vec::new();
    for start in (0..bytes.len().max(1)).step_by(CHUNK_BYTES) {
        pieces.push(Ok(bytes.slice(start..bytes.len().min(start + CHUNK_BYTES))));
    }
    pieces
}

async fn put(blobs: &Blobs, bytes: &Bytes) -> Result<u64> {
    blobs
        .put(Digest::of(bytes), stream::iter(wire(bytes)))
        .await
}

async fn get(blobs: &Blobs, digest: Digest) -> Result<Bytes> {
    let pieces: Vec<Bytes> = blobs.pieces(digest).await?.try_collect().await?;
    assert!(!pieces.is_empty() && pieces.iter().all(|piece| piece.len() <= CHUNK_BYTES));
    Ok(pieces.concat().into())
}

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let polled = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let polled = tokio::time::timeout(Duration::from_secs(30), polled).await;
    polled.unwrap_or_else(|_| panic!("never {what}"));
}

#[tokio::test]
async fn what_is_stored_is_found_read_and_removed() {
    for kept in Kept::both() {
        let blobs = &kept.blobs;
        blobs.check().await.unwrap();
        assert_eq!(kept.objects().await, 0, "what was only tried is gone");
        let lengths = [
            0,
            1,
            CHUNK_BYTES + 1,
            PART_BYTES - 1,
            PART_BYTES,
            PART_BYTES + 1,
            3 * PART_BYTES + 5,
        ];
        for (seed, length) in (0..).zip(lengths) {
            let bytes = content(length, seed);
            let digest = Digest::of(&bytes);
            assert!(!blobs.holds(digest).await.unwrap());
            let missing = get(blobs, digest).await.unwrap_err();
            assert!(matches!(missing, Error::Missing { .. }), "{missing}");
            // Twice is as good as once.
            for _ in 0..2 {
                assert_eq!(put(blobs, &bytes).await.unwrap(), length as u64);
            }
            assert!(blobs.holds(digest).await.unwrap());
            assert!(get(blobs, digest).await.unwrap() == bytes, "{length} bytes");
            for _ in 0..2 {
                blobs.remove(digest).await.unwrap();
            }
            assert!(!blobs.holds(digest).await.unwrap());
        }
        assert_eq!((kept.objects().await, kept.unfinished()), (0, 0));
        let (digest, size) = blobs.put_bytes(content(9, 9)).await.unwrap();
        assert_eq!((digest, size), (Digest::of(&content(9, 9)), 9));
        for _ in 0..2 {
            blobs.probe().await.unwrap();
        }
        let text = kept.instruments.text().unwrap();
        for line in [
            "groklab_artifact_operations_total{op=\"put\",result=\"ok\"} 15",
            "groklab_artifact_operations_total{op=\"get\",result=\"ok\"} 7",
            "groklab_artifact_operations_total{op=\"get\",result=\"error\"} 7",
            "groklab_artifact_operations_total{op=\"remove\",result=\"ok\"} 14",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
        }
    }
}

#[tokio::test]
async fn what_has_another_digest_or_no_end_leaves_nothing() {
    for kept in Kept::both() {
        let blobs = &kept.blobs;
        for length in [5, 2 * PART_BYTES + 5] {
            let (bytes, other) = (content(length, 1), Digest::of(b"other"));
            let wrong = blobs
                .put(other, stream::iter(wire(&bytes)))
                .await
                .unwrap_err();
            assert!(matches!(wrong, Error::Caller(_)), "{wrong}");

            let digest = Digest::of(&bytes);
            let mut broken = wire(&bytes);
            broken.pop();
            broken.push(Err(Error::Caller("the stream broke".to_owned())));
            let broken = blobs.put(digest, stream::iter(broken)).await.unwrap_err();
            assert_eq!(broken.to_string(), "the stream broke");

            // A client that goes away: nobody waits for the call any more.
            let mut most = wire(&bytes);
            most.pop();
            let stalls = stream::iter(most).chain(stream::pending());
            let call = blobs.put(digest, Box::pin(stalls));
            let gone = tokio::time::timeout(Duration::from_secs(2), call).await;
            gone.unwrap_err();

            for digest in [digest, other] {
                assert!(!blobs.holds(digest).await.unwrap());
            }
        }
        eventually("discarded", async || kept.unfinished() == 0).await;
        assert_eq!(kept.objects().await, 0);
    }
}

#[tokio::test]
async fn a_damaged_blob_is_found_out() {
    for kept in Kept::both() {
        for length in [1000, 2 * PART_BYTES + 5] {
            let bytes = content(length, 1);
            let digest = Digest::of(&bytes);
            put(&kept.blobs, &bytes).await.unwrap();
            let mut changed = bytes.to_vec();
            changed[length / 2] ^= 1;
            let cut = bytes.slice(..length - 1);
            for damaged in [changed.into(), cut, Bytes::new()] {
                let stored = kept.blobs.store.put(&key(digest), damaged.into()).await;
                stored.unwrap();
                let error = get(&kept.blobs, digest).await.unwrap_err();
                let said = error.to_string();
                assert!(matches!(error, Error::Internal { .. }), "{said}");
                assert!(
                    said.contains(&digest.to_string()) && said.contains("another digest"),
                    "{said}"
                );
            }
            // Stored once more it is whole.
            put(&kept.blobs, &bytes).await.unwrap();
            assert!(get(&kept.blobs, digest).await.unwrap() == bytes);
        }
    }
}

#[tokio::test]
async fn more_than_a_thousand_blobs_are_listed_and_removed() {
    for kept in Kept::both() {
        let blobs = &kept.blobs;
        let contents: Vec<Bytes> = (0..1200).map(|seed| content(10, seed)).collect();
        let stored = stream::iter(&contents).map(|bytes| put(blobs, bytes));
        let sizes: Vec<u64> = stored.buffer_unordered(20).try_collect().await.unwrap();
        assert_eq!(sizes.len(), 1200);
        assert_eq!(kept.objects().await, 1200);
        let mut digests: Vec<Digest> = contents.iter().map(|bytes| Digest::of(bytes)).collect();
        // One that is gone already is in nobody's way.
        digests.push(Digest::of(b"gone"));
        blobs.remove_all(&digests).await.unwrap();
        assert_eq!(kept.objects().await, 0);
    }
}

#[tokio::test]
async fn two_coordinators_share_a_place() {
    let one = Kept::s3();
    let On::S3(server, bucket) = &one.on else {
        panic!("it is S3");
    };
    let (other, _) = open(&place(bucket), &server.variables(Identity::Admin));
    let bytes = content(2 * PART_BYTES + 5, 1);
    let digest = Digest::of(&bytes);
    let stored = tokio::join!(put(&one.blobs, &bytes), put(&other, &bytes));
    assert_eq!(
        stored.0.unwrap() + stored.1.unwrap(),
        2 * bytes.len() as u64
    );
    let checked = tokio::join!(one.blobs.check(), other.check());
    checked.0.and(checked.1).unwrap();
    assert!(get(&other, digest).await.unwrap() == bytes);
    other.remove(digest).await.unwrap();
    assert!(!one.blobs.holds(digest).await.unwrap());
}

/// What is refused at the start says so while it runs as well, as where a key is withdrawn.
#[tokio::test]
async fn a_refusal_names_what_is_wrong_and_the_fix() {
    let (server, bucket) = (Server::shared(), bucket());
    server.make_bucket(&bucket);
    for (identity, name, says) in [
        (
            Identity::WrongSecret,
            &*bucket,
            "AWS_SECRET_ACCESS_KEY is not the secret of the access key `GROK…`",
        ),
        (Identity::Stranger, &bucket, "is AWS_ACCESS_KEY_ID right"),
        (
            Identity::Writer,
            "no-such-bucket",
            "make the bucket `no-such-bucket`",
        ),
        (Identity::Reader, &bucket, "needs s3:PutObject on"),
    ] {
        let variables = server.variables(identity);
        let (blobs, _) = open(&place(name), &variables);
        let error = format!("{:#}", blobs.check().await.unwrap_err());
        let endpoint = format!("http://{}/ (AWS_ENDPOINT_URL)", server.address());
        for part in [
            says,
            &endpoint,
            &format!("s3://{name}/all/of-it"),
            "us-east-1 (AWS_REGION)",
        ] {
            assert!(error.contains(part), "{part}: {error}");
        }
        assert!(!error.contains("hunter2"), "{error}");

        let started = Instant::now();
        let bytes = content(PART_BYTES + 1, 1);
        let refused = put(&blobs, &bytes).await.unwrap_err();
        assert!(matches!(refused, Error::Internal { .. }), "{refused}");
        assert!(refused.to_string().contains(says), "{refused}");
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "it is not tried again"
        );
        let probed = blobs.probe().await;
        assert!(probed.is_err(), "{identity:?}");
    }
}

#[tokio::test]
async fn a_missing_bucket_is_told_from_a_missing_blob() {
    let kept = Kept::s3();
    let On::S3(server, bucket) = &kept.on else {
        panic!("it is S3");
    };
    let bytes = content(5, 1);
    put(&kept.blobs, &bytes).await.unwrap();
    server.remove_bucket(bucket);
    eventually("the bucket is gone", async || {
        let error = get(&kept.blobs, Digest::of(&bytes)).await.unwrap_err();
        error
            .to_string()
            .contains(&format!("make the bucket `{bucket}`"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_started_again_in_the_middle_changes_nothing() {
    let mut server = Server::start();
    let bucket = bucket();
    server.make_bucket(&bucket);
    let (blobs, _) = open(&place(&bucket), &server.variables(Identity::Writer));
    let (large, small) = (content(5 * PART_BYTES, 1), content(5, 2));
    let many: Vec<Bytes> = (0..40).map(|seed| content(10, 10 + seed)).collect();
    for bytes in many.iter().chain([&small, &large]) {
        put(&blobs, bytes).await.unwrap();
    }
    let new = content(5 * PART_BYTES + 5, 3);

    // Each call is begun, and the rest of it waits until the server is gone.
    let (reached, waits) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(tokio::sync::Notify::new()),
    );
    let halves = (wire(&new), Arc::clone(&reached), Arc::clone(&waits));
    let halting = stream::unfold(
        (halves, 0),
        |((mut rest, reached, waits), sent)| async move {
            if rest.is_empty() {
                return None;
            }
            if sent == 20 {
                reached.fetch_add(1, Ordering::SeqCst);
                waits.notified().await;
            }
            let next = rest.remove(0);
            Some((next, ((rest, reached, waits), sent + 1)))
        },
    );
    let storing = blobs.clone();
    let digest = Digest::of(&new);
    let storing = tokio::spawn(async move { storing.put(digest, Box::pin(halting)).await });
    let mut reading = blobs.pieces(Digest::of(&large)).await.unwrap();
    let mut read = reading.next().await.unwrap().unwrap().to_vec();
    eventually("half sent", async || reached.load(Ordering::SeqCst) == 1).await;

    server.stop();
    waits.notify_waiters();
    let digests: Vec<Digest> = many.iter().map(|bytes| Digest::of(bytes)).collect();
    let removing = blobs.clone();
    let removing = tokio::spawn({
        let digests = digests.clone();
        async move { removing.remove_all(&digests).await }
    });
    let putting = blobs.clone();
    let putting = tokio::spawn(async move { put(&putting, &content(7, 7)).await });
    let reading = tokio::spawn(async move {
        while let Some(piece) = reading.next().await {
            read.extend_from_slice(&piece?);
        }
        Ok::<_, Error>(read)
    });
    let error = blobs.probe().await.unwrap_err();
    assert!(matches!(error, Error::Busy { .. }), "{error}");
    let address = server.address();
    assert!(
        error
            .to_string()
            .contains(&format!("{address} does not answer")),
        "{error}"
    );

    tokio::time::sleep(Duration::from_secs(3)).await;
    tokio::task::block_in_place(|| server.start_again());
    assert_eq!(storing.await.unwrap().unwrap(), new.len() as u64);
    assert_eq!(putting.await.unwrap().unwrap(), 7);
    assert!(reading.await.unwrap().unwrap() == large);
    // What could not be removed is tried again by the next collection.
    if let Err(error) = removing.await.unwrap() {
        assert!(matches!(error, Error::Busy { .. }), "{error}");
        blobs.remove_all(&digests).await.unwrap();
    }
    assert!(get(&blobs, digest).await.unwrap() == new);
    for bytes in &many {
        assert!(!blobs.holds(Digest::of(bytes)).await.unwrap());
    }
    blobs.probe().await.unwrap();
    assert_eq!(server.unfinished_uploads(&bucket), 0);
}

#[tokio::test]
async fn a_server_that_stays_away_is_busy_after_half_a_minute() {
    let server = Server::shared();
    let mut variables = server.variables(Identity::Writer);
    // A port on which nobody listens.
    variables[0].1 = "http://127.0.0.1:1".to_owned();
    let (blobs, _) = open(&place("any-bucket"), &variables);
    let started = Instant::now();
    let small = content(5, 1);
    let digest = Digest::of(&small);
    let (stored, read, found, removed, checked) = tokio::join!(
        put(&blobs, &small),
        get(&blobs, digest),
        blobs.holds(digest),
        blobs.remove(digest),
        blobs.check(),
    );
    let took = started.elapsed();
    assert!((25..45).contains(&took.as_secs()), "{took:?}");
    for error in [
        stored.unwrap_err(),
        read.unwrap_err(),
        found.unwrap_err(),
        removed.unwrap_err(),
    ] {
        let said = error.to_string();
        assert!(matches!(error, Error::Busy { .. }), "{said}");
        assert!(
            said.contains("127.0.0.1:1 does not answer: ") && said.contains("refused"),
            "{said}"
        );
    }
    let error = format!("{:#}", checked.unwrap_err());
    assert!(
        error.contains("http://127.0.0.1:1/ (AWS_ENDPOINT_URL)"),
        "{error}"
    );
}

/// A store behind a proxy that spoils requests.
async fn spoiled(
    decide: impl FnMut(&Seen) -> Action + Send + 'static,
) -> (Blobs, Proxy, Arc<Server>, String) {
    let (server, bucket) = (Server::shared(), bucket());
    server.make_bucket(&bucket);
    let proxy = Proxy::start(server.address(), decide).await;
    let mut variables = server.variables(Identity::Writer);
    variables[0].1 = format!("http://{}", proxy.address());
    let (blobs, _) = open(&place(&bucket), &variables);
    (blobs, proxy, server, bucket)
}

const SLOW_DOWN: &str =
    "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";

#[tokio::test]
async fn a_server_that_asks_for_patience_gets_it() {
    for (status, body) in [
        (503, SLOW_DOWN),
        (500, "oops"),
        (429, ""),
        (502, "<html>"),
        (400, "<Error><Code>RequestTimeout</Code></Error>"),
    ] {
        let mut requests = 0;
        // Every other request is refused.
        let (blobs, proxy, _server, _) = spoiled(move |seen| {
            requests += 1;
            // The answer to a HEAD has no body, and 400 alone is no request for patience.
            let says_why = status != 400 || seen.method != "HEAD";
            if requests % 2 == 1 && says_why {
                Action::Answer(status, body)
            } else {
                Action::Pass
            }
        })
        .await;
        blobs.check().await.unwrap();
        let bytes = content(PART_BYTES + 1, 1);
        put(&blobs, &bytes).await.unwrap();
        assert!(get(&blobs, Digest::of(&bytes)).await.unwrap() == bytes);
        blobs.remove(Digest::of(&bytes)).await.unwrap();
        assert!(proxy.seen().len() > 20, "{:?}", proxy.seen());
    }
}

#[tokio::test]
async fn a_server_that_is_always_busy_is_named_with_its_word() {
    let (blobs, _proxy, _server, _) = spoiled(|_| Action::Answer(503, SLOW_DOWN)).await;
    let started = Instant::now();
    let error = put(&blobs, &content(5, 1)).await.unwrap_err();
    assert!(matches!(error, Error::Busy { .. }), "{error}");
    assert!(
        error.to_string().contains("503 SlowDown: Please reduce"),
        "{error}"
    );
    assert!((25..45).contains(&started.elapsed().as_secs()));
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_read_on() {
    let mut cuts = 3;
    let (blobs, _proxy, _server, _) = spoiled(move |seen| {
        if seen.method == "GET" && cuts > 0 {
            cuts -= 1;
            Action::CutAnswer(1 << 20)
        } else {
            Action::Pass
        }
    })
    .await;
    let bytes = content(2 * PART_BYTES + 5, 1);
    put(&blobs, &bytes).await.unwrap();
    assert!(get(&blobs, Digest::of(&bytes)).await.unwrap() == bytes);
}

/// The server has the whole, and the word of that is lost, or an error hides in a success.
#[tokio::test]
async fn an_upload_whose_completion_nobody_hears_of_is_stored() {
    let hidden = "<Error><Code>InternalError</Code><Message>Try again.</Message></Error>";
    for spoil in [Action::LoseAnswer, Action::Answer(200, hidden)] {
        let mut spoils = 1;
        let (blobs, proxy, server, bucket) = spoiled(move |seen| {
            let completes = seen.method == "POST" && seen.target.contains("uploadId=");
            if completes && spoils > 0 {
                spoils -= 1;
                spoil.clone()
            } else {
                Action::Pass
            }
        })
        .await;
        let bytes = content(2 * PART_BYTES + 5, 1);
        assert_eq!(put(&blobs, &bytes).await.unwrap(), bytes.len() as u64);
        assert!(get(&blobs, Digest::of(&bytes)).await.unwrap() == bytes);
        let completions = proxy.seen();
        let completions = completions
            .iter()
            .filter(|seen| seen.target.contains("uploadId="));
        assert!(completions.filter(|seen| seen.method == "POST").count() >= 1);
        eventually("nothing is left", async || {
            server.unfinished_uploads(&bucket) == 0
        })
        .await;
    }
}

/// A part that cannot be stored ends the upload, and what arrived of it is discarded.
#[tokio::test]
async fn an_upload_that_is_refused_in_its_middle_is_discarded() {
    let denied = "<Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>";
    let (blobs, proxy, server, bucket) = spoiled(move |seen| {
        if seen.target.contains("partNumber=3") {
            Action::Answer(403, denied)
        } else {
            Action::Pass
        }
    })
    .await;
    let bytes = content(4 * PART_BYTES, 1);
    let error = put(&blobs, &bytes).await.unwrap_err().to_string();
    assert!(error.contains("needs s3:PutObject"), "{error}");
    eventually("it is discarded", async || {
        proxy.seen().iter().any(|seen| seen.method == "DELETE")
            && server.unfinished_uploads(&bucket) == 0
    })
    .await;
    assert!(!blobs.holds(Digest::of(&bytes)).await.unwrap());
}

/// A key that may not list is told at the start: to it a missing object looks like a forbidden one.
#[tokio::test]
async fn a_store_that_hides_what_is_missing_is_refused() {
    let denied = "<Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>";
    let (blobs, _proxy, _server, _) = spoiled(move |seen| {
        if seen.method == "GET" {
            Action::Answer(403, denied)
        } else {
            Action::Pass
        }
    })
    .await;
    let error = format!("{:#}", blobs.check().await.unwrap_err());
    assert!(
        error.contains("needs s3:GetObject and s3:ListBucket on s3://"),
        "{error}"
    );
}

#[tokio::test]
async fn a_bucket_in_another_region_names_it() {
    let moved = "<Error><Code>PermanentRedirect</Code><Message>Use the endpoint.</Message><Region>eu-west-1</Region></Error>";
    let (blobs, _proxy, _server, _) = spoiled(move |seen| match &*seen.method {
        "HEAD" => Action::Pass,
        _ => Action::Answer(301, moved),
    })
    .await;
    let error = format!("{:#}", blobs.check().await.unwrap_err());
    assert!(
        error.contains("set AWS_REGION=eu-west-1 (now us-east-1)"),
        "{error}"
    );
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_says_whose_it_has_to_be() {
    let instruments = Instruments::for_tests();
    let metrics = Metrics::new(&instruments.meter());
    let place = Place::Folder("/proc/groklab".into());
    let error = Blobs::open(&place, &AwsVariables::default(), metrics).unwrap_err();
    let error = format!("{error:#}");
    assert!(
        error.contains("make the artifacts' folder `/proc/groklab`"),
        "{error}"
    );
}
