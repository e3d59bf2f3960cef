//! What README shows, and how each of it is tested.

/// How a command is tested.
pub enum Tested {
    /// Run here, in a folder with [`INPUTS`], each word in the list replaced by the other.
    Here(&'static [(&'static str, &'static str)]),
    /// By a test elsewhere: `FILE: NAME`.
    By(&'static str),
    /// It is a goal of the Makefile, whose recipe contains this.
    Make(&'static str),
}
use Tested::{By, Here, Make};

/// A command as README writes it, without its remark; `A | B` of one program stands as two.
pub const COMMANDS: &[(&str, Tested)] = &[
    (
        "make quickstart",
        Make("grokctl run --local examples/quickstart.toml"),
    ),
    (
        "make learn",
        Make("grokctl run --local examples/learn.toml"),
    ),
    (
        "make test",
        Make("test --locked --workspace --no-fail-fast"),
    ),
    ("make build", Make("build --locked --workspace --bins")),
    ("make setup-gpu", Make("deploy/setup.sh gpu")),
    ("make gpu-check", Make("deploy/gpu-check/gpu_check.py")),
    ("make dist", Make("deploy/dist.sh")),
    ("make bench-detector", Make("--example bench_detector")),
    // In containers.
    (
        "deploy/images.sh",
        By("containers/images.rs: images_hold_what_they_need_and_no_more"),
    ),
    ("cd deploy && docker compose up -d", By(IN_CONTAINERS)),
    ("./grokctl submit my.toml --watch", By(IN_CONTAINERS)),
    (
        "./check.sh",
        By("containers/files.rs: the_scripts_do_what_they_say"),
    ),
    (
        "docker compose up -d --scale worker-verify=8",
        By(IN_CONTAINERS),
    ),
    // On one coordinator.
    ("grokctl validate my.toml", Here(&[])),
    (
        "grokctl run --local my.toml",
        By("whole_loop.rs: a_model_improves_itself_and_everything_is_exported"),
    ),
    (
        "grokctl up",
        By("commands.rs: up_starts_a_worker_for_each_device"),
    ),
    (
        "grokctl up --listen 0.0.0.0:7070",
        By("access.rs: up_makes_tokens_where_others_are_served"),
    ),
    ("grokctl submit my.toml --watch", Here(&[])),
    ("grokctl list", Here(&[])),
    ("grokctl show ID", Here(NAME)),
    ("grokctl watch ID", Here(NAME)),
    (
        "grokctl pause ID",
        By("together.rs: a_paused_experiment_goes_on_where_it_was"),
    ),
    (
        "grokctl resume ID",
        By("together.rs: a_paused_experiment_goes_on_where_it_was"),
    ),
    (
        "grokctl cancel ID",
        By("together.rs: cancel_takes_effect_in_the_middle_of_a_job"),
    ),
    ("grokctl workers", Here(&[])),
    (
        "grokctl fork ID@3 --set train.learning_rate=1e-5",
        Here(NAME),
    ),
    (
        "grokctl rename ID NAME",
        Here(&[("ID", "mine-fork"), ("NAME", "slower")]),
    ),
    ("grokctl tag ID +paper -draft", Here(NAME)),
    ("grokctl list --tag paper", Here(&[])),
    (
        "grokctl delete ID",
        By("life.rs: what_is_deleted_while_workers_run_stops_and_leaves_the_others_alone"),
    ),
    ("grokctl problems my.toml", Here(&[])),
    (
        "grokctl pilot my.toml",
        By("submit.rs: a_pilot_says_what_can_be_learned_and_training_asks_that_alone"),
    ),
    (
        "grokctl rollouts ID --verdict wrong_answer --split test",
        Here(NAME),
    ),
    ("grokctl compare ID@0 ID@3", Here(NAME)),
    (
        "grokctl submit my.toml --sweep train.select=verified,any --seeds 1..3",
        By("groups.rs: arms_and_seeds_are_one_group_on_the_same_problems"),
    ),
    (
        "grokctl group mine",
        By("groups.rs: arms_and_seeds_are_one_group_on_the_same_problems"),
    ),
    ("grokctl logs ID --follow", Here(NAME)),
    ("grokctl export ID --out results", Here(NAME)),
    (
        "grokctl detect curves.jsonl",
        Here(&[("curves.jsonl", "results/metrics.jsonl")]),
    ),
    (
        "grokctl export ID --out DIR --merged",
        By("take_home.rs: an_adapter_explains_itself_and_comes_in_other_forms"),
    ),
    ("grokctl config defaults", Here(&[])),
    ("grokctl config schema", Here(&[])),
    ("grokctl config show my.toml", Here(&[])),
    (
        "grokctl submit base.toml gpu.toml --set train.rank=8",
        Here(&[("base.toml", "my.toml")]),
    ),
    ("grokctl completions SHELL", Here(&[("SHELL", "bash")])),
    (
        "worker-verify work --coordinator http://127.0.0.1:7070",
        By("sharing.rs: workers_share_join_and_leave"),
    ),
    // The workers alone.
    (
        concat!(
            "worker-gen generate --model M [--adapter DIR] --samples 4 --temperature 0.8 ",
            "< prompts.jsonl > completions.jsonl"
        ),
        Here(&[("M", "model"), ("DIR", "results/checkpoints/iter_3")]),
    ),
    (
        "worker-gen score --model M [--adapter DIR] < texts.jsonl",
        Here(&[("M", "model"), ("DIR", "results/checkpoints/iter_3")]),
    ),
    (
        "worker-train fit --model M --data sft.jsonl --out DIR [--config train.toml]",
        Here(&[("M", "model"), ("DIR", "adapter")]),
    ),
    (
        "worker-verify check --json < candidates.jsonl > verdicts.jsonl",
        Here(&[]),
    ),
    ("worker-verify check --help", Here(&[])),
    ("worker-verify doctor", Here(&[])),
    ("worker-gen doctor", Here(&[])),
    // From the archive.
    (
        "sha256sum --check groklab-0.1.0-x86_64-linux.tar.xz.sha256",
        By(FROM_THE_ARCHIVE),
    ),
    (
        "sudo apt-get install postgresql python3 python3-pip xz-utils",
        By(FROM_THE_ARCHIVE),
    ),
    (
        "tar --extract --file groklab-0.1.0-x86_64-linux.tar.xz && cd groklab-0.1.0-x86_64-linux",
        By(FROM_THE_ARCHIVE),
    ),
    ("./quickstart", By(FROM_THE_ARCHIVE)),
    (
        "bin/grokctl doctor",
        By("containers/archive.rs: what_a_bare_system_lacks_is_named_with_its_command"),
    ),
];

const NAME: &[(&str, &str)] = &[("ID", "mine"), ("ID@0", "mine@0"), ("ID@3", "mine@3")];
const IN_CONTAINERS: &str = "containers/life.rs: an_installation_runs_scales_stops_and_comes_back";
const FROM_THE_ARCHIVE: &str =
    "containers/archive.rs: the_quickstart_runs_from_the_archive_on_bare_systems";

/// What the commands read, beside `my.toml` and `model`.
pub const INPUTS: [(&str, &str); 6] = [
    ("gpu.toml", "name = \"composed\"\n"),
    (
        "prompts.jsonl",
        r#"{"id": 1, "prompt": "Write a function."}"#,
    ),
    ("texts.jsonl", r#"{"id": 1, "text": "def sum_digits(n):"}"#),
    (
        "sft.jsonl",
        r#"{"prompt": "Write a function.", "completion": "def f(): pass"}"#,
    ),
    ("train.toml", "epochs = 1\n"),
    (
        "candidates.jsonl",
        concat!(
            r#"{"id": 1, "code": "def f(x): return x", "entry": "f", "#,
            r#""cases": [{"args": [1], "expected": 1}]}"#
        ),
    ),
];
