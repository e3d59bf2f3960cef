//! What is refused, and the words for it.

use std::collections::BTreeMap;

use groklab_domain::{Holdout, Split, experiment::Problems};
use groklab_problems::{Error, Plan, capacity, make, record_versions};

fn refused(change: fn(&mut Problems)) -> String {
    let mut spec = Problems {
        families: ["letters", "digits", "parentheses"]
            .map(String::from)
            .to_vec(),
        difficulty: [1, 4],
        ..Problems::default()
    };
    change(&mut spec);
    let error = Plan::new(&spec, 1).map(|_| ()).unwrap_err();
    error.to_string()
}

/// A change, and what is said of it.
type Row = (fn(&mut Problems), &'static [&'static str]);

#[test]
fn errors_name_the_fix() {
    let table: [Row; 15] = [
        (
            |s| s.families = vec!["leters".into()],
            &[
                "unknown family `leters`, did you mean `letters`?; known are ",
                "affine",
            ],
        ),
        (
            |s| s.families = vec!["bases/base=2,group=1".into()],
            &[
                "unknown rule `base=2,group=1` of `bases`, did you mean `base=2,group=",
                "more",
            ],
        ),
        (
            |s| {
                s.holdout = Holdout::Family;
                s.held_out = vec!["digits/digits=all".into()];
            },
            &["does not fit holdout = \"family\": name the family `digits`"],
        ),
        (
            |s| {
                (s.ood, s.difficulty) = (4, [1, 1]);
                s.held_out = vec!["parentheses/kinds=(),deepest=6".into()];
            },
            &["held_out `parentheses/kinds=(),deepest=6` is asked from difficulty 7 on, not at 1"],
        ),
        (
            |s| {
                s.families = vec!["letters".into(), "grids".into()];
                s.difficulty = [1, 1];
            },
            &["families `grids` is asked from difficulty 2 on, not at 1 and below: raise"],
        ),
        (
            |s| {
                s.ood = 4;
                s.held_out = vec!["rpn/notation=prefix".into()];
            },
            &["add `rpn` to families"],
        ),
        (
            |s| s.held_out = vec!["digits".into()],
            &["held_out = [\"digits\"] is asked by no split: set `problems.ood` too"],
        ),
        (
            |s| {
                s.holdout = Holdout::Case;
                s.families = vec!["digits/digits=all".into(), "digits/digits=even".into()];
                (s.train, s.val, s.test) = (1, 2, 2);
            },
            &["train only 1: raise train to at least 2, or use"],
        ),
        (
            |s| s.rules = Some(2),
            &[
                "has none of the 2 rules of `",
                "raise rules, or use holdout = \"case\"",
            ],
        ),
        (
            |s| (s.holdout, s.train, s.val, s.test) = (Holdout::Case, 8, 0, 80),
            &["`test` would ask 27 rules of `letters`, train only 3: raise train to at least 81"],
        ),
        (
            |s| {
                s.holdout = Holdout::Composition;
                s.train = 3;
            },
            &["train never does: raise train to at least "],
        ),
        (
            |s| s.holdout = Holdout::Extrapolation,
            &["`letters` declares none: leave the family out"],
        ),
        (
            |s| {
                s.holdout = Holdout::Family;
                s.held_out = s.families.clone();
            },
            &["`train` has nothing left to ask"],
        ),
        (
            |s| s.difficulty = [3, 11],
            &["unknown difficulty 11: use 1 to 10"],
        ),
        (
            |s| s.versions = BTreeMap::from([("digits".into(), 99)]),
            &["versions: `digits` = 99, but this build makes version 1"],
        ),
    ];
    for (change, parts) in table {
        let message = refused(change);
        for part in parts {
            assert!(message.contains(part), "{message}\nlacks: {part}");
        }
    }
}

#[test]
fn capacity_is_kept_to_the_last_case() {
    // A class that is counted exactly: ask for all of it, then for one problem more.
    let id = "digits=all";
    let exact = capacity("digits", id, 1).unwrap();
    assert!(exact.classes[0].exact);
    let cases = u32::try_from(exact.classes[0].of(Split::Val)).unwrap();
    let ask = |val| Problems {
        families: vec![format!("digits/{id}")],
        difficulty: [1, 1],
        train: 1,
        val,
        test: 1,
        visible: 0,
        hidden: 1,
        holdout: Holdout::Case,
        ..Problems::default()
    };
    // The last cases may not tell the siblings any more.
    let made = make(&ask(cases), 1);
    let told = matches!(made, Ok(_) | Err(Error::Untold { .. }));
    assert!(told, "{made:?}");
    let error = make(&ask(cases + 1), 1).unwrap_err();
    let named = matches!(
        error,
        Error::Capacity { capacity, wanted, .. }
            if capacity == u64::from(cases) && wanted == capacity + 1
    );
    assert!(named, "{error}");
}

/// The same, with ood asking what is held out.
fn spec_asking(spec: &Problems) -> Problems {
    Problems {
        families: vec!["letters".into(), "digits".into()],
        held_out: vec!["digits/digits=all".into()],
        ood: 2,
        ..spec.clone()
    }
}

#[test]
fn versions_are_filled_in() {
    let mut spec = Problems {
        families: vec!["letters".into(), "digits/digits=all".into()],
        held_out: vec!["bases".into()],
        ..Problems::default()
    };
    record_versions(&mut spec).unwrap();
    let named: Vec<&str> = spec.versions.keys().map(String::as_str).collect();
    assert_eq!(named, ["bases", "digits", "letters"]);
    // What is left of a family that is not asked decides nothing.
    spec.versions.insert("rpn".into(), 99);
    Plan::new(&spec_asking(&spec), 1).map(|_| ()).unwrap();
    spec.versions.remove("rpn");
    spec.versions.insert("digits".into(), 99);
    record_versions(&mut spec).unwrap();
    assert_eq!(spec.versions["digits"], 99);
}
