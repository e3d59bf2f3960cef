//! One file: its defaults, and what is said of one that is wrong.

use super::{super::explain::TABLES, *};

const SHORT: &str = "name = \"short\"\n[model]\nsource = \"model.gguf\"\n";

#[test]
fn defaults_make_a_short_file_run() {
    let experiment = parse(SHORT).unwrap();
    assert_eq!((experiment.iterations, experiment.train.rank), (3, 16));
    let kept = |text: &str| parse(text).unwrap().train.gradient_checkpointing;
    assert!(!kept(SHORT) && kept(&format!("{SHORT}[train]\ngradient_checkpointing = true\n")));
}

#[test]
fn at_least_one_checkpoint_is_kept() {
    let with = |keep: u32| parse(&format!("keep_checkpoints = {keep}\n{SHORT}"));
    assert_eq!(with(1).unwrap().keep_checkpoints, Some(1));
    assert_eq!(
        with(0).unwrap_err().to_string(),
        "line 1: `keep_checkpoints` = 0: use 1 to 100000"
    );
}

#[test]
fn pass_at_follows_the_samples() {
    let ks = |tail: &str| {
        parse(&format!("{SHORT}[evaluate]\n{tail}"))
            .unwrap()
            .evaluate
            .pass_at()
    };
    assert_eq!(
        (
            ks("samples = 2\n"),
            ks("samples = 0\n"),
            ks("samples = 1\n")
        ),
        (vec![1, 2], vec![], vec![1])
    );
    assert_eq!(ks("pass_at = [4, 1, 2]\n"), [1, 2, 4]);
}

#[test]
fn defaults_survive_json() {
    let experiment = parse(SHORT).unwrap();
    let json = serde_json::to_string(&experiment).unwrap();
    assert_eq!(
        serde_json::from_str::<Experiment>(&json).unwrap(),
        experiment
    );
}

#[test]
fn errors_name_key_value_line_and_fix() {
    let table = [
        (
            "[train]\nrnak = 8\n",
            "line 5: unknown key `rnak`; did you mean `rank`?",
        ),
        (
            "[train]\nrank = \"eight\"\n",
            "line 5: `train.rank` = \"eight\": use a whole number from 0 to 4294967295",
        ),
        (
            "[train]\nrank = 0\n",
            "line 5: `train.rank` = 0: use 1 to 512",
        ),
        (
            "[train]\ngradient_checkpointing = \"yes\"\n",
            "line 5: `train.gradient_checkpointing` = \"yes\": use true or false",
        ),
        (
            "[train]\nmethod = \"grpo\"\n",
            "line 5: `train.method` = \"grpo\": use `rft` or `none`",
        ),
        (
            "[train]\nselect = \"best\"\n",
            "line 5: `train.select` = \"best\": use one of `verified`, `visible`, `parses`, \
                `any`, `greedy`, `shuffled`",
        ),
        (
            "[train]\nselect = \"visible\"\n[problems]\nvisible = 0\n",
            "line 5: `train.select` = \"visible\": prompts that show no case have nothing to \
                verify by: set `problems.visible` above 0",
        ),
        (
            "[train]\nselect = \"greedy\"\n[evaluate]\nevery = 2\n",
            "line 5: `train.select` = \"greedy\": it takes the greedy completions of every \
                iteration's evaluation: set `evaluate.every` = 2 to 1",
        ),
        (
            "[evaluate]\nsamples = 2\npass_at = [1, 4]\n",
            "line 6: `evaluate.pass_at` = 4: use 1 to `evaluate.samples` = 2",
        ),
        (
            "[problems]\nfamilies = []\n",
            "line 5: `problems.families` = []: name at least one family",
        ),
        (
            "[problems]\ndifficulty = [7, 3]\n",
            "line 5: `problems.difficulty` = [7, 3]: use [lowest, highest] between 1 and 10",
        ),
    ];
    for (tail, expected) in table {
        assert_eq!(
            parse(&format!("{SHORT}{tail}")).unwrap_err().to_string(),
            expected
        );
    }
}

