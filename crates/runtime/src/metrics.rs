//! The metrics of a process: one set of instruments, read as Prometheus text on the admin address
//! and sent over OTLP where that is asked for. Each crate declares its own in its `metrics.rs`;
//! those of every process are declared here.

use std::time::SystemTime;

use nix::sys::{
    resource::{Resource as Limit, UsageWho, getrlimit, getrusage},
    time::TimeValLike as _,
};
use opentelemetry::{
    KeyValue, global,
    metrics::{Meter, MeterProvider as _},
};
use opentelemetry_otlp::{ExporterBuildError, MetricExporter};
use opentelemetry_sdk::{Resource, metrics::SdkMeterProvider};
use prometheus::{Registry, TextEncoder};

use crate::procfs::{open_descriptors, status_number};

/// The name of the meter that every crate takes its instruments from.
pub const METER: &str = "groklab";

/// Upper ends of histograms of durations, in seconds: from a call that is answered at once up to
/// a job that takes an hour.
pub const DURATION_BUCKETS: [f64; 16] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0, 120.0, 600.0, 1800.0,
    3600.0,
];

/// Why metrics cannot be kept or sent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("prepare the export of metrics")]
    Otlp(#[from] ExporterBuildError),
    #[error("prepare the metrics")]
    Prometheus(#[from] opentelemetry_sdk::error::OTelSdkError),
}

/// The instruments of a process; cheap to clone.
#[derive(Clone)]
pub struct Instruments {
    provider: SdkMeterProvider,
    registry: Registry,
}

impl Instruments {
    /// Instruments that can be read, and that are sent over OTLP as well where `otlp` says so.
    pub fn new(resource: Resource, otlp: bool) -> Result<Self, Error> {
        let registry = Registry::new();
        // What a crate declares is the name that Prometheus shows, so that it can be searched for.
        let reader = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .without_units()
            .without_counter_suffixes()
            .scope_info_enabled(false)
            .build()?;
        let mut provider = SdkMeterProvider::builder()
            .with_resource(resource)
            .with_reader(reader);
        // Both readers see the same instruments; neither resets what the other reads.
        if otlp {
            let exporter = MetricExporter::builder().with_tonic().build()?;
            provider = provider.with_periodic_exporter(exporter);
        }
        let provider = provider.build();
        Ok(Self { provider, registry })
    }

    /// Instruments that only their owner reads.
    pub fn for_tests() -> Self {
        let resource = Resource::builder_empty().build();
        Self::new(resource, false).expect("nothing is sent anywhere")
    }

    pub fn meter(&self) -> Meter {
        self.provider.meter(METER)
    }

    /// Makes these the instruments behind `opentelemetry::global::meter`, and counts what every
    /// process counts.
    pub fn install(&self) {
        global::set_meter_provider(self.provider.clone());
        build_info(&self.meter());
        process(&self.meter());
    }

    /// Everything in Prometheus' text format.
    pub fn text(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }

    /// Sends what is left.
    pub fn shutdown(&self) -> opentelemetry_sdk::error::OTelSdkResult {
        self.provider.shutdown()
    }
}

fn build_info(meter: &Meter) {
    let gauge = meter
        .u64_gauge("groklab_build_info")
        .with_description("The version that runs; its value is 1")
        .build();
    gauge.record(1, &[KeyValue::new("version", env!("CARGO_PKG_VERSION"))]);
}

/// What Prometheus' own client libraries tell of a process, by the names they use.
fn process(meter: &Meter) {
    // Telemetry is set up within milliseconds of the start.
    let started = SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap_or_default()
        .as_secs_f64();
    meter
        .f64_observable_gauge("process_start_time_seconds")
        .with_description("When the process started, in seconds since 1970")
        .with_unit("s")
        .with_callback(move |gauge| gauge.observe(started, &[]))
        .build();
    meter
        .f64_observable_counter("process_cpu_seconds_total")
        .with_description("CPU time of all threads, in user and system mode")
        .with_unit("s")
        .with_callback(|counter| counter.observe(cpu_seconds(), &[]))
        .build();
    process_memory(meter);
    process_descriptors(meter);
}

fn process_memory(meter: &Meter) {
    meter
        .u64_observable_gauge("process_resident_memory_bytes")
        .with_description("Memory of the process that is in RAM")
        .with_unit("By")
        .with_callback(|gauge| observe_some(gauge, status_number("VmRSS:").map(kib)))
        .build();
    meter
        .u64_observable_gauge("process_virtual_memory_bytes")
        .with_description("Address space of the process")
        .with_unit("By")
        .with_callback(|gauge| observe_some(gauge, status_number("VmSize:").map(kib)))
        .build();
    meter
        .u64_observable_gauge("process_threads")
        .with_description("Threads of the process")
        .with_callback(|gauge| observe_some(gauge, status_number("Threads:")))
        .build();
}

fn process_descriptors(meter: &Meter) {
    meter
        .u64_observable_gauge("process_open_fds")
        .with_description("Open file descriptors")
        .with_callback(|gauge| observe_some(gauge, open_descriptors()))
        .build();
    meter
        .u64_observable_gauge("process_max_fds")
        .with_description("File descriptors that the process may open")
        .with_callback(|gauge| {
            let limit = getrlimit(Limit::RLIMIT_NOFILE).ok();
            observe_some(gauge, limit.map(|(soft, _)| soft));
        })
        .build();
}

/// A number that the system does not tell is left out rather than shown as 0.
fn observe_some(gauge: &dyn opentelemetry::metrics::AsyncInstrument<u64>, value: Option<u64>) {
    if let Some(value) = value {
        gauge.observe(value, &[]);
    }
}

fn cpu_seconds() -> f64 {
    // It fails only for arguments that are wrong.
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else {
        return 0.0;
    };
    let micros = (usage.user_time() + usage.system_time()).num_microseconds();
    micros as f64 / 1e6
}

fn kib(number: u64) -> u64 {
    number * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_as_they_are_declared() {
        let instruments = Instruments::for_tests();
        let meter = instruments.meter();
        let counter = meter
            .u64_counter("groklab_things_total")
            .with_description("Things")
            .build();
        counter.add(2, &[KeyValue::new("kind", "odd")]);
        let text = instruments.text().unwrap();
        assert!(
            text.contains("# HELP groklab_things_total Things\n"),
            "{text}"
        );
        assert!(
            text.contains("groklab_things_total{kind=\"odd\"} 2\n"),
            "{text}"
        );
    }

    #[test]
    fn a_process_tells_of_itself() {
        let instruments = Instruments::for_tests();
        process(&instruments.meter());
        let text = instruments.text().unwrap();
        for name in [
            "process_cpu_seconds_total",
            "process_max_fds",
            "process_open_fds",
            "process_resident_memory_bytes",
            "process_start_time_seconds",
            "process_threads",
            "process_virtual_memory_bytes",
        ] {
            let sample = text.lines().find(|line| line.starts_with(name));
            let value = sample.and_then(|line| line.rsplit_once(' '));
            let value: f64 = value.expect(name).1.parse().unwrap();
            assert!(value > 0.0, "{name} {value}");
        }
    }
}
