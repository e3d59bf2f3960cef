//! Whose processor time it was.

use std::fs;

use nix::unistd::{SysconfVar, sysconf};

/// Seconds of processor time used so far.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    pub coordinator: f64,
    pub postgres: f64,
    /// This process: the simulated workers.
    pub workers: f64,
}

impl Used {
    pub fn now(coordinator: u32, postgres: u32) -> Self {
        let ticks = sysconf(SysconfVar::CLK_TCK).unwrap().unwrap() as f64;
        let (mut sum, mut server, mut own) = (0.0, 0.0, 0.0);
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let Some(id) = process
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<u32>().ok())
            else {
                continue;
            };
            let Ok(stat) = fs::read_to_string(process.path().join("stat")) else {
                continue;
            };
            let Some((_, rest)) = stat.rsplit_once(')') else {
                continue;
            };
            let fields: Vec<f64> = rest
                .split_whitespace()
                .map(|field| field.parse().unwrap_or(0.0))
                .collect();
            let (parent, own_time, reaped) = (
                fields[1] as u32,
                (fields[11] + fields[12]) / ticks,
                (fields[13] + fields[14]) / ticks,
            );
            match id {
                _ if id == coordinator => sum += own_time,
                _ if id == postgres => server += own_time + reaped,
                _ if parent == postgres => server += own_time,
                _ if id == std::process::id() => own += own_time,
                _ => {}
            }
        }
        Self {
            coordinator: sum,
            postgres: server,
            workers: own,
        }
    }

    /// Cores in use between then and now.
    pub fn cores_since(self, before: Self, seconds: f64) -> Self {
        let cores = |now: f64, then: f64| (now - then) / seconds;
        Self {
            coordinator: cores(self.coordinator, before.coordinator),
            postgres: cores(self.postgres, before.postgres),
            workers: cores(self.workers, before.workers),
        }
    }
}
