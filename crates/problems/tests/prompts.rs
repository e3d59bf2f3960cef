//! The first prompt of every rule, as a stored text. After a wanted change:
//! `GROKLAB_STORE_PROMPTS=1 cargo test -p groklab-problems`.

use std::{env, fs, path::Path};

use groklab_domain::experiment::Problems;
use groklab_problems::{families, make};

#[test]
fn prompts_are_as_stored() {
    let mut text = String::new();
    for family in families() {
        let spec = Problems {
            families: vec![family.name.to_owned()],
            difficulty: [1, 10],
            train: 8,
            val: 0,
            test: 1,
            ..Problems::default()
        };
        let problems = make(&spec, 7).expect("a small set of problems");
        for rule in family.rules {
            let first = problems
                .iter()
                .find(|problem| problem.rule == rule.about().id)
                .expect("every rule has its turn");
            text += &format!(
                "# {}/{} at {}\n{}\n\n",
                family.name,
                rule.about().id,
                first.difficulty,
                first.prompt
            );
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/prompts.txt");
    if env::var_os("GROKLAB_STORE_PROMPTS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert_eq!(text, fs::read_to_string(&path).unwrap());
}
