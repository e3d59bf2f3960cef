//! Variables that libtorch and its libraries read when they load, so that this process starts
//! itself again with them. libgomp's threads spin by default, which makes libtorch ten times slower
//! beside another busy process.

use std::{env, os::unix::process::CommandExt, process::Command};

use crate::output;

const PASSIVE_WAITING: [(&str, &str); 2] =
    [("OMP_WAIT_POLICY", "passive"), ("GOMP_SPINCOUNT", "0")];

/// On the newest GPUs libtorch would take cuDNN for attention, which makes a plan for every new
/// length of a sequence, each for tens of milliseconds.
const OTHER_ATTENTION: (&str, &str) = ("TORCH_CUDNN_SDPA_DEPRIORITIZED", "1");

/// With it cuBLAS gives the same bits whatever other streams of this process do.
const REPEATABLE_PRODUCTS: (&str, &str) = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8");

/// Replaces this process by itself with the variables that are not set. Call first in `main`: it
/// keeps the process id, and nothing may run before it.
pub fn ensure_passive_waiting() {
    let missing = missing(|name| env::var_os(name).is_some());
    // So it is the second time round: the process starts itself again only once.
    if missing.is_empty() {
        return;
    }
    // Without a path to itself the process goes on as it is: slower, but not wrong.
    let Ok(executable) = env::current_exe() else {
        return;
    };
    output::hand_over();
    let error = Command::new(executable)
        .args(env::args_os().skip(1))
        .envs(missing)
        .exec();
    output::complain(format!(
        "warning: start again with OMP_WAIT_POLICY=passive: {error}; \
         libtorch may be slow beside other work"
    ));
}

/// How threads wait is left alone where the user has chosen it.
fn missing(is_set: impl Fn(&str) -> bool) -> Vec<(&'static str, &'static str)> {
    let mut missing = Vec::new();
    if !is_set(PASSIVE_WAITING[0].0) {
        missing.extend(PASSIVE_WAITING);
    }
    for other in [OTHER_ATTENTION, REPEATABLE_PRODUCTS] {
        if !is_set(other.0) {
            missing.push(other);
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_stays_and_the_rest_is_added_once() {
        let names = |set: &[&str]| {
            let missing = missing(|name| set.contains(&name));
            missing
                .into_iter()
                .map(|(name, _)| name)
                .collect::<Vec<_>>()
        };
        let all = [
            "OMP_WAIT_POLICY",
            "GOMP_SPINCOUNT",
            "TORCH_CUDNN_SDPA_DEPRIORITIZED",
            "CUBLAS_WORKSPACE_CONFIG",
        ];
        assert_eq!(names(&[]), all);
        assert_eq!(names(&["OMP_WAIT_POLICY"]), all[2..]);
        assert_eq!(names(&all[2..]), all[..2]);
        assert!(names(&all).is_empty());
    }
}
