//! `worker-verify bench`: candidates per second on one core and on all, of plain python, the cold
//! path and the warm path, in alternating rounds, so that whatever else the machine does falls on
//! all of them alike.

use std::{
    io::{self, Write},
    num::NonZero,
    time::Duration,
};

use crate::{
    commands::bench::{
        drive::{Measurement, drive, keep_to, keep_to_one_core, quantile},
        load::{LIMITS, Sample, looping, mixed, passing},
        plain::Plain,
    },
    jail::{Nsjail, Warm},
    judge::pool::all_cores,
    sandbox::Sandbox,
};

/// The dearer paths run so many times fewer candidates, so that all take about the same time.
const FEWER_PLAIN: usize = 4;
const FEWER_COLD: usize = 16;
/// Loops of which the overrun is measured.
const OVERRUN_COUNT: usize = 20;

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
    fn add(&mut self, driven: Measurement) {
        self.rates
            .push(driven.latencies.len() as f64 / driven.elapsed.as_secs_f64());
        self.latencies.extend(driven.latencies);
    }

    fn rate(&self) -> f64 {
        let mut rates = self.rates.clone();
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied().unwrap_or(0.0)
    }

    fn quantile_ms(&self, q: f64) -> f64 {
        quantile(&self.latencies, q).as_secs_f64() * 1e3
    }
}

/// Plain, cold, warm.
#[derive(Default)]
struct Paths {
    plain: Series,
    cold: Series,
    warm: Series,
}

/// Measures and prints.
///
/// # Errors
/// If a verdict is not what it must be, a core can't be chosen, or printing fails.
pub fn bench(jail: &Nsjail, effort: Effort, out: &mut dyn Write) -> anyhow::Result<()> {
    let all = keep_to_one_core()?;
    let one = measure(jail, effort, NonZero::<usize>::MIN)?;
    // Zygotes inherit the cores of the thread that starts them.
    keep_to(&all)?;
    let cores = all_cores();
    let many = measure(jail, effort, cores)?;
    report_all(effort, cores, [&one, &many], out)?;
    mix(jail, cores, effort, out)?;
    overrun("warm", &Warm::new(jail.clone()), out)?;
    overrun("cold", jail, out)?;
    Ok(())
}

fn measure(jail: &Nsjail, effort: Effort, threads: NonZero<usize>) -> anyhow::Result<Paths> {
    let mut paths = Paths::default();
    let plain = Plain {
        python: jail.python.executable.clone(),
    };
    let warm = Warm::new(jail.clone());
    // Zygotes are started before anything is measured.
    run(&warm, &passing(threads.get() * 10), threads)?;
    for _ in 0..effort.rounds {
        let count = effort.candidates * threads.get();
        // One path after the other, round by round: a slow moment of the machine falls on all.
        let samples = passing(count.div_ceil(FEWER_PLAIN));
        paths.plain.add(run(&plain, &samples, threads)?);
        let samples = passing(count.div_ceil(FEWER_COLD));
        paths.cold.add(run(jail, &samples, threads)?);
        paths.warm.add(run(&warm, &passing(count), threads)?);
    }
    Ok(paths)
}

fn run(
    sandbox: &dyn Sandbox,
    samples: &[Sample],
    threads: NonZero<usize>,
) -> anyhow::Result<Measurement> {
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

/// Prints the table, and the ratios that have an aim. A figure alone says more of the machine.
fn report_all(
    effort: Effort,
    cores: NonZero<usize>,
    [one, many]: [&Paths; 2],
    out: &mut dyn Write,
) -> io::Result<()> {
    let rounds = effort.rounds;
    writeln!(
        out,
        "{rounds} rounds; ten cases a candidate; all pass; candidates/s are medians of rounds"
    )?;
    report("one core", one, out)?;
    report(&format!("{cores} cores"), many, out)?;
    for (what, ratio, aim) in [
        (
            "one core: warm / cold",
            one.warm.rate() / one.cold.rate(),
            "at least 8",
        ),
        (
            "one core: warm / plain",
            one.warm.rate() / one.plain.rate(),
            "at least 1.5",
        ),
        (
            &format!("warm: {cores} cores / one"),
            many.warm.rate() / one.warm.rate(),
            "at least 1.5 for two",
        ),
        (
            "one core: warm p99 / median",
            one.warm.quantile_ms(0.99) / one.warm.quantile_ms(0.5),
            "below 5",
        ),
    ] {
        writeln!(out, "{what:<34}{ratio:>8.2}  (aim {aim})")?;
    }
    Ok(())
}

fn report(cores: &str, paths: &Paths, out: &mut dyn Write) -> io::Result<()> {
    let [rate, p50, p99] = ["candidates/s", "p50 ms", "p99 ms"];
    writeln!(out, "{cores:<22}{rate:>14}{p50:>10}{p99:>10}")?;
    for (name, series) in [
        ("plain python3 -I -S", &paths.plain),
        ("cold", &paths.cold),
        ("warm", &paths.warm),
    ] {
        let (rate, p50, p99) = (
            series.rate(),
            series.quantile_ms(0.5),
            series.quantile_ms(0.99),
        );
        writeln!(out, "  {name:<20}{rate:>14.1}{p50:>10.2}{p99:>10.2}")?;
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
    let (rate, p50, p99) = (
        series.rate(),
        series.quantile_ms(0.5),
        series.quantile_ms(0.99),
    );
    writeln!(
        out,
        "mix: 13 of 20 pass, 6 fail, 1 loops to its limit of 100 ms: warm, {cores} cores: \
         {rate:.1} candidates/s, p50 {p50:.2} ms, p99 {p99:.2} ms"
    )?;
    Ok(())
}

/// How far past its limit an endless loop ran.
fn overrun(name: &str, sandbox: &dyn Sandbox, out: &mut dyn Write) -> io::Result<()> {
    let samples = looping(OVERRUN_COUNT);
    let submissions: Vec<_> = samples.iter().map(|sample| &sample.submission).collect();
    let driven = drive(sandbox, &submissions, NonZero::<usize>::MIN);
    let (mut cpu, mut wall) = (Vec::new(), Vec::new());
    for outcome in &driven.outcomes {
        cpu.push(outcome.cpu.saturating_sub(LIMITS.cpu));
        wall.push(outcome.wall.saturating_sub(LIMITS.cpu));
    }
    let [cpu_median, cpu_most] = median_and_most_ms(&cpu);
    let [wall_median, wall_most] = median_and_most_ms(&wall);
    writeln!(
        out,
        "{name}: an endless loop ran past its limit of 100 ms by {cpu_median:.1} ms of CPU \
         (most {cpu_most:.1}), and was gone {wall_median:.1} ms of elapsed time past it \
         (most {wall_most:.1}; aim below 50)"
    )
}

fn median_and_most_ms(times: &[Duration]) -> [f64; 2] {
    [0.5, 1.0].map(|q| quantile(times, q).as_secs_f64() * 1e3)
}
