//! `worker-verify bench`: candidates per second on one core and on all, of plain python, the cold path and the warm path, in
//! alternating rounds, so that whatever else the machine does falls on all of them alike.

use std::{
    io::{self, Write},
    num::NonZero,
    time::Duration,
};

use crate::commands::bench::{
    drive::{Driven, drive, keep_to, keep_to_one_core, quantile},
    load::{LIMITS, Sample, looping, mixed, passing},
    plain::Plain,
};
use crate::jail::nsjail::Nsjail;
use crate::jail::warm::Warm;
use crate::judge::pool::all_cores;
use crate::sandbox::Sandbox;

/// How much to measure.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Rounds of which the median counts.
    pub rounds: usize,
    /// Warm candidates a round and core; the dearer paths run fewer.
    pub candidates: usize,
}

/// One path on some cores: rates of all rounds, latencies of all candidates.
#[derive(Default)]
struct Series {
    rates: Vec<f64>,
    latencies: Vec<Duration>,
}

impl Series {
    fn add(&mut self, driven: Driven) {
        self.rates
            .push(driven.latencies.len() as f64 / driven.elapsed.as_secs_f64());
        self.latencies.extend(driven.latencies);
    }

    fn rate(&self) -> f64 {
        let mut rates = self.rates.clone();
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied().unwrap_or(0.0)
    }

    fn quantile(&self, q: f64) -> f64 {
        quantile(&self.latencies, q).as_secs_f64() * 1e3
    }
}

/// Plain, cold, warm.
type Paths = [Series; 3];
const NAMES: [&str; 3] = ["plain python3 -I -S", "cold", "warm"];

/// Measures and prints.
///
/// # Errors
/// If a verdict is not what it must be, a core can't be chosen, or printing fails.
pub fn bench(jail: &Nsjail, effort: Effort, out: &mut dyn Write) -> anyhow::Result<()> {
    let all = keep_to_one_core()?;
    let one = measure(jail, effort, NonZero::<usize>::MIN)?;
    keep_to(&all)?;
    let cores = all_cores();
    let many = measure(jail, effort, cores)?;
    writeln!(
        out,
        "{} rounds; ten cases a candidate; all pass; candidates/s are medians of rounds",
        effort.rounds
    )?;
    report("one core", &one, out)?;
    report(&format!("{cores} cores"), &many, out)?;
    let ratio = |what: &str, value: f64, aim: &str, out: &mut dyn Write| {
        writeln!(out, "{what:<34}{value:>8.2}  (aim {aim})")
    };
    ratio(
        "one core: warm / cold",
        one[2].rate() / one[1].rate(),
        "at least 8",
        out,
    )?;
    ratio(
        "one core: warm / plain",
        one[2].rate() / one[0].rate(),
        "at least 1.5",
        out,
    )?;
    ratio(
        &format!("warm: {cores} cores / one"),
        many[2].rate() / one[2].rate(),
        "at least 1.5 for two",
        out,
    )?;
    ratio(
        "one core: warm p99 / median",
        one[2].quantile(0.99) / one[2].quantile(0.5),
        "below 5",
        out,
    )?;
    mix(jail, cores, effort, out)?;
    Ok(overrun(jail, out)?)
}

fn measure(jail: &Nsjail, effort: Effort, threads: NonZero<usize>) -> anyhow::Result<Paths> {
    let mut paths = Paths::default();
    let (plain, warm) = (
        Plain {
            python: jail.python.executable.clone(),
        },
        Warm::new(jail.clone()),
    );
    let sandboxes: [(&dyn Sandbox, usize); 3] = [(&plain, 4), (jail, 16), (&warm, 1)];
    run(&warm, &passing(threads.get() * 10), threads)?;
    for _ in 0..effort.rounds {
        for ((sandbox, fewer), series) in sandboxes.iter().zip(&mut paths) {
            let samples = passing((effort.candidates * threads.get()).div_ceil(*fewer));
            series.add(run(*sandbox, &samples, threads)?);
        }
    }
    Ok(paths)
}

fn run(
    sandbox: &dyn Sandbox,
    samples: &[Sample],
    threads: NonZero<usize>,
) -> anyhow::Result<Driven> {
    let submissions: Vec<_> = samples.iter().map(|sample| &sample.submission).collect();
    let driven = drive(sandbox, &submissions, threads);
    for (sample, outcome) in samples.iter().zip(&driven.outcomes) {
        let code = String::from_utf8_lossy(&sample.submission.text);
        anyhow::ensure!(
            sample.right.contains(&outcome.verdict),
            "{} is not the verdict on:\n{code}\n{outcome:?}",
            outcome.verdict
        );
    }
    Ok(driven)
}

fn report(cores: &str, paths: &Paths, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "{cores:<22}{:>14}{:>10}{:>10}",
        "candidates/s", "p50 ms", "p99 ms"
    )?;
    for (name, series) in NAMES.iter().zip(paths) {
        let [p50, p99] = [0.5, 0.99].map(|q| series.quantile(q));
        writeln!(
            out,
            "  {name:<20}{:>14.1}{p50:>10.2}{p99:>10.2}",
            series.rate()
        )?;
    }
    Ok(())
}

/// Candidates that pass, fail and loop, on all cores.
fn mix(
    jail: &Nsjail,
    cores: NonZero<usize>,
    effort: Effort,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let warm = Warm::new(jail.clone());
    let mut series = Series::default();
    series.add(run(&warm, &mixed(effort.candidates.max(20)), cores)?);
    let [p50, p99] = [0.5, 0.99].map(|q| series.quantile(q));
    let what = "mix: 13 of 20 pass, 6 fail, 1 loops to its limit of 100 ms";
    Ok(writeln!(
        out,
        "{what}: warm, {cores} cores: {:.1} candidates/s, p50 {p50:.2} ms, p99 {p99:.2} ms",
        series.rate()
    )?)
}

/// How far past its limit an endless loop ran.
fn overrun(jail: &Nsjail, out: &mut dyn Write) -> io::Result<()> {
    let warm = Warm::new(jail.clone());
    for (name, sandbox) in [("warm", &warm as &dyn Sandbox), ("cold", jail)] {
        let samples = looping(20);
        let submissions: Vec<_> = samples.iter().map(|sample| &sample.submission).collect();
        let driven = drive(sandbox, &submissions, NonZero::<usize>::MIN);
        let past = |time: fn(&crate::Outcome) -> Duration| -> Vec<Duration> {
            driven
                .outcomes
                .iter()
                .map(|outcome| time(outcome).saturating_sub(LIMITS.cpu))
                .collect()
        };
        let (cpu, wall) = (past(|outcome| outcome.cpu), past(|outcome| outcome.wall));
        let ms = |times: &[Duration], q| quantile(times, q).as_secs_f64() * 1e3;
        let [cpu_median, cpu_most] = [0.5, 1.0].map(|q| ms(&cpu, q));
        let [wall_median, wall_most] = [0.5, 1.0].map(|q| ms(&wall, q));
        writeln!(
            out,
            "{name}: an endless loop ran past its limit of 100 ms by {cpu_median:.1} ms of CPU (most {cpu_most:.1}), and was gone {wall_median:.1} ms \
             of elapsed time past it (most {wall_most:.1}; aim below 50)"
        )?;
    }
    Ok(())
}
