//! `worker-verify repeat`: the same delicate candidates twice, without and with other work on the machine. Verdicts and what
//! was returned must be the same.

use std::{
    io::Write,
    num::NonZero,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use crate::commands::bench::{drive::drive, load::delicate};
use crate::judge::pool::all_cores;
use crate::judge::verify::Outcome;
use crate::sandbox::Sandbox;

/// Runs `count` candidates quietly and again under load; returns how many differed, and prints the first few.
///
/// # Errors
/// Printing.
pub fn repeat(
    sandbox: &dyn Sandbox,
    count: usize,
    threads: NonZero<usize>,
    out: &mut dyn Write,
) -> anyhow::Result<usize> {
    let candidates = delicate(count);
    let submissions: Vec<_> = candidates.iter().collect();
    let quiet = drive(sandbox, &submissions, threads);
    let stop = AtomicBool::new(false);
    let busy = || {
        while !stop.load(Ordering::Relaxed) {
            std::hint::black_box(
                (0..10_000u64).fold(0, |sum: u64, n| sum.wrapping_mul(31).wrapping_add(n)),
            );
        }
    };
    let loaded = thread::scope(|scope| {
        (0..2 * all_cores().get()).for_each(|_| drop(scope.spawn(busy)));
        let loaded = drive(sandbox, &submissions, threads);
        stop.store(true, Ordering::Relaxed);
        loaded
    });
    let mut different = 0;
    for (index, (first, second)) in quiet.outcomes.iter().zip(&loaded.outcomes).enumerate() {
        if seen(first) != seen(second) {
            different += 1;
            if different <= 5 {
                let code = String::from_utf8_lossy(&candidates[index].text);
                writeln!(
                    out,
                    "{code}\n  quiet: {:?}\n  under load: {:?}",
                    seen(first),
                    seen(second)
                )?;
            }
        }
    }
    let [quietly, under_load] = [quiet.elapsed, loaded.elapsed].map(|time| time.as_secs_f64());
    writeln!(
        out,
        "{count} candidates: {different} differ; {quietly:.1} s quietly, {under_load:.1} s under load"
    )?;
    Ok(different)
}

fn seen(outcome: &Outcome) -> (groklab_domain::Verdict, Option<&str>) {
    (
        outcome.verdict,
        outcome
            .first_failure
            .as_ref()
            .and_then(|failure| failure.got.as_deref()),
    )
}
