//! Grids of numbers: turned, read along paths such as spirals, and summed by their borders.

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::Grid,
};

mod paths;

use paths::{View, along, rings};

pub(super) const FAMILY: Family = Family {
    name: "grids",
    description: "turn grids of numbers, read them along paths, sum their borders",
    version: 1,
    unit: Unit::Rule,
    ordered: None,
    size: READINGS + 8 * TRIMS.len() as u32 + SUMS.len() as u32,
    rule,
};

const READINGS: u32 = 8 * (PATHS.len() * RESULTS.len()) as u32;
const PATHS: [&str; 4] = ["lines", "snake", "spiral", "diagonals"];
/// What becomes of the items in the order of a path.
const RESULTS: [(&str, &str); 6] = [
    ("list", "Return the list of the items in this order."),
    (
        "second",
        "Return the list of every second item in this order: the first, third, fifth and so on.",
    ),
    (
        "third",
        "Return the list of every third item in this order: the first, fourth, seventh and so on.",
    ),
    (
        "differences",
        "Return the list of differences in this order: the second item minus the first, the third \
         minus the second and so on.",
    ),
    (
        "rises",
        "In this order, return how many items are larger than the one right before them.",
    ),
    (
        "weighted",
        "In this order, return the sum of 1 times the first item, 2 times the second, 3 times the \
         third and so on.",
    ),
];
/// What is left out of a turned grid.
const TRIMS: [(&str, &str); 3] = [
    ("none", ""),
    ("first-row", "the first row"),
    ("last-column", "the last item of each row"),
];
const SUMS: [(&str, &str); 4] = [
    (
        "border",
        "Return the sum of the items on the border of the grid: those of its first and last row \
         and of its first and last column, each once.",
    ),
    (
        "inside",
        "Return the sum of the items that are not on the border of the grid, so neither in its \
         first or last row nor in its first or last column; 0 if there are none.",
    ),
    (
        "border-less-inside",
        "Return the sum of the items on the border of the grid (in its first or last row or in \
         its first or last column), minus the sum of all other items.",
    ),
    (
        "rings",
        "The border of the grid is its first ring; the border of what is left without it is the \
         next ring, and so on. Return the list of the sums of the rings, the outer one first.",
    ),
];

fn rule(number: u32) -> Option<Rule> {
    let Some(number) = number.checked_sub(READINGS) else {
        return Some(reading(Index::new(number)));
    };
    match number.checked_sub(8 * TRIMS.len() as u32) {
        None => turning(Index::new(number)),
        Some(number) => Some(sum(Index::new(number))),
    }
}

fn text(id: String, kind: &str, task: String, parameters: [&str; 3]) -> RuleText {
    let names = ["PATH", "VIEW", "RESULT"];
    let values = parameters.map(Value::str);
    RuleText {
        id,
        signature: format!("def change_grid(grid: list[list[int]]) -> {kind}"),
        task: format!("The grid is a list of rows, all of one length. {task}"),
        parameters: names.into_iter().zip(values).collect(),
        // With two rows a spiral is a snake.
        lowest_difficulty: 2,
    }
}

fn reading(mut index: Index) -> Rule {
    let (path, view) = (*index.pick(&PATHS), View::pick(&mut index));
    let (result, returned) = *index.pick(&RESULTS);
    let kind = match result {
        "rises" | "weighted" => "int",
        _ => "list[int]",
    };
    let id = RuleText::id_of(&[
        ("path", &path, ""),
        ("start", &view.name(), ""),
        ("result", &result, "list"),
    ]);
    let task = format!("{} {returned}", view.reading(path));
    let text = text(id, kind, task, [path, &view.name(), result]);
    Rule::new(text, Grid(1, 60), move |args| {
        let items = along(path, &view.of(grid(args)?));
        let every = |step: usize| items.iter().copied().step_by(step).collect();
        let listed = |items: Vec<i64>| Value::List(items.into_iter().map(Value::int).collect());
        Some(match result {
            "list" => listed(items),
            "second" => listed(every(2)),
            "third" => listed(every(3)),
            "differences" => listed(items.windows(2).map(|pair| pair[1] - pair[0]).collect()),
            "rises" => Value::int(items.windows(2).filter(|pair| pair[1] > pair[0]).count()),
            _ => Value::int(
                items
                    .iter()
                    .zip(1..)
                    .map(|(item, place)| item * place)
                    .sum::<i64>(),
            ),
        })
    })
}

fn turning(mut index: Index) -> Option<Rule> {
    let view = View::pick(&mut index);
    let (trim, trimmed) = *index.pick(&TRIMS);
    if view.is_plain() && trim == "none" {
        return None;
    }
    let id = RuleText::id_of(&[("turn", &view.turn(), ""), ("without", &trim, "none")]);
    let task = match (view.is_plain(), trim) {
        (true, _) => format!("Leave out {trimmed}."),
        (false, "none") => view.turning().to_owned(),
        (false, _) => format!("{} Then leave out {trimmed}.", view.turning()),
    };
    let task = format!("{task} Return the new grid.");
    let text = text(id, "list[list[int]]", task, ["grid", &view.name(), trim]);
    Some(Rule::new(text, Grid(1, 60), move |args| {
        let mut rows = view.of(grid(args)?);
        match trim {
            "first-row" => rows = rows.split_off(1),
            "last-column" => rows.iter_mut().for_each(|row| row.truncate(row.len() - 1)),
            _ => {}
        }
        let row = |row: Vec<i64>| Value::List(row.into_iter().map(Value::int).collect());
        Some(Value::List(rows.into_iter().map(row).collect()))
    }))
}

fn sum(mut index: Index) -> Rule {
    let (result, task) = *index.pick(&SUMS);
    let kind = if result == "rings" {
        "list[int]"
    } else {
        "int"
    };
    let id = RuleText::id_of(&[("sum", &result, "")]);
    let text = text(id, kind, task.to_owned(), ["rings", "none", result]);
    Rule::new(text, Grid(1, 60), move |args| {
        let rings = rings(&grid(args)?);
        let (border, inside) = (*rings.first()?, rings.iter().skip(1).sum::<i64>());
        Some(match result {
            "border" => Value::int(border),
            "inside" => Value::int(inside),
            "border-less-inside" => Value::int(border - inside),
            _ => Value::List(rings.into_iter().map(Value::int).collect()),
        })
    })
}

/// The rows of the grid, all of one length and not empty.
fn grid(args: &[Value]) -> Option<Vec<Vec<i64>>> {
    let rows = args::items(args, 0)?;
    let mut grid: Vec<Vec<i64>> = Vec::new();
    for place in 0..rows.len() {
        grid.push(args::ints(rows, place)?);
    }
    let width = grid.first()?.len();
    (width > 0 && grid.iter().all(|row| row.len() == width)).then_some(grid)
}