#[test]
fn a_missing_key_is_named() {
    let message = |text: &str| parse(text).unwrap_err().to_string();
    let table = "line 1: missing table [model]: write [model] on a line of its own, and \
        `source = \"…\"` below it";
    assert_eq!(message("name = \"x\"\n"), table);
    assert_eq!(
        message("name = \"x\"\n[model]\n"),
        "line 2: missing key `source`"
    );
    assert_eq!(
        message("[model]\nsource = \"m.gguf\"\n"),
        "line 1: missing key `name`"
    );
}

#[test]
fn a_key_that_is_given_twice_is_named() {
    let message = |tail: &str| parse(&format!("{SHORT}{tail}")).unwrap_err().to_string();
    assert_eq!(
        message("[train]\nrank = 8\nrank = 16\n"),
        "line 6: `rank` is given twice"
    );
    assert_eq!(
        message("[train]\nrank = 8\n[train]\nepochs = 1\n"),
        "line 6: `train` is given twice"
    );
}

#[test]
fn a_range_of_difficulties_has_two_ends() {
    for value in [
        "[1, 2, 3]",
        "[3]",
        "[]",
        "3",
        "\"1-5\"",
        "[\"1\", \"5\"]",
        "[1.0, 5.0]",
        "[-1, 5]",
        "[1, 300]",
        "{ lowest = 1 }",
        "[0, 5]",
    ] {
        let message = parse(&format!("{SHORT}[problems]\ndifficulty = {value}\n"))
            .unwrap_err()
            .to_string();
        assert_eq!(
            message,
            format!(
                "line 5: `problems.difficulty` = {value}: use [lowest, highest] between 1 and \
                    10"
            )
        );
    }
}

#[test]
fn a_name_can_be_named_on_the_command_line() {
    let message = |name: &str| {
        parse(&SHORT.replace("\"short\"", name))
            .unwrap_err()
            .to_string()
    };
    for name in [
        "\"--help\"",
        "\"-x\"",
        "\"-\"",
        "\".x\"",
        "\"\"",
        "\"a b\"",
        "\"a@1\"",
    ] {
        let fix = "use 1 to 64 letters, digits, `-`, `_` or `.`, not starting with `-` or `.`";
        assert_eq!(message(name), format!("line 1: `name` = {name}: {fix}"));
    }
    assert!(message("\"0198c0de-0000-7000-8000-000000000000\"").contains("it reads as an id"));
    for unquoted in ["2024-01-01", "2024-01-01T00:00:00Z", "7", "1.5", "true"] {
        assert_eq!(
            message(unquoted),
            format!("line 1: `name` = {unquoted}: use a text in quotes: \"{unquoted}\"")
        );
    }
    for good in ["a-b", "2024-01-01", "deadbeef", "_x"] {
        assert_eq!(parse(&SHORT.replace("short", good)).unwrap().name, good);
    }
}

#[test]
fn a_revision_belongs_to_a_hub_id() {
    let with = |source: &str, revision: &str| {
        let model = format!("[model]\nsource = \"{source}\"\nrevision = \"{revision}\"\n");
        parse(&format!("name = \"x\"\n{model}"))
    };
    let model = with("org/name", "refs/pr/3").unwrap().model;
    assert_eq!(model.revision.as_deref(), Some("refs/pr/3"));
    let message = with("m.gguf", "main").unwrap_err().to_string();
    assert_eq!(
        message,
        "line 4: `model.revision` = \"main\": `model.source` = \"m.gguf\" is no hub id, and \
         files have no revisions: leave it out"
    );
    let message = with("org/name", "../x").unwrap_err().to_string();
    assert!(
        message.contains("name a branch, a tag or a commit"),
        "{message}"
    );
}

