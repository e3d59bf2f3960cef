//! A turtle on a grid: how far it turns and goes, what is at the border, and what is asked of its
//! way.

use std::collections::BTreeSet;

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::Text,
};

pub(super) const FAMILY: Family = Family {
    name: "turtle",
    description: "follow a turtle's commands over a grid",
    version: 1,
    unit: Unit::Rule,
    ordered: Some("STEP"),
    size: (ANGLES.len() * STEPS.len() * BORDERS.len() * STARTS.len() * ASKED.len()) as u32,
    rule,
};

/// Degrees of a turn.
const ANGLES: [i64; 2] = [90, 45];
const STEPS: [i64; 4] = [1, 2, 3, 4];
/// What is at the border, and how many places x and y have; 0: there is none.
const BORDERS: [(&str, i64); 6] = [
    ("none", 0),
    ("wrap", 9),
    ("wrap", 10),
    ("wrap", 12),
    ("wall", 5),
    ("wall", 9),
];
/// The direction at the start, in eighths of a turn to the right of north.
const STARTS: [(&str, usize); 4] = [("north", 0), ("east", 2), ("south", 4), ("west", 6)];
/// What is asked: an id, the type, and the words for it.
const ASKED: [(&str, &str, &str); 3] = [
    (
        "place",
        "list[int]",
        "Return the list [x, y] of the place at the end.",
    ),
    ("sum", "int", "Return x + y at the end."),
    (
        "visited",
        "int",
        "Return at how many different places the turtle has been before or after a command, the \
         start included.",
    ),
];
/// Steps by direction, from north to the right.
const WAYS: [(i64, i64); 8] = [
    (0, 1),
    (1, 1),
    (1, 0),
    (1, -1),
    (0, -1),
    (-1, -1),
    (-1, 0),
    (-1, 1),
];

#[derive(Clone, Copy)]
struct Turtle {
    angle: i64,
    step: i64,
    border: &'static str,
    size: i64,
    start: usize,
}

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let (asked, kind, question) = *index.pick(&ASKED);
    let (angle, step) = (*index.pick(&ANGLES), *index.pick(&STEPS));
    let (border, size) = *index.pick(&BORDERS);
    let (facing, start) = *index.pick(&STARTS);
    let turtle = Turtle {
        angle,
        step,
        border,
        size,
        start,
    };
    // Another start only turns the way, and another step stretches it; few ways go around.
    if asked == "visited" && (start > 0 || step > 1 || border == "wrap") {
        return None;
    }
    // The turtle would never move.
    if border == "wall" && step > size / 2 {
        return None;
    }
    let text = RuleText {
        id: RuleText::id_of(&[
            ("angle", &angle, "90"),
            ("step", &step, ""),
            ("border", &border, "none"),
            ("size", &size, "0"),
            ("facing", &facing, "north"),
            ("asked", &asked, "place"),
        ]),
        signature: format!("def walk(commands: str) -> {kind}"),
        task: format!("{} {question}", task(turtle, facing)),
        parameters: vec![
            ("ANGLE", Value::int(angle)),
            ("STEP", Value::int(step)),
            ("BORDER", Value::str(border)),
            ("SIZE", Value::int(size)),
            ("START", Value::int(start)),
            ("ASKED", Value::str(asked)),
        ],
        lowest_difficulty: 1,
    };
    let rule = Rule::new(text, Text::of("FLRB"), move |args| {
        answer(args::text(args, 0)?, turtle, asked)
    });
    if asked == "visited" {
        return Some(rule);
    }
    // Left and right exchanged.
    Some(rule.mistaken_for(move |args| {
        let exchanged = args::text(args, 0)?.chars().map(|command| match command {
            'L' => 'R',
            'R' => 'L',
            command => command,
        });
        answer(&exchanged.collect::<String>(), turtle, asked)
    }))
}

fn task(turtle: Turtle, facing: &str) -> String {
    let Turtle {
        angle, step, size, ..
    } = turtle;
    let mut task = format!(
        "A turtle starts at x = 0, y = 0 and faces {facing}; x grows to the east, y to the north. \
         L turns it left and R right by {angle} degrees. F moves it {step} forward, B moves it \
         {step} backward without turning."
    );
    if angle == 45 {
        task += &format!(" On a diagonal both x and y change by {step}.");
    }
    match turtle.border {
        "wrap" => {
            task += &format!(
                " x and y are always 0 to {}: take them modulo {size} after every move.",
                size - 1
            );
        }
        "wall" => {
            let last = size / 2;
            task += &format!(
                " A move after which x or y would be below -{last} or above {last} is not made."
            );
        }
        _ => {}
    }
    task
}

fn answer(commands: &str, turtle: Turtle, asked: &str) -> Option<Value> {
    let (mut x, mut y, mut direction) = (0, 0, turtle.start);
    let eighths = usize::try_from(turtle.angle / 45).ok()?;
    let mut visited = BTreeSet::from([(0, 0)]);
    for command in commands.chars() {
        let sign = match command {
            'L' | 'R' => {
                direction += if command == 'R' { eighths } else { 8 - eighths };
                continue;
            }
            'F' => turtle.step,
            'B' => -turtle.step,
            _ => return None,
        };
        let way = WAYS[direction % 8];
        let next = (x + sign * way.0, y + sign * way.1);
        let last = turtle.size / 2;
        match turtle.border {
            "wrap" => {
                (x, y) = (
                    next.0.rem_euclid(turtle.size),
                    next.1.rem_euclid(turtle.size),
                );
            }
            "wall" if next.0.abs() > last || next.1.abs() > last => {}
            _ => (x, y) = next,
        }
        visited.insert((x, y));
    }
    Some(match asked {
        "place" => Value::List(vec![Value::int(x), Value::int(y)]),
        "sum" => Value::int(x + y),
        _ => Value::int(visited.len()),
    })
}
