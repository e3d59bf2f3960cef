//! A real model in containers and on the machine itself.

use std::{fs, process::Command};

use groklab_tests::{binary, files::Results, root};

use crate::{
    engine::{engine_if_asked_for, output},
    files::composes,
    installation::Installation,
};

#[test]
fn a_real_model_does_in_containers_what_it_does_by_one_command() {
    let Some(_alone) = engine_if_asked_for() else {
        return;
    };
    let box_one = Installation::new("same", composes()[0]);
    let model = root().join(".groklab/models/smollm2-135m-instruct.gguf");
    let model = box_one.add_model(&model.canonicalize().unwrap());
    let file = format!(
        "name = \"real\"\nseed = 5\niterations = 1\n[model]\nsource = \"{}\"\n[problems]\n\
         families = [\"letters/letters=aeiou\", \"digits/digits=all\"]\n\
         holdout = \"case\"\ndifficulty = [1, 1]\ntrain = 16\nval = 2\n\
         test = 8\n[generate]\nsamples = 4\nmax_new_tokens = 128\n[train]\nepochs = 1\n\
         [evaluate]\nsamples = 1\n",
        model.display()
    );
    fs::write(box_one.home().join("real.toml"), file).unwrap();
    box_one.up(&[]);
    box_one.wait_until_healthy();
    box_one.grokctl_ok(&["submit", "real.toml", "--watch"]);
    let in_containers = box_one.results("real");
    box_one.compose(&["stop"]);
    // Else equal would say little.
    assert!(
        in_containers.adapters.contains_key("iter_1"),
        "{in_containers:?}"
    );

    let mut local = Command::new(binary("grokctl"));
    local.args([
        "run",
        "--local",
        "real.toml",
        "--data",
        "data",
        "--out",
        "local",
    ]);
    output(local.current_dir(box_one.home())).unwrap();
    assert_eq!(in_containers, Results::of(&box_one.home().join("local")));
}
