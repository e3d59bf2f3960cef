//! Views of a grid, of which there are eight, and paths through it. A path from any corner is the
//! path from the top left corner, to the right, in another view.

use crate::index::Index;

/// From which corner the grid is looked at, and whether its columns are taken as its rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    bottom: bool,
    right: bool,
    columns: bool,
}

impl View {
    pub fn pick(index: &mut Index) -> Self {
        let [bottom, right, columns] = [0; 3].map(|_| index.take(2) == 1);
        Self {
            bottom,
            right,
            columns,
        }
    }

    pub fn is_plain(self) -> bool {
        !(self.bottom || self.right || self.columns)
    }

    pub fn of(self, mut grid: Vec<Vec<i64>>) -> Vec<Vec<i64>> {
        if self.bottom {
            grid.reverse();
        }
        if self.right {
            grid.iter_mut().for_each(|row| row.reverse());
        }
        if !self.columns {
            return grid;
        }
        let width = grid.first().map_or(0, Vec::len);
        (0..width)
            .map(|column| grid.iter().map(|row| row[column]).collect())
            .collect()
    }

    /// The corner, and where the path goes from it.
    pub fn name(self) -> String {
        let way = match (self.columns, self.bottom, self.right) {
            (false, _, false) => "right",
            (false, _, true) => "left",
            (true, false, _) => "down",
            (true, true, _) => "up",
        };
        format!("{}-{way}", self.corner().replace(' ', "-"))
    }

    fn corner(self) -> String {
        format!("{} {}", self.vertical()[0], self.horizontal()[0])
    }

    /// From the corner's side to the other.
    fn vertical(self) -> [&'static str; 2] {
        if self.bottom {
            ["bottom", "top"]
        } else {
            ["top", "bottom"]
        }
    }

    fn horizontal(self) -> [&'static str; 2] {
        if self.right {
            ["right", "left"]
        } else {
            ["left", "right"]
        }
    }

    /// The words for a path.
    pub fn reading(self, path: &str) -> String {
        let corner = self.corner();
        let ([top, bottom], [left, right]) = (self.vertical(), self.horizontal());
        let (line, [first, last], [from, to]) = if self.columns {
            ("column", [left, right], [top, bottom])
        } else {
            ("row", [top, bottom], [left, right])
        };
        match path {
            "lines" => format!(
                "Read the {line}s one after the other, from the {first} one to the {last} one, \
                 each from {from} to {to}."
            ),
            "snake" => format!(
                "Read the {line}s one after the other, from the {first} one to the {last} one: the \
                 first of them from {from} to {to}, the second from {to} to {from}, and so on in \
                 turns."
            ),
            "spiral" => {
                let turn = if (self.bottom == self.right) == self.columns {
                    "counterclockwise"
                } else {
                    "clockwise"
                };
                format!(
                    "Read all items in a spiral {turn} from outside to inside: start in the \
                     {corner} corner and go along its {line} first."
                )
            }
            _ => format!(
                "Read the diagonals one after the other: first the {corner} corner alone, then the \
                 two items next to it, and so on to the opposite corner. Read each diagonal from \
                 its {first} end to its {last} end."
            ),
        }
    }

    pub fn turn(self) -> &'static str {
        match (self.columns, self.bottom, self.right) {
            (false, false, false) => "none",
            (false, true, false) => "upside-down",
            (false, false, true) => "mirrored",
            (false, true, true) => "half",
            (true, false, false) => "columns",
            (true, true, false) => "clockwise",
            (true, false, true) => "counterclockwise",
            (true, true, true) => "columns-backwards",
        }
    }

    /// The words for the view as a grid of its own.
    pub fn turning(self) -> &'static str {
        match self.turn() {
            "none" => "",
            "upside-down" => "Reverse the order of the rows.",
            "mirrored" => "Reverse each row.",
            "half" => "Turn the grid by 180 degrees.",
            "columns" => "Exchange rows and columns: the first column becomes the first row.",
            "clockwise" => {
                "Turn the grid clockwise by 90 degrees: the first column, read from the bottom \
                 up, becomes the first row."
            }
            "counterclockwise" => {
                "Turn the grid counterclockwise by 90 degrees: the last column, read from the top \
                 down, becomes the first row."
            }
            _ => {
                "Exchange rows and columns backwards: the last column, read from the bottom up, \
                 becomes the first row, and so on."
            }
        }
    }
}

/// The items of the grid along a path from its top left corner to the right.
pub(super) fn along(path: &str, grid: &[Vec<i64>]) -> Vec<i64> {
    match path {
        "lines" => grid.concat(),
        "snake" => {
            let mut rows = grid.to_vec();
            rows.iter_mut()
                .skip(1)
                .step_by(2)
                .for_each(|row| row.reverse());
            rows.concat()
        }
        "spiral" => spiral(grid.to_vec()),
        _ => diagonals(grid),
    }
}

fn spiral(mut grid: Vec<Vec<i64>>) -> Vec<i64> {
    let mut items = Vec::new();
    while !grid.is_empty() {
        items.extend(grid.remove(0));
        // What is left, turned so that its right side is on top.
        let turned = View {
            bottom: false,
            right: true,
            columns: true,
        };
        grid = turned.of(grid);
    }
    items
}

fn diagonals(grid: &[Vec<i64>]) -> Vec<i64> {
    let width = grid.first().map_or(0, Vec::len);
    let mut items = Vec::new();
    for sum in 0..grid.len() + width {
        for (place, row) in grid.iter().enumerate().take(sum + 1) {
            items.extend(row.get(sum - place));
        }
    }
    items
}

/// The sums of the rings, the outer one first.
pub(super) fn rings(grid: &[Vec<i64>]) -> Vec<i64> {
    let mut sums = Vec::new();
    for (y, row) in grid.iter().enumerate() {
        for (x, item) in row.iter().enumerate() {
            let ring = y.min(x).min(grid.len() - 1 - y).min(row.len() - 1 - x);
            if sums.len() <= ring {
                sums.resize(ring + 1, 0);
            }
            sums[ring] += item;
        }
    }
    sums
}
