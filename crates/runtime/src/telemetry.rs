//! Logs to standard error; traces and metrics over OTLP where the standard `OTEL_*` variables ask
//! for them.

use std::io::IsTerminal as _;

use opentelemetry::{global, trace::TracerProvider as _};
use opentelemetry_otlp::ExporterBuildError;
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use tracing_subscriber::{
    EnvFilter, Layer, filter::filter_fn, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::{
    config::{Args, LogFormat, Otlp},
    metrics::{self, Instruments},
    output,
};

/// It logs whole lines of password files and parameters of database URLs, so nothing of it is ever
/// shown, whatever the filter.
const INDISCREET_TARGET: &str = "sqlx_postgres::options";

/// Why telemetry cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("prepare the export of traces")]
    Traces(#[from] ExporterBuildError),
    #[error(transparent)]
    Metrics(#[from] metrics::Error),
}

/// Sends what is left of the traces and metrics when dropped.
#[must_use = "dropping it ends the export of traces and metrics"]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
    /// Absent where nobody reads them.
    pub instruments: Option<Instruments>,
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = self.traces.take()
            && let Err(error) = provider.shutdown()
        {
            output::complain(format!("warning: export the last traces: {error}"));
        }
        if let Some(instruments) = self.instruments.take()
            && let Err(error) = instruments.shutdown()
        {
            output::complain(format!("warning: export the last metrics: {error}"));
        }
    }
}

/// Sets up logging, tracing and metrics for the service `name`. Call inside the tokio runtime.
pub fn init(name: &'static str, args: &Args, otlp: Otlp) -> Result<Telemetry, Error> {
    global::set_text_map_propagator(TraceContextPropagator::new());
    let resource = resource(name);
    let traces = if otlp.traces {
        Some(tracer_provider(resource.clone())?)
    } else {
        None
    };
    log(name, args, traces.as_ref());
    // Without a reader, counting would only cost.
    let instruments = if otlp.metrics || args.admin_listen.is_some() {
        Some(Instruments::new(resource, otlp.metrics)?)
    } else {
        None
    };
    if let Some(instruments) = &instruments {
        instruments.install();
    }
    Ok(Telemetry {
        traces,
        instruments,
    })
}

/// Who sends: `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` come before our own name.
fn resource(name: &'static str) -> Resource {
    // The detectors read the variables; a service that none of them names becomes an
    // `unknown_service`.
    let detected = Resource::builder().build();
    let service = detected.get(&"service.name".into());
    let unnamed = service.is_none_or(|name| name.as_str().starts_with("unknown_service"));
    let resource = Resource::builder();
    if unnamed {
        resource.with_service_name(name).build()
    } else {
        resource.build()
    }
}

fn tracer_provider(resource: Resource) -> Result<SdkTracerProvider, ExporterBuildError> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .build()?;
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource)
        .build())
}

/// Sends log lines to standard error, and spans to `traces`.
fn log(name: &'static str, args: &Args, traces: Option<&SdkTracerProvider>) {
    let spans = traces.map(|provider| {
        let tracer = provider.tracer(name);
        tracing_opentelemetry::layer().with_tracer(tracer)
    });
    let filter = args.log_filter.as_deref().unwrap_or("info");
    // A filter that cannot be read must not keep a service from starting.
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false);
    let lines = match log_format(args) {
        // Without the list of spans, which would say of nearly every line what `span` says.
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true);
            lines.with_span_list(false).boxed()
        }
        LogFormat::Text => lines.compact().boxed(),
    };
    let discreet = filter_fn(|metadata| !metadata.target().starts_with(INDISCREET_TARGET));
    tracing_subscriber::registry()
        .with(discreet)
        .with(filter)
        .with(lines)
        .with(spans)
        .init();
}

fn log_format(args: &Args) -> LogFormat {
    match args.log_format {
        Some(format) => format,
        None if std::io::stderr().is_terminal() => LogFormat::Text,
        None => LogFormat::Json,
    }
}
