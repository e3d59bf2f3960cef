//! What a user can get wrong, as a table: one message that names the thing and the fix, a documented exit code, nothing half done.
#![expect(
    clippy::unwrap_used,
    reason = "a test: a failure is a panic with its place"
)]

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use groklab_tests::files::{Results, experiment};
use groklab_tests::{Stack, binary, folder, tiny_coder};

/// What is wrong with a model, how the experiment ends, and what its reason says.
struct Model {
    name: &'static str,
    spoil: fn(&Path),
    state: &'static str,
    says: &'static [&'static str],
}

/// Files that may be mended pause the experiment, what this software cannot compute fails it.
const MODELS: [Model; 9] = [
    Model {
        name: "no-weights",
        spoil: |f| remove(f, "model.safetensors"),
        state: "paused",
        says: &["model.safetensors", "No such file"],
    },
    Model {
        name: "no-tokenizer",
        spoil: |f| remove(f, "tokenizer.json"),
        state: "paused",
        says: &["tokenizer.json", "No such file"],
    },
    Model {
        name: "half-weights",
        spoil: |f| cut(f, "model.safetensors"),
        state: "paused",
        says: &["model.safetensors", "damaged"],
    },
    Model {
        name: "half-config",
        spoil: |f| cut(f, "config.json"),
        state: "paused",
        says: &["config.json", "damaged", "fetch it again"],
    },
    Model {
        name: "mamba",
        spoil: |f| set(f, "model_type", "\"mamba\""),
        state: "failed",
        says: &["`mamba` is not supported", "qwen2"],
    },
    Model {
        name: "too-big",
        spoil: |f| set(f, "num_hidden_layers", "90000000"),
        state: "paused",
        says: &["GB", "use a smaller model"],
    },
    Model {
        name: "misfit",
        spoil: |f| set(f, "intermediate_size", "63"),
        state: "failed",
        says: &["weight `model.layers.0", "shape"],
    },
    Model {
        name: "half-gguf",
        spoil: half_gguf,
        state: "paused",
        says: &["model.gguf", "damaged"],
    },
    Model {
        name: "rwkv-gguf",
        spoil: rwkv_gguf,
        state: "failed",
        says: &["`rwkv7` is not supported", "llama"],
    },
];

fn remove(folder: &Path, name: &str) {
    fs::remove_file(folder.join(name)).unwrap();
}

fn cut(folder: &Path, name: &str) {
    let whole = fs::read(folder.join(name)).unwrap();
    fs::write(folder.join(name), &whole[..whole.len() / 2]).unwrap();
}

