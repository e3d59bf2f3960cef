//! That ten thousand problems are planned at once and made in seconds. The bounds are wide, for
//! machines that do other things as well: what they catch is a step for every rule of every problem.

use std::time::{Duration, Instant};

use groklab_domain::{Split, experiment::Problems};
use groklab_problems::Plan;

#[test]
fn ten_thousand_problems_are_planned_at_once() {
    let spec = Problems {
        families: crate::spec::names(usize::MAX),
        difficulty: [4, 8],
        train: 6_000,
        val: 2_000,
        test: 2_000,
        ..Problems::default()
    };
    let start = Instant::now();
    let plan = Plan::new(&spec, 1).unwrap();
    let shown = plan.problems_of(|split, _| split == Split::Test).take(3);
    assert_eq!((plan.splits().len(), shown.count()), (10_000, 3));
    let planned = start.elapsed();
    for problem in plan.problems() {
        problem.unwrap_or_else(|error| panic!("{error}"));
    }
    let made = start.elapsed() - planned;
    println!("10,000 problems: planned in {planned:?}, made in {made:?}");
    assert!(planned < Duration::from_secs(10), "{planned:?}");
    assert!(made < Duration::from_secs(120), "{made:?}");
}
