//! Groups: sweeps and seeds of one file, submitted together, run one after the other, and looked at together.
#![expect(
    clippy::unwrap_used,
    reason = "a test: a failure is a panic with its place"
)]

use std::{
    fs,
    process::{Command, Output, Stdio},
};

use groklab_tests::files::experiment;
use groklab_tests::{Stack, binary};
use serde_json::Value;

const ONE_RULE: &str = "[\"digits/digits=all\"]";
/// In every split: one shows nothing of others.
const TWO_RULES: &str = "[\"digits/digits=all\", \"digits/digits=even\"]";

fn file(stack: &Stack, name: &str) -> String {
    let text = experiment(name, 1, "rft").replace(ONE_RULE, TWO_RULES);
    let path = stack.file("arms.toml", &text);
    path.to_str().unwrap().to_owned()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn arms_and_seeds_are_one_group_on_the_same_problems() {
    let stack = Stack::full();
    let file = file(&stack, "arms");
    let sweep = ["--sweep", "train.select=verified,any", "--seeds", "1..2"];
    let arguments = [&["submit", &file][..], &sweep].concat();
    let ids = stack.grokctl_ok(&arguments);
    let ids: Vec<&str> = ids.lines().collect();
    assert_eq!(ids.len(), 4);
    for id in &ids {
        stack.grokctl_ok(&["watch", id]);
    }
    let listed = stack.grokctl_ok(&["list", "--tag", "arms"]);
    for name in [
        "arms-verified-seed1",
        "arms-verified-seed2",
        "arms-any-seed1",
        "arms-any-seed2",
    ] {
        assert!(listed.contains(name), "{name}: {listed}");
    }
    let asked = "select count(distinct p) from (select experiment_id, string_agg(prompt, '' order by ordinal) p from problem group by 1) asked";
    assert_eq!(stack.sql(asked).unwrap(), ["1"], "the same problems");

    let report = stack.grokctl_ok(&["--json", "group", "arms"]);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(
        (&report["units"], &report["split"]),
        (&2.into(), &"test".into())
    );
    let arms = report["arms"].as_array().unwrap();
    let names: Vec<&str> = arms
        .iter()
        .map(|arm| arm["arm"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["train.select=verified", "train.select=any"]);
    for arm in arms {
        assert_eq!(arm["seeds"], serde_json::json!([1, 2]));
        assert_eq!(arm["iterations"], serde_json::json!([1, 1]));
        // Greedily the untrained model is the same whatever the seed.
        assert_eq!(arm["before"], arms[0]["before"]);
        let gained = arm["after"].as_f64().unwrap() - arm["before"].as_f64().unwrap();
        assert!((arm["gain"]["difference"].as_f64().unwrap() - gained).abs() < 1e-9);
    }
    let between = &report["differences"][0];
    assert_eq!(
        (
            &between["arm"],
            &between["against"],
            &between["difference"]["seeds"]
        ),
        (
            &"train.select=verified".into(),
            &"train.select=any".into(),
            &2.into()
        )
    );
    let text = stack.grokctl_ok(&["group", "arms", "--split", "val"]);
    assert!(
        text.contains("arms: val accuracy, greedy, n = 2 rules"),
        "{text}"
    );

    // Submitted again, what is there is taken as it is.
    let again = stack.grokctl_ok(&arguments);
    assert_eq!(again.lines().collect::<Vec<_>>(), ids);
    // One with the same arm and seed would count twice.
    let single = ["--set", "train.select=any", "--set", "seed=2", "--set"];
    let problems = ["problems.seed=0", "--set", "name=again", "--watch"];
    stack.grokctl_ok(&[&["submit", &file][..], &single, &problems].concat());
    stack.grokctl_ok(&["tag", "again", "+arms"]);
    let refused = stack.grokctl(&["group", "arms"]);
    assert_eq!(refused.status.code(), Some(2));
    for part in [
        "the same arm with the same seed, 2",
        "again (",
        "arms-any-seed2 (",
    ] {
        assert!(told(&refused).contains(part), "{part}: {}", told(&refused));
    }
    // Other problems are another matter.
    stack.grokctl_ok(&["tag", "again", "-arms"]);
    let others = ["--set", "seed=9", "--set", "name=others", "--watch"];
    stack.grokctl_ok(&[&["submit", &file][..], &others].concat());
    stack.grokctl_ok(&["tag", "others", "+arms"]);
    let refused = stack.grokctl(&["group", "arms"]);
    assert!(
        told(&refused).contains("do not ask the same problems"),
        "{}",
        told(&refused)
    );
}

#[test]
fn a_group_with_a_member_that_cannot_be_is_not_submitted_at_all() {
    let stack = Stack::coordinator(&[]);
    let file = file(&stack, "arms");
    for (sweep, why) in [
        ("train.select=verified,best", "best"),
        ("train.rank=8,0", "train.rank"),
        ("train.rank=8,8", "would be called `arms-8`"),
        ("train.ranks=8,16", "ranks"),
        ("problems.seed=1,2", "sweeps no `problems.seed`"),
    ] {
        let refused = stack.grokctl(&["submit", &file, "--sweep", sweep]);
        assert_eq!(
            refused.status.code(),
            Some(2),
            "{sweep}: {}",
            told(&refused)
        );
        assert!(told(&refused).contains(why), "{sweep}: {}", told(&refused));
    }
    assert_eq!(stack.sql("select count(*) from experiment").unwrap(), ["0"]);
    let missing = stack.grokctl(&["group", "nothing"]);
    assert_eq!(missing.status.code(), Some(3));
    assert!(
        told(&missing).contains("no experiment has this tag"),
        "{}",
        told(&missing)
    );
    stack.grokctl_ok(&["submit", &file, "--sweep", "train.rank=4,8"]);
    let early = stack.grokctl(&["group", "arms"]);
    assert_eq!(early.status.code(), Some(2));
    assert!(
        told(&early).contains("none of them is completed"),
        "{}",
        told(&early)
    );
}

#[test]
fn a_group_run_here_goes_on_where_it_was() {
    let dir = groklab_tests::folder();
    let path = dir.path().join("arms.toml");
    fs::write(
        &path,
        experiment("arms", 1, "rft").replace(ONE_RULE, TWO_RULES),
    )
    .unwrap();
    let run = |flags: &[&str]| -> Output {
        let mut command = Command::new(binary("grokctl"));
        command.args(["--data", "data", "run", "--local", "arms.toml"]);
        command.args(flags).current_dir(dir.path());
        command.stdin(Stdio::null()).output().unwrap()
    };
    let refused = run(&["--sweep", "train.rank=4,8", "--out", "out"]);
    assert_eq!(refused.status.code(), Some(2), "{}", told(&refused));
    assert!(!dir.path().join("data").exists(), "nothing was started");

    let first = run(&["--sweep", "train.rank=4,8"]);
    assert!(first.status.success(), "{}", told(&first));
    let printed = String::from_utf8_lossy(&first.stdout).into_owned();
    assert!(
        printed.contains("train.rank=4 over train.rank=8, 1 seed: "),
        "{printed}"
    );
    for name in ["arms-4", "arms-8"] {
        let metrics = dir
            .path()
            .join("experiments")
            .join(name)
            .join("metrics.jsonl");
        assert_eq!(fs::read_to_string(metrics).unwrap().lines().count(), 2);
    }

    // What is done is not done again, and a third value joins the group.
    let second = run(&["--sweep", "train.rank=4,8,16"]);
    assert!(second.status.success(), "{}", told(&second));
    for done in ["arms-4 is done already", "arms-8 is done already"] {
        assert!(told(&second).contains(done), "{}", told(&second));
    }
    assert!(
        !told(&second).contains("submitted arms-8"),
        "{}",
        told(&second)
    );
    let printed = String::from_utf8_lossy(&second.stdout).into_owned();
    assert!(
        printed.contains("train.rank=4 over train.rank=16, 1 seed: "),
        "{printed}"
    );
}
