//! Artifacts in S3, and a coordinator that cannot reach it for a while.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use groklab_tests::{
    s3::{FLAGS, Filer, Identity, identities, is_up, program},
    wait::until,
};
use serde_json::{Value, json};

use crate::{
    disturbed::{LEASE, each_rollout_has_one_verdict, patient, wait_until_begun},
    engine::{BASE_IMAGE, engine_if_asked_for},
    installation::{Installation, address},
    network::cut_during,
};

const BUCKET: &str = "artifacts-of-tests";
/// The network that only the coordinator and the server are on.
const NETWORK: &str = "store";
/// Shorter than a lease, and longer than a lease and than a call tries again (30 s).
const CUTS: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(45)];

/// The server as a service, on its usual ports, and its network. JSON is YAML too.
fn server() -> Value {
    let program = program().canonicalize().unwrap();
    let mut command = vec!["/opt/weed", "server"];
    // Its parts find each other on loopback; the coordinator comes from outside.
    command.extend(["-ip=127.0.0.1", "-ip.bind=0.0.0.0", "-dir=/srv"]);
    command.push("-s3.config=/opt/identities.json");
    command.extend(FLAGS);
    json!({
        "services": {
            "seaweedfs": {
                "image": BASE_IMAGE,
                "command": command,
                "networks": [NETWORK],
                "volumes": [
                    format!("{}:/opt/weed:ro", program.display()),
                    "./identities.json:/opt/identities.json:ro",
                ],
                // What it holds goes with it.
                "stop_signal": "SIGKILL",
            },
            "coordinator": {"networks": [NETWORK]},
        },
        "networks": {NETWORK: {"internal": true}},
    })
}

/// An installation with its artifacts in S3, and the server's file system.
fn installation() -> (Installation, Filer) {
    let files = "compose.yaml:compose.s3.yaml:compose.seaweedfs.yaml";
    let box_one = patient("s3")
        .with("COMPOSE_FILE", files)
        .with("GROKLAB_ARTIFACTS", &format!("s3://{BUCKET}/prefix"))
        .with("AWS_REGION", "us-east-1")
        .with("AWS_ENDPOINT_URL", "http://seaweedfs:8333");
    let file = |name: &str, text: String| fs::write(box_one.deploy().join(name), text).unwrap();
    file("identities.json", identities().to_string());
    file("compose.seaweedfs.yaml", server().to_string());
    let (key, secret) = (Identity::Writer.key(), Identity::Writer.secret());
    let keys = format!("AWS_ACCESS_KEY_ID={key}\nAWS_SECRET_ACCESS_KEY={secret}\n");
    file("keys", keys);

    // First the server: a coordinator without its bucket does not start.
    box_one.up(&["seaweedfs"]);
    let address = address(&box_one.containers("seaweedfs")[0]);
    let (s3, master) = (format!("{address}:8333"), format!("{address}:9333"));
    until("the S3 server", Duration::from_secs(60), || {
        is_up(&s3, &master).then_some(())
    });
    let filer = Filer(format!("{address}:8888"));
    filer.make_bucket(BUCKET);
    let keys = box_one.deploy().join("keys");
    box_one.script_reading("s3-keys.sh", &keys).unwrap();
    box_one.up(&[]);
    box_one.wait_until_healthy();
    (box_one, filer)
}

#[test]
fn a_coordinator_that_is_cut_off_from_s3_changes_no_result() {
    let Some(_alone) = engine_if_asked_for() else {
        return;
    };
    let (box_one, filer) = installation();
    for lasts in CUTS {
        let before = filer.objects(BUCKET);
        let seed = lasts.as_secs();
        let disturbed = format!("cut-for-{seed}");
        box_one.grokctl_ok(&["submit", &box_one.seeded_experiment(&disturbed, seed)]);
        for iteration in 0..2 {
            // It fetches its training set first, and stores an adapter at its end.
            wait_until_begun(&box_one, &disturbed, "train", iteration);
            cut_during(&box_one, "coordinator", &[NETWORK], || {
                nothing_is_stored(&box_one, &disturbed, lasts);
            });
        }
        let results = box_one.results(&disturbed);
        assert!(results.adapters.contains_key("iter_2"), "{results:?}");
        assert!(filer.objects(BUCKET) > before, "artifacts are kept there");

        let undisturbed = format!("uncut-{seed}");
        box_one.grokctl_ok(&["submit", &box_one.seeded_experiment(&undisturbed, seed)]);
        assert_eq!(results, box_one.results(&undisturbed));
        each_rollout_has_one_verdict(&box_one);
    }
}

/// Waits for the end of a cut. Where that is far, the coordinator says meanwhile what it misses.
fn nothing_is_stored(box_one: &Installation, experiment: &str, lasts: Duration) {
    let end = Instant::now() + lasts;
    let adapters = format!(
        "select count(*) from adapter join experiment using (experiment_id) \
         where name = '{experiment}'"
    );
    let before = box_one.sql(&adapters);
    if lasts > LEASE {
        let coordinator = box_one.admin("coordinator");
        let said = coordinator.wait_for("/readyz", 503, Duration::from_secs(30));
        assert!(
            said.contains("the artifact store does not answer"),
            "{said}"
        );
    }
    // The cut itself is what takes the time.
    thread::sleep(end.saturating_duration_since(Instant::now()));
    assert_eq!(
        box_one.sql(&adapters),
        before,
        "through a network that is cut"
    );
}
