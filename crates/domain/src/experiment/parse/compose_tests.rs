//! Several files and settings: which goes before which, and who is named where one is wrong.

use super::*;

const SHORT: &str = "name = \"short\"\n[model]\nsource = \"model.gguf\"\n";
const GPU: &str = "[train]\nrank = 64\n[problems]\nfamilies = [\"gcd\"]\n";

fn composed(base: &str, gpu: &str, settings: &[&str]) -> Result<Composed, Error> {
    let file = |name, text| Source::File { name, text };
    let mut sources = vec![file("base.toml", base), file("gpu.toml", gpu)];
    sources.extend(settings.iter().map(|text| Source::Set(text)));
    compose(&sources)
}

#[test]
fn later_sources_go_before_earlier_ones_key_by_key() {
    let base = format!("{SHORT}[train]\nrank = 8\nepochs = 5\n");
    let both = composed(&base, GPU, &[]).unwrap().experiment;
    assert_eq!((both.train.rank, both.train.epochs), (64, 5));
    assert_eq!(both.problems.families, ["gcd"]);
    let set = composed(
        &base,
        GPU,
        &[
            "name=other",
            "train.rank=4",
            "train.rank=2",
            "model.chat.enable_thinking=false",
            "problems={ val = 3 }",
        ],
    );
    let set = set.unwrap().experiment;
    assert_eq!((set.name.as_str(), set.train.rank), ("other", 2));
    assert_eq!((set.problems.val, set.problems.families.len()), (3, 1));
    assert_eq!(set.model.chat.variables["enable_thinking"], false);
}

#[test]
fn a_key_knows_which_source_said_it() {
    let composed = composed(SHORT, "name = \"x\"\n", &["seed=3"]).unwrap();
    let said = |key: &str| {
        let origin = composed.origin(key)?;
        Some((origin.source, origin.place.to_string()))
    };
    assert_eq!(
        said("model.source"),
        Some((0, "`base.toml` line 3".to_owned()))
    );
    assert_eq!(said("name"), Some((1, "`gpu.toml` line 1".to_owned())));
    assert_eq!(said("seed"), Some((2, "--set seed=3".to_owned())));
    assert_eq!(said("train.rank"), None);
}

#[test]
fn errors_name_the_file_or_the_setting() {
    let table: [(&str, &[&str], &str); 13] = [
        (
            "x = 1\n",
            &[],
            "`gpu.toml` line 1: unknown key `x`; known here are name, seed, \
            iterations, keep_checkpoints, model, problems, generate, verify, train, evaluate, \
            stop",
        ),
        (
            "\n[train]\nrank = 0\n",
            &[],
            "`gpu.toml` line 3: `train.rank` = 0: use 1 to 512",
        ),
        (
            "= 1\n",
            &[],
            "`gpu.toml` line 1: unquoted keys cannot be empty, expected letters, numbers, `-`, `_`",
        ),
        (
            "train = 3\n",
            &[],
            "`gpu.toml` line 1: `train` is a table: write [train] on a line \
            of its own, and its keys below it",
        ),
        (
            "",
            &["train.rank=0"],
            "--set train.rank=0: `train.rank` = 0: use 1 to 512",
        ),
        (
            "",
            &["train.rank=eight"],
            "--set train.rank=eight: `train.rank` = \"eight\": use a \
            whole number from 0 to 4294967295",
        ),
        (
            "",
            &["seed=1", "train.rnak=8"],
            "--set train.rnak=8: unknown key `rnak`; did you \
            mean `rank`?",
        ),
        (
            "",
            &["train=8"],
            "--set train=8: `train` is a table: set its keys, as in \
            train.KEY=VALUE",
        ),
        (
            "",
            &["name.x=8"],
            "--set name.x=8: `name` = a table: use a text in quotes",
        ),
        (
            "",
            &["model.source.x=8"],
            "--set model.source.x=8: `model.source` = a table: use a text in quotes",
        ),
        (
            "",
            &["train"],
            "--set train: write KEY=VALUE, as in train.rank=8",
        ),
        (
            "",
            &["problems.families=[\"rpn\", 3]"],
            "--set problems.families=[\"rpn\", 3]: \
            `problems.families` = [\"rpn\", 3]: in the list use a text in quotes",
        ),
        (
            "[evaluate]\nsamples = 2\n",
            &["evaluate.pass_at=[4]"],
            "--set \
            evaluate.pass_at=[4]: `evaluate.pass_at` = 4: use 1 to `evaluate.samples` = 2",
        ),
    ];
    for (gpu, settings, expected) in table {
        let error = composed(SHORT, gpu, settings).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    // What the later file would hide is wrong all the same.
    let hidden = composed(&format!("train = 3\n{SHORT}"), GPU, &[]).unwrap_err();
    assert!(
        hidden
            .to_string()
            .starts_with("`base.toml` line 1: `train` is a table")
    );
}