/// Gives a key of the configuration another value.
fn set(folder: &Path, key: &str, value: &str) {
    let path = folder.join("config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert!(config.get(key).is_some(), "{key}");
    config[key] = serde_json::from_str(value).unwrap();
    fs::write(path, config.to_string()).unwrap();
}

fn half_gguf(folder: &Path) {
    let real =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../.groklab/models/smollm2-135m-instruct.gguf");
    fs::write(
        folder.join("model.gguf"),
        &fs::read(real).unwrap()[..40_000_000],
    )
    .unwrap();
}

/// The smallest GGUF: version 3, no tensors, one key.
fn rwkv_gguf(folder: &Path) {
    let text = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let head = [
        &b"GGUF"[..],
        &3u32.to_le_bytes(),
        &0u64.to_le_bytes(),
        &1u64.to_le_bytes(),
    ]
    .concat();
    let key = [
        text("general.architecture"),
        8u32.to_le_bytes().to_vec(),
        text("rwkv7"),
    ]
    .concat();
    fs::write(folder.join("model.gguf"), [head, key].concat()).unwrap();
}

/// A copy of the tiny model.
fn copy_of_the_model(to: &Path) -> PathBuf {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(tiny_coder()).unwrap().flatten() {
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
    to.to_owned()
}

#[test]
fn models_that_cannot_be_used_end_in_a_clear_state() {
    let stack = Stack::full();
    stack.submit(&experiment("before", 1, "rft"));
    stack.grokctl_ok(&["watch", "before"]);
    let before = Results::of(&stack.export("before"));
    for Model {
        name,
        spoil,
        state,
        says,
    } in MODELS
    {
        let folder = copy_of_the_model(&stack.dir.path().join(name));
        spoil(&folder);
        let gguf = folder.join("model.gguf");
        let source = if gguf.exists() { gguf } else { folder };
        stack.submit(
            &experiment(name, 0, "none")
                .replace(tiny_coder().to_str().unwrap(), source.to_str().unwrap()),
        );
        let watched = stack.grokctl(&["watch", name]);
        assert_eq!(watched.status.code(), Some(5), "{name}: {}", text(&watched));
        assert_eq!(stack.state(name), state, "{name}: {}", stack.logs());
        let reason = stack.one(name, "select reason from experiment where EXPERIMENT");
        assert!(
            says.iter().all(|part| reason.contains(part)),
            "{name}: {reason}"
        );
        assert!(
            text(&watched).contains(&reason),
            "{name}: the watcher is told: {}",
            text(&watched)
        );
        assert_eq!(
            stack.one(name, "select count(*) from rollout where EXPERIMENT"),
            "0",
            "{name}"
        );
    }
    assert_eq!(
        Results::of(&stack.export("before")),
        before,
        "earlier results are untouched"
    );
    // What was mended goes on.
    let weights = stack.dir.path().join("no-weights/model.safetensors");
    fs::copy(tiny_coder().join("model.safetensors"), weights).unwrap();
    stack.grokctl_ok(&["resume", "no-weights"]);
    stack.grokctl_ok(&["watch", "no-weights"]);
}

/// A command line that cannot work: its exit code and what it says.
struct Bad<'a> {
    command: &'a [&'a str],
    env: &'a [(&'a str, &'a str)],
    code: i32,
    says: &'a [&'a str],
}

