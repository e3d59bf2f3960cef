//! Everything `worker-gen` counts beside what every worker counts.

use std::time::Duration;

use groklab_model::{Error, Placement};
use groklab_worker::GpuMemory;
use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge, Histogram, Meter},
};

/// Upper ends of the histogram of the rows of a job.
// 64 and 256 rows are what is decoded together on a CPU and on a GPU.
const ROW_BUCKETS: [f64; 9] = [1.0, 4.0, 16.0, 32.0, 64.0, 128.0, 256.0, 1024.0, 4096.0];

/// The instruments of a generation worker.
pub(crate) struct Metrics {
    tokens: Counter<u64>,
    completions: Counter<u64>,
    batch_rows: Histogram<u64>,
    model_load: Gauge<f64>,
    gpu_out_of_memory: Counter<u64>,
    gpu_memory: GpuMemory,
}

impl Metrics {
    pub fn new(meter: &Meter) -> Self {
        Self {
            gpu_memory: GpuMemory::new(meter),
            tokens: meter
                .u64_counter("groklab_generate_tokens_total")
                .with_description("Tokens of prompts read and of completions written")
                .build(),
            completions: meter
                .u64_counter("groklab_generate_completions_total")
                .with_description("Completions by why the model stopped writing")
                .build(),
            batch_rows: meter
                .u64_histogram("groklab_generate_batch_rows")
                .with_description("Completions that a job asked for")
                .with_boundaries(ROW_BUCKETS.to_vec())
                .build(),
            model_load: meter
                .f64_gauge("groklab_model_load_seconds")
                .with_description("What the last load of a model took")
                .with_unit("s")
                .build(),
            gpu_out_of_memory: meter
                .u64_counter("groklab_gpu_out_of_memory_total")
                .with_description("Jobs for which the memory of the device did not suffice")
                .build(),
        }
    }

    /// A job's batch of so many rows.
    pub fn batch(&self, rows: usize) {
        self.batch_rows.record(rows as u64, &[]);
    }

    pub fn completion(&self, prompt_tokens: u32, tokens: usize, finish: &str) {
        self.count_tokens("prompt", prompt_tokens.into());
        self.count_tokens("completion", tokens as u64);
        let finish = KeyValue::new("finish", finish.to_owned());
        self.completions.add(1, &[finish]);
    }

    pub fn model_loaded(&self, took: Duration) {
        self.model_load.record(took.as_secs_f64(), &[]);
    }

    pub fn failed(&self, error: &Error) {
        if matches!(error, Error::OutOfMemory { on_gpu: true, .. }) {
            self.gpu_out_of_memory.add(1, &[]);
        }
    }

    /// After a job.
    pub fn device(&self, placement: Placement) {
        if let Some(memory) = placement.gpu_memory_now() {
            self.gpu_memory.record(memory.used, memory.free);
        }
    }

    fn count_tokens(&self, part: &'static str, tokens: u64) {
        self.tokens.add(tokens, &[KeyValue::new("type", part)]);
    }
}

#[cfg(test)]
mod tests {
    use groklab_runtime::metrics::Instruments;

    use super::*;

    #[test]
    fn tokens_are_counted_by_where_they_come_from() {
        let instruments = Instruments::for_tests();
        let metrics = Metrics::new(&instruments.meter());
        metrics.batch(2);
        metrics.completion(5, 3, "stop");
        metrics.completion(5, 3, "stop");
        let text = instruments.text().unwrap();
        for line in [
            "groklab_generate_tokens_total{type=\"prompt\"} 10",
            "groklab_generate_tokens_total{type=\"completion\"} 6",
            "groklab_generate_completions_total{finish=\"stop\"} 2",
            "groklab_generate_batch_rows_sum 2",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
        }
    }
}