#[test]
fn a_table_is_nothing_else() {
    let message = |text: &str| parse(text).unwrap_err().to_string();
    assert_eq!(
        message("name = \"x\"\nmodel = \"m.gguf\"\n"),
        "line 2: `model` is a table: write [model] on a line of its own, and `source = \
            \"m.gguf\"` below it"
    );
    // A list would be taken for the table's values in their order.
    let once = "write [model] once, on a line of its own, and its keys below it";
    assert_eq!(
        message("name = \"x\"\nmodel = [\"m.gguf\"]\n"),
        format!("line 2: `model` is a table: {once}")
    );
    assert_eq!(
        message("name = \"x\"\n[[model]]\nsource = \"m.gguf\"\n"),
        format!("line 2: `model` is a table: {once}")
    );
    for table in TABLES {
        let text = SHORT.replace("[model]\nsource = \"model.gguf\"\n", "");
        for value in ["3", "[]", "true", "\"x\"", "1979-05-27"] {
            let refused = message(&format!("{text}{table} = {value}\n"));
            assert!(
                refused.starts_with(&format!("line 2: `{table}` is a table: write [{table}] ")),
                "{refused}"
            );
        }
    }
    assert_eq!(
        parse("name = \"x\"\nmodel = { source = \"m.gguf\" }\n")
            .unwrap()
            .model
            .source,
        "m.gguf"
    );
}

/// Every key with its default, as TOML. Options are added: they have none.
fn every_key() -> toml::Table {
    let mut experiment = parse(SHORT).unwrap();
    experiment.stop.target_accuracy = Some(0.5);
    experiment.model.source = "org/name".to_owned();
    experiment.model.revision = Some("main".to_owned());
    toml::Table::try_from(&experiment).unwrap()
}

/// Words of Rust and of serde that a message must not hold, and values of every kind.
const FOREIGN: &str =
    "u8 u32 u64 usize f64 bool struct enum variant sequence map unit newtype field invalid";
const VALUES: &str = "\"x\"|-1|99999999999|1.5|true|[]|[1, 2, 3]|[true]|[\"x\", 1]|{ a = 1 \
    }|2024-01-01|[[1]]|nan";

/// Checks what is said of a file that is wrong in `key`; 1 if it is refused.
fn refusal(text: &str, key: &str) -> u32 {
    let Err(error) = parse(text) else { return 0 };
    let message = error.to_string();
    let foreign = message
        .split(|c: char| !c.is_alphanumeric())
        .find(|word| FOREIGN.split(' ').any(|foreign| foreign == *word));
    assert!(
        foreign.is_none() && message.starts_with("line ") && message.contains(&format!("`{key}`")),
        "{key}: {message}"
    );
    1
}

#[test]
fn no_message_speaks_of_rusts_types() {
    let (mut keys, mut refused) = (0, 0);
    for (name, value) in every_key() {
        let text = match name.as_str() {
            "name" => "[model]\nsource = \"m.gguf\"\n",
            "model" => "name = \"short\"\n",
            _ => SHORT,
        };
        let inner = value
            .as_table()
            .map(|table| table.keys().collect::<Vec<_>>());
        for value in VALUES.split('|') {
            refused += inner
                .iter()
                .flatten()
                .map(|key| {
                    // Only a hub id has one.
                    let source = match key.as_str() {
                        "revision" => "source = \"org/name\"\n",
                        _ => "",
                    };
                    refusal(
                        &format!("{text}[{name}]\n{key} = {value}\n{source}"),
                        &format!("{name}.{key}"),
                    )
                })
                .sum::<u32>();
            refused += if inner.is_none() {
                refusal(&format!("{name} = {value}\n{text}"), &name)
            } else {
                0
            };
        }
        keys += inner.map_or(1, |keys| keys.len() as u32);
    }
    assert!(
        keys > 35 && refused > keys * 9,
        "{refused} refused of {keys} keys"
    );
}
