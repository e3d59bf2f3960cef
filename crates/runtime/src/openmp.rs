//! OpenMP's waiting policy. libgomp's threads spin by default, which makes libtorch ten times slower beside another busy
//! process; the variables are read when the library loads, so the process starts itself again with them.

use std::{env, os::unix::process::CommandExt, process::Command};

use crate::output;

const PASSIVE: [(&str, &str); 2] = [("OMP_WAIT_POLICY", "passive"), ("GOMP_SPINCOUNT", "0")];

/// Replaces this process by itself with passive waiting, unless `OMP_WAIT_POLICY` is set. Call first in `main`: it keeps
/// the process id, and nothing may run before it.
pub fn ensure_passive_waiting() {
    if env::var_os("OMP_WAIT_POLICY").is_some() {
        return;
    }
    let Ok(executable) = env::current_exe() else {
        return;
    };
    output::hand_over();
    let error = Command::new(executable)
        .args(env::args_os().skip(1))
        .envs(PASSIVE)
        .exec();
    output::complain(format!(
        "warning: start again with OMP_WAIT_POLICY=passive: {error}; libtorch may be slow beside other work"
    ));
}
