//! An export's files, each in order and in pieces, made while they are sent.

use futures::{Stream, StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use groklab_domain::{
    Digest, ExperimentId, Split,
    metrics::{IterationLine, MetricsLine},
    records::{JsonLine, ProblemLine, RolloutFilter, RolloutLine},
};
use serde::Serialize;

use super::{
    metrics_page::as_json_lines, problems::problem_lines, reader::Reader, rollouts::rollout_lines,
    whole::whole,
};
use crate::{
    error::{Error, Result},
    store::{
        adapter,
        experiment::{self, Experiment},
        iteration, metric, problem,
    },
};

/// Lines are sent together up to about this many bytes.
const PIECE_BYTES: usize = 256 << 10;

/// A piece of a file; the pieces of a file follow each other.
#[derive(Debug)]
pub struct FilePiece {
    /// Relative, with forward slashes.
    pub path: String,
    pub data: Vec<u8>,
}

type Pieces = BoxStream<'static, Result<FilePiece>>;

/// All files of an experiment's export but the report, which is made from them.
pub async fn export_files(
    reader: Reader,
    id: ExperimentId,
) -> Result<impl Stream<Item = Result<FilePiece>> + Send> {
    let mut files = small_files(&reader, id).await?;
    files.extend(problem_files(&reader, id).await?);
    let lines = rollout_lines(reader.store.clone(), id, RolloutFilter::default());
    files.push(line_file(
        "rollouts.jsonl",
        lines.map(written::<RolloutLine>),
    ));
    files.extend(checkpoints(&reader, id).await?);
    Ok(whole(reader.store, id, stream::iter(files).flatten()))
}

async fn small_files(reader: &Reader, id: ExperimentId) -> Result<Vec<Pieces>> {
    let mut db = reader.store.connection().await?;
    let stored = experiment::get(&mut db, id).await?;
    let parent = stored.parent;
    let config = config_json(stored)?;
    let metrics = as_json_lines::<MetricsLine>(metric::lines(&mut db, id, 0, None).await?);
    let iterations = as_json_lines::<IterationLine>(iteration::lines(&mut db, id, 0, None).await?);
    let mut files = vec![
        whole_file("config.json", config),
        line_file("metrics.jsonl", stream::iter(metrics).map(Ok)),
        line_file("iterations.jsonl", stream::iter(iterations).map(Ok)),
    ];
    if let Some(parent) = parent {
        files.push(whole_file("parent.json", pretty(&parent)?));
    }
    Ok(files)
}

/// The first three splits always have a file; held-out rules only where there are any.
async fn problem_files(reader: &Reader, id: ExperimentId) -> Result<Vec<Pieces>> {
    let mut db = reader.store.connection().await?;
    let mut splits = problem::splits(&mut db, id).await?;
    // Readers find these files also where a split has no problems.
    splits.extend([Split::Train, Split::Val, Split::Test]);
    let mut files = Vec::new();
    for split in splits {
        let lines = problem_lines(reader.store.clone(), id, Some(split));
        let path = format!("{split}.jsonl");
        files.push(line_file(&path, lines.map(written::<ProblemLine>)));
    }
    Ok(files)
}

async fn checkpoints(reader: &Reader, id: ExperimentId) -> Result<Vec<Pieces>> {
    let mut db = reader.store.connection().await?;
    let mut files = Vec::new();
    for stored in adapter::list(&mut db, id).await? {
        let folder = format!("checkpoints/iter_{}", stored.iteration);
        let (config, weights) = (stored.adapter.config, stored.adapter.weights);
        let path = format!("{folder}/adapter_config.json");
        files.push(blob_file(reader, path, config));
        let path = format!("{folder}/adapter_model.safetensors");
        files.push(blob_file(reader, path, weights));
    }
    Ok(files)
}

/// For people; what another version wrote is passed on as it is.
fn config_json(stored: Experiment) -> Result<String> {
    match stored.config() {
        Ok(config) => pretty(config),
        Err(_) => Ok(stored.config_json + "\n"),
    }
}

fn pretty(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Error::internal("write a file of the export", error))?;
    Ok(text + "\n")
}

fn written<T: Serialize>(record: Result<T>) -> Result<JsonLine<T>> {
    JsonLine::write(&record?).map_err(|error| Error::internal("write a record", error))
}

fn whole_file(path: &str, text: String) -> Pieces {
    let piece = FilePiece {
        path: path.to_owned(),
        data: text.into_bytes(),
    };
    stream::iter([Ok(piece)]).boxed()
}

/// A file of lines that are being read.
struct LineFile<T> {
    path: String,
    lines: BoxStream<'static, Result<JsonLine<T>>>,
    /// Whether a piece has been sent.
    begun: bool,
}

fn line_file<T: 'static>(
    path: &str,
    lines: impl Stream<Item = Result<JsonLine<T>>> + Send + 'static,
) -> Pieces {
    let file = LineFile {
        path: path.to_owned(),
        lines: lines.boxed(),
        begun: false,
    };
    stream::try_unfold(file, next_piece).boxed()
}

/// The next lines together. A file without any is one empty piece, so that it is made.
async fn next_piece<T>(mut file: LineFile<T>) -> Result<Option<(FilePiece, LineFile<T>)>> {
    let mut data = Vec::new();
    while data.len() < PIECE_BYTES
        && let Some(line) = file.lines.try_next().await?
    {
        data.extend_from_slice(line.as_str().as_bytes());
        data.push(b'\n');
    }
    if data.is_empty() && file.begun {
        return Ok(None);
    }
    // From now on no lines means the end.
    file.begun = true;
    let path = file.path.clone();
    Ok(Some((FilePiece { path, data }, file)))
}

fn blob_file(reader: &Reader, path: String, digest: Digest) -> Pieces {
    let blobs = reader.blobs.clone();
    // The blob is opened when its turn comes: an export may have hundreds.
    let opened = async move {
        let data = blobs.pieces(digest).await?;
        Ok::<_, Error>(data.map_ok(move |data| FilePiece {
            path: path.clone(),
            data: data.into(),
        }))
    };
    stream::once(opened).try_flatten().boxed()
}
