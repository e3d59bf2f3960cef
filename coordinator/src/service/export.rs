//! An export's files, each in order and in pieces, made while they are sent.

use std::sync::Arc;

use futures::{Stream, StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use groklab_domain::{Digest, ExperimentId, Split};
use groklab_proto::v1::ExportChunk;

use super::{Service, artifacts::pieces, records};
use crate::{
    error::{Error, Result},
    store::{adapter, experiment, iteration, metric, problem, rollout::Filter},
};

type Chunks = BoxStream<'static, Result<ExportChunk>>;

/// Lines are sent together up to about this many bytes.
const PIECE: usize = 256 << 10;

/// All files of an experiment's export but the report, which is made from them.
pub async fn files(
    service: Arc<Service>,
    id: ExperimentId,
) -> Result<impl Stream<Item = Result<ExportChunk>>> {
    let mut db = service.store.connection().await?;
    let experiment = experiment::get(&mut db, id).await?;
    let config = match experiment.config() {
        Ok(config) => serde_json::to_string_pretty(config)
            .map_err(|error| Error::internal("write config.json", error))?,
        Err(_) => experiment.config_json,
    };
    let headings = problem::headings(&mut db, id).await?;
    let mut files: Vec<Chunks> = vec![
        whole("config.json", config + "\n"),
        lines(
            "metrics.jsonl",
            stored(metric::lines(&mut db, id, 0, None).await?),
        ),
        lines(
            "iterations.jsonl",
            stored(iteration::lines(&mut db, id, 0, None).await?),
        ),
    ];
    let adapters = adapter::list(&mut db, id).await?;
    drop(db);
    for &split in Split::ALL {
        // The three splits always have a file; held-out rules only where there are any.
        if split != Split::Ood || headings.iter().any(|heading| heading.split == split) {
            files.push(lines(
                &format!("{split}.jsonl"),
                records::problems(service.clone(), id, Some(split)).await?,
            ));
        }
    }
    files.push(lines(
        "rollouts.jsonl",
        records::rollouts(service.clone(), id, Filter::default()),
    ));
    for adapter in adapters {
        let folder = format!("checkpoints/iter_{}", adapter.iteration);
        files.push(blob(
            &service,
            format!("{folder}/adapter_config.json"),
            adapter.adapter.config,
        ));
        files.push(blob(
            &service,
            format!("{folder}/adapter_model.safetensors"),
            adapter.adapter.weights,
        ));
    }
    Ok(stream::iter(files).flatten())
}

fn stored(lines: Vec<(u32, String)>) -> impl Stream<Item = Result<String>> {
    stream::iter(lines.into_iter().map(|(_, line)| Ok(line)))
}

fn whole(path: &str, text: String) -> Chunks {
    let chunk = ExportChunk {
        path: path.to_owned(),
        data: text.into_bytes(),
    };
    stream::iter([Ok(chunk)]).boxed()
}

/// A file of lines; one without any is sent as one empty piece, so that it is made.
fn lines(path: &str, lines: impl Stream<Item = Result<String>> + Send + 'static) -> Chunks {
    let path = path.to_owned();
    let state = (lines.boxed(), true);
    let chunks = stream::try_unfold(state, move |(mut lines, first)| {
        let path = path.clone();
        async move {
            let mut data = Vec::new();
            while data.len() < PIECE
                && let Some(line) = lines.try_next().await?
            {
                data.extend_from_slice(line.as_bytes());
                data.push(b'\n');
            }
            let more = first || !data.is_empty();
            Ok(more.then_some((ExportChunk { path, data }, (lines, false))))
        }
    });
    chunks.boxed()
}

fn blob(service: &Arc<Service>, path: String, digest: Digest) -> Chunks {
    let service = service.clone();
    let chunks = async move {
        let data = pieces(&service.blobs, digest).await?;
        Ok::<_, Error>(data.map_ok(move |data| ExportChunk {
            path: path.clone(),
            data: data.into(),
        }))
    };
    stream::once(chunks).try_flatten().boxed()
}
