//! Logs to standard error and, when the standard `OTEL_*` variables name an endpoint, traces over OTLP.

use std::{env, io::IsTerminal};

use opentelemetry::{global, trace::TracerProvider as _};
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use tracing_subscriber::{
    EnvFilter, Layer, filter::filter_fn, layer::SubscriberExt, util::SubscriberInitExt,
};

/// `text` or `json`; by default text on a terminal and JSON elsewhere.
pub const FORMAT: &str = "GROKLAB_LOG_FORMAT";
/// A filter such as `info,groklab_coordinator=debug`.
pub const FILTER: &str = "GROKLAB_LOG";
/// Says whole lines of password files and parameters of database URLs: never heard, whatever the filter.
const INDISCREET: &str = "sqlx_postgres::options";

/// Sends what is left of the traces when dropped.
#[must_use = "dropping it ends the export of traces"]
pub struct Guard(Option<SdkTracerProvider>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(provider) = self.0.take()
            && let Err(error) = provider.shutdown()
        {
            crate::output::complain(format!("warning: export the last traces: {error}"));
        }
    }
}

/// Sets up logging and tracing for the service `name`. Call inside the tokio runtime.
pub fn init(name: &'static str) -> Result<Guard, opentelemetry_otlp::ExporterBuildError> {
    global::set_text_map_propagator(TraceContextPropagator::new());
    let provider = exporter_wanted().then(|| provider(name)).transpose()?;
    let traces = provider
        .as_ref()
        .map(|p| tracing_opentelemetry::layer().with_tracer(p.tracer(name)));
    let filter = EnvFilter::try_from_env(FILTER).unwrap_or_else(|_| EnvFilter::new("info"));
    let json = match env::var(FORMAT).as_deref() {
        Ok("json") => true,
        Ok("text") => false,
        _ => !std::io::stderr().is_terminal(),
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false);
    let lines = if json {
        lines.json().flatten_event(true).boxed()
    } else {
        lines.compact().boxed()
    };
    let discreet = filter_fn(|metadata| !metadata.target().starts_with(INDISCREET));
    tracing_subscriber::registry()
        .with(discreet)
        .with(filter)
        .with(lines)
        .with(traces)
        .init();
    Ok(Guard(provider))
}

fn exporter_wanted() -> bool {
    [
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    ]
    .iter()
    .any(|name| env::var_os(name).is_some_and(|v| !v.is_empty()))
}

fn provider(
    name: &'static str,
) -> Result<SdkTracerProvider, opentelemetry_otlp::ExporterBuildError> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .build()?;
    let resource = Resource::builder().with_service_name(name).build();
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource)
        .build())
}
