//! A coordinator in this process, on a database of its own, and clients for it.

use std::{sync::Arc, time::Duration};

use groklab_coordinator::{AwsVariables, Config, Place, QueueFace, Tokens};
use groklab_proto::{
    limits::MESSAGE_BYTES,
    v1::{
        self, artifacts_client::ArtifactsClient, experiments_client::ExperimentsClient,
        workers_client::WorkersClient,
    },
};
use groklab_runtime::{process::Process, secret::Secret};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use crate::postgres::{Postgres, folder};

/// An experiment that says no more than it must; one rule is quickly made.
pub const SHORT_FILE: &str = r#"name = "short"
[model]
source = "m.gguf"
[problems]
families = ["digits/digits=all"]
holdout = "case"
"#;
pub const CLIENT_TOKEN: &str = "c11ec11ec11ec11ec11ec11ec11ec11e";
pub const WORKER_TOKEN: &str = "30e730e730e730e730e730e730e730e7";

pub struct Coordinator {
    pub database_url: String,
    channel: Channel,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
    folder: TempDir,
    settings: Settings,
    _postgres: Arc<Postgres>,
}

#[derive(Clone)]
struct Settings {
    lease_seconds: u64,
    attempts: u32,
    tokens: Option<Tokens>,
    /// Elsewhere than in the data folder.
    artifacts: Option<Place>,
    aws: AwsVariables,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lease_seconds: 30,
            attempts: 3,
            tokens: None,
            artifacts: None,
            aws: AwsVariables::default(),
        }
    }
}

impl Coordinator {
    pub async fn start() -> Self {
        Self::configured(Settings::default()).await
    }

    /// With leases of so many seconds and so many attempts.
    pub async fn with(lease_seconds: u64, attempts: u32) -> Self {
        Self::configured(Settings {
            lease_seconds,
            attempts,
            ..Settings::default()
        })
        .await
    }

    /// One with its artifacts in S3.
    pub async fn on_s3(place: Place, aws: AwsVariables) -> Self {
        Self::configured(Settings {
            artifacts: Some(place),
            aws,
            ..Settings::default()
        })
        .await
    }

    /// One that asks for tokens.
    pub async fn with_tokens() -> Self {
        let tokens = Tokens {
            client: Secret::new(CLIENT_TOKEN),
            worker: Secret::new(WORKER_TOKEN),
        };
        Self::configured(Settings {
            tokens: Some(tokens),
            ..Settings::default()
        })
        .await
    }

    async fn configured(settings: Settings) -> Self {
        let postgres = Postgres::shared();
        let database_url = postgres.database().await;
        Self::over(database_url, folder(), settings).await
    }

    /// One that reaches the database by another URL than `database_url`.
    pub async fn by_way_of(url: String, database_url: String) -> Self {
        Self {
            database_url,
            ..Self::over(url, folder(), Settings::default()).await
        }
    }

