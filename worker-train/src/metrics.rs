//! Everything `worker-train` counts beside what every worker counts.

use std::time::Duration;

use groklab_model::{Placement, StepReport};
use groklab_runtime::metrics::DURATION_BUCKETS;
use groklab_worker::GpuMemory;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter};

/// The instruments of a training worker.
pub(crate) struct Metrics {
    steps: Counter<u64>,
    tokens: Counter<u64>,
    loss: Gauge<f64>,
    grad_norm: Gauge<f64>,
    step_duration: Histogram<f64>,
    gpu_memory: GpuMemory,
}

impl Metrics {
    pub fn new(meter: &Meter) -> Self {
        Self {
            gpu_memory: GpuMemory::new(meter),
            steps: meter
                .u64_counter("groklab_train_steps_total")
                .with_description("Optimiser steps taken")
                .build(),
            tokens: meter
                .u64_counter("groklab_train_tokens_total")
                .with_description("Tokens that went through training steps")
                .build(),
            loss: meter
                .f64_gauge("groklab_train_loss")
                .with_description("Loss of the last step, in nats a token")
                .build(),
            grad_norm: meter
                .f64_gauge("groklab_train_grad_norm")
                .with_description("Norm of the last step's gradient before clipping")
                .build(),
            step_duration: meter
                .f64_histogram("groklab_train_step_duration_seconds")
                .with_description("What one step took")
                .with_unit("s")
                .with_boundaries(DURATION_BUCKETS.to_vec())
                .build(),
        }
    }

    /// After a job.
    pub fn device(&self, placement: Placement) {
        if let Some(memory) = placement.gpu_memory_now() {
            self.gpu_memory.record(memory.used, memory.free);
        }
    }

    pub fn stepped(&self, report: &StepReport, took: Duration) {
        self.steps.add(1, &[]);
        self.tokens.add(report.tokens as u64, &[]);
        self.loss.record(report.loss, &[]);
        self.grad_norm.record(report.grad_norm, &[]);
        self.step_duration.record(took.as_secs_f64(), &[]);
    }
}
