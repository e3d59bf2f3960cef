//! The metrics of every worker, whatever it does.

use opentelemetry::metrics::{Gauge, Meter};

use crate::status::Status;

/// Lets the meter read a worker's status.
pub(crate) fn observe(meter: &Meter, status: &Status) {
    let worker = status.clone();
    meter
        .f64_observable_counter("groklab_worker_busy_seconds_total")
        .with_description("Time spent on jobs, the present one included")
        .with_unit("s")
        .with_callback(move |counter| counter.observe(worker.busy().as_secs_f64(), &[]))
        .build();
    let worker = status.clone();
    meter
        .u64_observable_gauge("groklab_coordinator_up")
        .with_description("Whether a coordinator answered the last call: 1 or 0")
        .with_callback(move |gauge| gauge.observe(worker.is_coordinator_up().into(), &[]))
        .build();
}

/// A card's memory, recorded between jobs. On a CPU nothing is, and nothing is shown.
pub struct GpuMemory {
    used: Gauge<u64>,
    free: Gauge<u64>,
}

impl GpuMemory {
    pub fn new(meter: &Meter) -> Self {
        let gauge = |name, description| {
            meter
                .u64_gauge(name)
                .with_description(description)
                .with_unit("By")
                .build()
        };
        Self {
            used: gauge(
                "groklab_gpu_memory_used_bytes",
                "Memory of the card in use by all its processes, after the last job",
            ),
            free: gauge(
                "groklab_gpu_memory_free_bytes",
                "Memory of the card that was free after the last job",
            ),
        }
    }

    pub fn record(&self, used: u64, free: u64) {
        self.used.record(used, &[]);
        self.free.record(free, &[]);
    }
}

#[cfg(test)]
mod tests {
    use groklab_runtime::metrics::Instruments;

    use super::*;

    #[test]
    fn a_cards_memory_is_shown_once_there_was_one() {
        let instruments = Instruments::for_tests();
        let memory = GpuMemory::new(&instruments.meter());
        assert!(!instruments.text().unwrap().contains("groklab_gpu_memory"));
        memory.record(3 << 30, 5 << 30);
        let text = instruments.text().unwrap();
        for line in [
            "groklab_gpu_memory_used_bytes 3221225472",
            "groklab_gpu_memory_free_bytes 5368709120",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
        }
    }

    #[test]
    fn the_status_is_what_is_shown() {
        let instruments = Instruments::for_tests();
        let status = Status::default();
        observe(&instruments.meter(), &status);
        let text = instruments.text().unwrap();
        assert!(text.contains("\ngroklab_coordinator_up 0\n"), "{text}");
        assert!(
            text.contains("\ngroklab_worker_busy_seconds_total 0\n"),
            "{text}"
        );
        status.call_answered();
        let text = instruments.text().unwrap();
        assert!(text.contains("\ngroklab_coordinator_up 1\n"), "{text}");
    }
}