    /// Another one, with leases of a second, on the database and the artifacts of this one, which ends.
    pub async fn restarted(self) -> Self {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(60), self.task)
            .await
            .expect("stops in time")
            .unwrap()
            .unwrap();
        let settings = Settings {
            lease_seconds: 1,
            ..self.settings
        };
        Self::over(self.database_url, self.folder, settings).await
    }

    async fn over(database_url: String, folder: TempDir, settings: Settings) -> Self {
        let postgres = Postgres::shared();
        let address_file = folder.path().join("address");
        let config = Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            data: folder.path().join("data"),
            artifacts: settings.artifacts.clone(),
            aws: settings.aws.clone(),
            database_url: Some(Secret::new(&database_url)),
            lease: Duration::from_secs(settings.lease_seconds),
            attempts: settings.attempts,
            model_folder: None,
            address_file: Some(address_file.clone()),
            tokens: settings.tokens.clone(),
            tls: None,
            calls_per_second: 20_000.try_into().unwrap(),
            process: Default::default(),
        };
        let stop = CancellationToken::new();
        let process = Process::new(stop.clone());
        let queue = QueueFace::default();
        let task = tokio::spawn(groklab_coordinator::run(config, process, queue));
        eventually("the address file", async || {
            std::fs::read_to_string(&address_file).ok()
        })
        .await;
        let address = std::fs::read_to_string(&address_file).unwrap();
        let channel = Channel::from_shared(address.trim().to_owned())
            .unwrap()
            .connect()
            .await
            .unwrap();
        Self {
            database_url,
            channel,
            stop,
            task,
            folder,
            settings,
            _postgres: postgres,
        }
    }

    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub fn experiments(&self) -> ExperimentsClient<Channel> {
        ExperimentsClient::new(self.channel.clone())
            .max_decoding_message_size(MESSAGE_BYTES)
            .max_encoding_message_size(MESSAGE_BYTES)
    }

    pub fn workers(&self) -> WorkersClient<Channel> {
        WorkersClient::new(self.channel.clone())
            .max_decoding_message_size(MESSAGE_BYTES)
            .max_encoding_message_size(MESSAGE_BYTES)
    }

    pub fn artifacts(&self) -> ArtifactsClient<Channel> {
        ArtifactsClient::new(self.channel.clone())
            .max_decoding_message_size(MESSAGE_BYTES)
            .max_encoding_message_size(MESSAGE_BYTES)
    }

    /// Submits a file; returns the experiment's id.
    pub async fn submit(&self, file: &str) -> String {
        let response = self.try_submit("first", file).await.unwrap();
        response.experiment.unwrap().experiment_id
    }

    pub async fn try_submit(
        &self,
        key: &str,
        file: &str,
    ) -> Result<v1::SubmitResponse, tonic::Status> {
        let config = groklab_domain::experiment::parse(file).unwrap();
        let request = v1::SubmitRequest {
            idempotency_key: key.to_owned(),
            config_json: serde_json::to_string(&config).unwrap(),
        };
        self.experiments()
            .submit(request)
            .await
            .map(tonic::Response::into_inner)
    }

    pub async fn get(&self, id: &str) -> v1::Experiment {
        self.experiments()
            .get(named(id))
            .await
            .unwrap()
            .into_inner()
    }

    /// Waits until the experiment is in the state.
    pub async fn until(&self, id: &str, state: &str) -> v1::Experiment {
        eventually(&format!("state {state}"), async || {
            Some(self.get(id).await).filter(|e| e.state == state)
        })
        .await
    }

    /// The lines of metrics.jsonl and of iterations.jsonl, without `seconds`.
    pub async fn lines(&self, id: &str) -> (Vec<serde_json::Value>, Vec<serde_json::Value>) {
        let lines = self
            .experiments()
            .metrics(v1::MetricsRequest {
                experiment: id.to_owned(),
                first: 0,
            })
            .await
            .unwrap()
            .into_inner();
        let read = |lines: Vec<String>| lines.iter().map(|line| without_seconds(line)).collect();
        (read(lines.metrics_json), read(lines.iterations_json))
    }

    /// One number out of the database.
    pub async fn count(&self, sql: &'static str) -> i64 {
        let mut connection = PgConnection::connect(&self.database_url).await.unwrap();
        sqlx::query_scalar(sql)
            .fetch_one(&mut connection)
            .await
            .unwrap()
    }

    /// The digest of everything in a table.
    pub async fn digest(&self, table: &str) -> String {
        let mut connection = PgConnection::connect(&self.database_url).await.unwrap();
        let sql = format!(
            "select coalesce(md5(string_agg(t::text, ',' order by t::text)), 'empty') from {table} t"
        );
        sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut connection)
            .await
            .unwrap()
    }

    /// Does something to the database.
    pub async fn execute(&self, sql: &'static str) {
        let mut connection = PgConnection::connect(&self.database_url).await.unwrap();
        sqlx::query(sql).execute(&mut connection).await.unwrap();
    }

    pub async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(60), self.task)
            .await
            .expect("stops in time")
            .unwrap()
            .unwrap();
    }
}

pub fn named(experiment: &str) -> v1::ExperimentRef {
    v1::ExperimentRef {
        experiment: experiment.to_owned(),
    }
}

fn without_seconds(line: &str) -> serde_json::Value {
    let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert!(line.as_object_mut().unwrap().remove("seconds").is_some());
    line
}

/// Polls until there is something; fails after two minutes.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let polled = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), polled)
        .await
        .unwrap_or_else(|_| panic!("no {what} within 120 s"))
}
