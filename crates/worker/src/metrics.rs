//! The metrics of every worker, whatever it does.

use opentelemetry::metrics::Meter;

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

#[cfg(test)]
mod tests {
    use groklab_runtime::metrics::Instruments;

    use super::*;

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