fn run(bad: &Bad<'_>, dir: &Path) -> Output {
    let mut command = Command::new("timeout");
    command
        .arg("60")
        .arg(binary(bad.command[0]))
        .args(&bad.command[1..])
        .envs(bad.env.iter().copied());
    command
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn check(table: &[Bad<'_>], dir: &Path) {
    for bad in table {
        let output = run(bad, dir);
        let said = text(&output);
        assert_eq!(
            output.status.code(),
            Some(bad.code),
            "{:?}: {said}",
            bad.command
        );
        assert!(
            bad.says.iter().all(|part| said.contains(part)),
            "{:?} says:\n{said}\nand not {:?}",
            bad.command,
            bad.says
        );
        assert!(
            !said.contains("hunter2")
                && !said.contains("panicked")
                && !said.contains("RUST_BACKTRACE"),
            "{:?}: {said}",
            bad.command
        );
        assert!(
            output.stderr.iter().filter(|&&byte| byte == b'\n').count() <= 8,
            "{:?}: not one clear message:\n{said}",
            bad.command
        );
    }
}

#[test]
fn services_that_cannot_start_say_why() {
    let dir = folder();
    fs::write(
        dir.path().join("file"),
        "no folder, no token, no certificate",
    )
    .unwrap();
    fs::write(dir.path().join("short"), "abc").unwrap();
    fs::write(dir.path().join("empty"), "").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let coordinator = |flags: &[&'static str]| {
        [
            &["coordinator", "--listen", "127.0.0.1:0", "--data", "data"],
            flags,
        ]
        .concat()
    };
    let url = ["--database-url", "postgres://me:hunter2@127.0.0.1:1/lab"];
    let away = coordinator(&url);
    let not_postgres = coordinator(&["--database-url", "mysql://me:hunter2@127.0.0.1/lab"]);
    let unknown_parameter = coordinator(&[
        "--database-url",
        "postgres://me@127.0.0.1/lab?passwd=hunter2",
    ]);
    let unescaped = coordinator(&["--database-url", "postgres://me:/hunter2?x@127.0.0.1/lab"]);
    let misplaced = coordinator(&["postgres://me:hunter2@127.0.0.1/lab"]);
    let two_urls = coordinator(&[url[0], url[1], "--database-url-file", "file"]);
    let empty_url = coordinator(&["--database-url-file", "empty"]);
    let half_tls = coordinator(&["--tls-cert", "file"]);
    let not_pem = coordinator(&["--tls-cert", "file", "--tls-key", "file"]);
    let short = coordinator(&[
        "--client-token-file",
        "short",
        "--worker-token-file",
        "file",
    ]);
    let one_token = [(
        "GROKLAB_CLIENT_TOKEN",
        "hunter2hunter2hunter2hunter2hunter2",
    )];
    let same = [one_token[0], ("GROKLAB_WORKER_TOKEN", one_token[0].1)];
    let no_token = coordinator(&[
        "--client-token-file",
        "nowhere",
        "--worker-token-file",
        "file",
    ]);
    let plain = coordinator(&[]);
    let outside = ["coordinator", "--listen", "0.0.0.0:0", "--data", "data"];
    let in_use = ["coordinator", "--listen", &taken, "--data", "data"];
    let below_file = [
        "coordinator",
        "--listen",
        "127.0.0.1:0",
        "--data",
        "file/below",
    ];
    let table = [
        Bad {
            command: &away,
            env: &[],
            code: 1,
            says: &["`lab` at 127.0.0.1:1", "Connection refused"],
        },
        Bad {
            command: &not_postgres,
            env: &[],
            code: 2,
            says: &[
                "database URL",
                "postgres://USER:PASSWORD@HOST:PORT/DATABASE",
            ],
        },
        Bad {
            command: &unknown_parameter,
            env: &[],
            code: 2,
            says: &["parameter", "known are host, port"],
        },
        Bad {
            command: &unescaped,
            env: &[],
            code: 2,
            says: &["write / ? # @ : %"],
        },
        Bad {
            command: &misplaced,
            env: &[],
            code: 2,
            says: &["unrecognized subcommand '(redacted)'"],
        },
        Bad {
            command: &["grokctl", "up", "postgres://me:hunter2@h/lab"],
            env: &[],
            code: 2,
            says: &["unexpected argument '(redacted)'"],
        },
        Bad {
            command: &two_urls,
            env: &[],
            code: 2,
            says: &[
                "--database-url",
                "--database-url-file",
                "cannot be used with",
            ],
        },
        Bad {
            command: &empty_url,
            env: &[],
            code: 2,
            says: &["`empty` is empty"],
        },
        Bad {
            command: &half_tls,
            env: &[],
            code: 2,
            says: &["--tls-key"],
        },
        Bad {
            command: &not_pem,
            env: &[],
            code: 2,
            says: &["`file`", "PEM"],
        },
        Bad {
            command: &short,
            env: &[],
            code: 2,
            says: &["`short` has 3 characters", "openssl rand -hex 32"],
        },
        Bad {
            command: &no_token,
            env: &[],
            code: 2,
            says: &["`nowhere`"],
        },
        Bad {
            command: &plain,
            env: &one_token,
            code: 2,
            says: &["none for workers", "--worker-token-file"],
        },
        Bad {
            command: &plain,
            env: &same,
            code: 2,
            says: &["the same"],
        },
        Bad {
            command: &outside,
            env: &[],
            code: 2,
            says: &["0.0.0.0:0", "without tokens", "--client-token-file"],
        },
        Bad {
            command: &in_use,
            env: &[],
            code: 1,
            says: &[&taken, "--listen"],
        },
        Bad {
            command: &below_file,
            env: &[],
            code: 1,
            says: &["file/below", "--data"],
        },
    ];
    check(&table, dir.path());

    let work = |flags: &[&'static str]| [&["worker-verify", "work"], flags].concat();
    let (nonsense, ftp) = (
        work(&["--coordinator", "nonsense"]),
        work(&["--coordinator", "ftp://127.0.0.1:1"]),
    );
    let short = work(&["--token-file", "short"]);
    let no_nsjail = ["worker-verify", "--nsjail", "/nowhere/nsjail", "work"];
    let no_python = ["worker-verify", "--python", "/nowhere/python3", "work"];
    let table = [
        Bad {
            command: &nonsense,
            env: &[],
            code: 2,
            says: &["`nonsense`", "http://HOST:PORT"],
        },
        Bad {
            command: &ftp,
            env: &[],
            code: 2,
            says: &["`ftp://127.0.0.1:1`", "http://HOST:PORT"],
        },
        Bad {
            command: &short,
            env: &[],
            code: 2,
            says: &["`short` has 3 characters"],
        },
        Bad {
            command: &no_nsjail,
            env: &[],
            code: 1,
            says: &["/nowhere/nsjail", "make setup"],
        },
        Bad {
            command: &["worker-verify", "--nsjail", "/nowhere/nsjail", "check"],
            env: &[("RUST_BACKTRACE", "1")],
            code: 1,
            says: &["/nowhere/nsjail", "make setup"],
        },
        Bad {
            command: &no_python,
            env: &[],
            code: 1,
            says: &["/nowhere/python3"],
        },
        Bad {
            command: &["worker-gen", "work", "--coordinator", "nonsense"],
            env: &[],
            code: 2,
            says: &["`nonsense`"],
        },
        Bad {
            command: &["worker-train", "work", "--grace-seconds", "soon"],
            env: &[],
            code: 2,
            says: &["soon", "--grace-seconds"],
        },
    ];
    check(&table, dir.path());
}

#[test]
fn commands_that_cannot_work_say_what_to_do() {
    let stack = Stack::coordinator(&[]);
    let dir = stack.dir.path();
    let good = stack.file("good.toml", &experiment("one", 0, "none"));
    let ids = [(); 2].map(|()| {
        stack
            .grokctl_ok(&["submit", good.to_str().unwrap()])
            .trim()
            .to_owned()
    });
    let shared = ids[0]
        .chars()
        .zip(ids[1].chars())
        .take_while(|(a, b)| a == b)
        .count();
    assert!(shared > 0, "version 7 ids of one moment begin alike");
    let ambiguous = &ids[0][..shared];
    fs::create_dir(dir.join("taken")).unwrap();
    fs::write(dir.join("taken/mine"), "precious").unwrap();
    let address = stack.address.as_str();
    let at = |args: &[&'static str]| [&["grokctl", "--coordinator", address], args].concat();
    let (unknown, control) = (at(&["show", "nobody"]), at(&["pause", "nobody"]));
    let several = [&at(&["show"])[..], &[ambiguous]].concat();
    let taken = at(&["export", "one", "--out", "taken"]);
    let nothing = at(&["export", "one", "--out", "/proc/nowhere"]);
    let table = [
        Bad {
            command: &["grokctl", "--coordinator", "http://127.0.0.1:1", "list"],
            env: &[],
            code: 4,
            says: &["127.0.0.1:1", "grokctl up"],
        },
        Bad {
            command: &["grokctl", "--coordinator", "ftp://x", "list"],
            env: &[],
            code: 2,
            says: &["ftp://x", "http://HOST:PORT"],
        },
        Bad {
            command: &unknown,
            env: &[],
            code: 3,
            says: &["no experiment `nobody`", "grokctl list"],
        },
        Bad {
            command: &control,
            env: &[],
            code: 3,
            says: &["no experiment `nobody`", "grokctl list"],
        },
        Bad {
            command: &several,
            env: &[],
            code: 2,
            says: &[ambiguous, "more"],
        },
        Bad {
            command: &taken,
            env: &[],
            code: 2,
            says: &["taken", "--force"],
        },
        Bad {
            command: &nothing,
            env: &[],
            code: 1,
            says: &["`/proc`"],
        },
        Bad {
            command: &["grokctl", "run", "nowhere.toml"],
            env: &[],
            code: 3,
            says: &["`nowhere.toml`"],
        },
        Bad {
            command: &["grokctl", "shwo"],
            env: &[],
            code: 2,
            says: &["shwo", "show"],
        },
    ];
    check(&table, dir);
    assert_eq!(
        fs::read_to_string(dir.join("taken/mine")).unwrap(),
        "precious"
    );
}

/// One change of a good experiment file, and what is said about it.
const SETTINGS: [(&str, &str, &[&str]); 18] = [
    (
        "method = \"rft\"",
        "methd = \"rft\"",
        &["line", "did you mean `method`"],
    ),
    ("method = \"rft\"", "method = \"grpo\"", &["grpo", "rft"]),
    ("epochs = 4", "epochs = 0", &["`train.epochs` = 0", "1"]),
    ("epochs = 4", "epochs = \"four\"", &["epochs", "four"]),
    ("digits/digits=all", "digit", &["did you mean", "digits"]),
    (
        "train = 16",
        "train = 99999",
        &["wants 399992", "there are 2234", "ask for fewer"],
    ),
    (
        "difficulty = [1, 2]",
        "difficulty = [5, 2]",
        &["`problems.difficulty` = [5, 2]"],
    ),
    (
        "difficulty = [1, 2]",
        "ood = 4",
        &["`problems.held_out`", "name what ood asks"],
    ),
    (
        "difficulty = [1, 2]",
        "held_out = [\"digits\"]",
        &["held_out = [\"digits\"]", "set `problems.ood` too"],
    ),
    (
        "max_new_tokens = 48",
        "max_new_tokens = 48\nrollouts_per_job = 4096",
        &["`generate.rollouts_per_job` = 4096", "2463"],
    ),
    (
        "max_new_tokens = 48",
        "max_new_tokens = 48\n[evaluate]\nsamples = 2\npass_at = [1, 8]",
        &["`evaluate.pass_at` = 8", "evaluate.samples"],
    ),
    ("name = \"e\"", "name = \"../e\"", &["`name` = \"../e\""]),
    (
        "name = \"e\"",
        "name = \"--help\"",
        &["`name` = \"--help\"", "not starting with `-`"],
    ),
    (
        "name = \"e\"",
        "name = 2024-01-01",
        &["`name` = 2024-01-01", "in quotes: \"2024-01-01\""],
    ),
    (
        "name = \"e\"",
        "name = \"e\"\nstop = 3",
        &["`stop` is a table", "write [stop] on a line of its own"],
    ),
    (
        "difficulty = [1, 2]",
        "difficulty = [1, 2, 3]",
        &["`problems.difficulty` = [1, 2, 3]", "[lowest, highest]"],
    ),
    (
        "difficulty = [1, 2]",
        "difficulty = 2",
        &["`problems.difficulty` = 2", "[lowest, highest]"],
    ),
    (
        "train = 16",
        "train = \"16\"",
        &["`problems.train` = \"16\"", "a whole number"],
    ),
];

#[test]
fn experiment_files_that_cannot_run_are_refused_before_anything_starts() {
    let stack = Stack::coordinator(&[]);
    let dir = stack.dir.path();
    let good = experiment("e", 1, "rft");
    for (from, to, says) in SETTINGS {
        assert!(good.contains(from), "{from}");
        stack.file("bad.toml", &good.replacen(from, to, 1));
        let address = stack.address.as_str();
        let commands: [&[&str]; 3] = [
            &["grokctl", "validate", "bad.toml"],
            &["grokctl", "--coordinator", address, "submit", "bad.toml"],
            &["grokctl", "run", "--local", "bad.toml"],
        ];
        let says = [&["bad.toml"], says].concat();
        check(
            &commands.map(|command| Bad {
                command,
                env: &[],
                code: 2,
                says: &says,
            }),
            dir,
        );
    }
    assert_eq!(stack.sql("select count(*) from experiment").unwrap(), ["0"]);
    assert!(!dir.join("groklab-data").exists(), "nothing was started");
}
