//! What this machine has and lacks to run everything: each program looks at what it needs itself
//! and is asked here. Starts nothing that stays.

use std::{path::Path, process::Stdio, time::Duration};

use groklab_domain::{
    JobKind,
    finding::{Finding, Level},
};
use tokio::process::Command;

use super::{
    component,
    programs::{self, COORDINATOR},
};

/// The sandbox is tried on both its paths, on a slow machine for most of a minute.
const ANSWER_WITHIN: Duration = Duration::from_secs(180);

/// What is linked to and is in no archive of ours, with its package in Debian and Ubuntu.
const SYSTEM_LIBRARIES: [(&str, &str); 3] = [
    ("libgcc_s.so.1", "libgcc-s1"),
    ("libstdc++.so.6", "libstdc++6"),
    ("libz.so.1", "zlib1g"),
];

/// The programs that `up` starts.
pub fn programs_to_ask() -> Vec<&'static str> {
    let workers = JobKind::ALL.iter().copied().map(programs::program);
    [COORDINATOR].into_iter().chain(workers).collect()
}

/// Asks `name` in `folder` what it finds. A program that cannot answer is a finding as well.
pub async fn ask(folder: &Path, name: &'static str) -> Vec<Finding> {
    let missing = |details: String| vec![Finding::new(Level::Missing, "program", details)];
    let Some(path) = component::program(folder, name) else {
        let details = format!(
            "not in `{}`; name its folder with --bin-dir",
            folder.display()
        );
        return missing(details);
    };
    // Training computes with what generation does, so it has no doctor of its own.
    let has_doctor = name != programs::program(JobKind::Train);
    let args: &[&str] = if has_doctor {
        &["doctor", "--json"]
    } else {
        &["--version"]
    };
    let mut command = Command::new(&path);
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    let output = match tokio::time::timeout(ANSWER_WITHIN, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return missing(format!("start `{}`: {error}", path.display())),
        Err(_) => return missing(format!("no answer in {} s", ANSWER_WITHIN.as_secs())),
    };
    let complaint = String::from_utf8_lossy(&output.stderr);
    let findings = if has_doctor {
        parse(&String::from_utf8_lossy(&output.stdout))
    } else {
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        vec![Finding::new(Level::Good, "program", version)]
    };
    let explained = findings.iter().any(|found| found.level == Level::Missing);
    if output.status.success() || explained {
        findings
    } else {
        missing(explain(&complaint))
    }
}

/// The findings among the lines that a doctor printed.
fn parse(text: &str) -> Vec<Finding> {
    let lines = text.lines();
    lines
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// Why a program did not start, and what to install where that is known.
fn explain(complaint: &str) -> String {
    let text = complaint.trim();
    let library = SYSTEM_LIBRARIES
        .iter()
        .find(|(library, _)| text.contains(library));
    match library {
        Some((_, package)) => format!("{text}: apt-get install {package}"),
        None if text.contains("GLIBC_") => {
            format!("{text}: Debian 12, Ubuntu 24.04 or newer is wanted")
        }
        None if text.is_empty() => "it failed and did not say why".to_owned(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    /// A folder with a stand-in for a program.
    fn folder(name: &str, script: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        folder
    }

    async fn said(name: &'static str, script: &str) -> Vec<String> {
        let findings = ask(folder(name, script).path(), name).await;
        findings.iter().map(Finding::line).collect()
    }

    #[tokio::test]
    async fn what_a_doctor_finds_is_passed_on_whatever_it_ends_with() {
        let script = r#"[ "$*" = "doctor --json" ] || exit 9
            echo '{"level":"good","what":"account","details":"nobody"}'
            echo '{"level":"missing","what":"postgres","details":"none"}'; exit 1"#;
        assert_eq!(
            said("coordinator", script).await,
            ["ok    account        nobody", "FAIL  postgres       none"]
        );
    }

    #[tokio::test]
    async fn a_program_that_does_not_start_is_a_finding() {
        let loader = "error while loading shared libraries: libz.so.1: cannot open";
        assert_eq!(
            said("worker-gen", &format!("echo '{loader}' >&2; exit 127")).await,
            [format!(
                "FAIL  program        {loader}: apt-get install zlib1g"
            )]
        );
        assert_eq!(
            said("worker-train", "exit 1").await,
            ["FAIL  program        it failed and did not say why"]
        );
        let nowhere = ask(Path::new("/nowhere"), "coordinator").await;
        assert_eq!(nowhere[0].level, Level::Missing, "{nowhere:?}");
    }

    #[test]
    fn an_old_system_is_named() {
        let said = explain("coordinator: version `GLIBC_2.34' not found\n");
        assert!(
            said.ends_with("Debian 12, Ubuntu 24.04 or newer is wanted"),
            "{said}"
        );
    }
}
