//! With the sandbox broken on purpose nothing is verified: every way to break it is noticed, and named.

use std::path::{Path, PathBuf};

use crate::common::{config, run_in, submission};
use groklab_domain::Verdict;
use groklab_worker_verify::{Config, Nsjail, doctor, isolation, selftest::selftest};

fn refusal(nsjail: &str) -> String {
    let sandbox = Nsjail::new(&Config { nsjail: PathBuf::from(nsjail), ..config() }).expect("the interpreter answers");
    assert_eq!(run_in(&sandbox, &submission("def solve(x): return x + 1")).verdict, Verdict::InfrastructureError);
    selftest(&sandbox).expect_err("nothing runs in it").to_string()
}

#[test]
fn an_nsjail_that_only_fails() {
    let reason = refusal("/bin/false");
    assert!(reason.contains("the jail ended before the candidate began"), "{reason}");
}

#[test]
fn an_nsjail_that_claims_success() {
    assert!(refusal("/bin/true").contains("Exited(0)"));
}

#[test]
fn an_nsjail_that_is_not_there() {
    let error = Nsjail::new(&Config { nsjail: PathBuf::from("/nowhere/nsjail"), ..config() }).unwrap_err();
    assert!(error.to_string().contains("/nowhere/nsjail"));
}

#[test]
fn an_interpreter_that_is_not_there() {
    let broken = Config { python: PathBuf::from("/nowhere/python3"), ..config() };
    assert!(Nsjail::new(&broken).unwrap_err().to_string().contains("/nowhere/python3"));
    let findings = doctor::examine(&broken, isolation::Path::Warm);
    assert!(findings.iter().any(|finding| finding.level == doctor::Level::Missing && finding.details.contains("/nowhere/python3")));
}

#[test]
fn a_standard_library_that_is_not_bound() {
    let mut sandbox = Nsjail::new(&config()).unwrap();
    sandbox.python.binds.retain(|path| !path.starts_with("/usr/lib"));
    let reason = selftest(&sandbox).unwrap_err().to_string();
    assert!(reason.contains("infrastructure_error"), "{reason}");
}

#[test]
fn a_jail_that_shows_too_much() {
    let mut sandbox = Nsjail::new(&config()).unwrap();
    sandbox.python.binds.push(Path::new("/etc/passwd").to_owned());
    let reason = selftest(&sandbox).unwrap_err().to_string();
    assert!(reason.contains("the machine's own are out of sight"), "{reason}");
}
