//! Lines, closures, names.

use super::sources::sources;

const MAX_COLUMNS: usize = 100;
const MAX_CLOSURES_PER_100_LINES: f64 = 4.0;
const MAX_FILES_WITH_GENERATED_TYPES: usize = 20;

#[test]
fn no_line_is_longer_than_100_columns() {
    let mut long = Vec::new();
    for source in sources() {
        for (number, line) in (1..).zip(source.code().lines()) {
            if line.chars().count() > MAX_COLUMNS {
                long.push(format!("{}:{number}", source.path));
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

/// Matches of `\|[^|\n]{0,60}\|` that are not `||`.
fn closures(line: &str) -> usize {
    let mut count = 0;
    let mut rest = line;
    while let Some(start) = rest.find('|') {
        let after = &rest[start + 1..];
        match after.find('|') {
            Some(0) => rest = &after[1..],
            Some(length) if after[..length].chars().count() <= 60 => {
                count += 1;
                rest = &after[length + 1..];
            }
            _ => rest = after,
        }
    }
    count
}

#[test]
fn closures_are_few() {
    let (mut lines, mut found) = (0, 0);
    for source in sources() {
        for line in source.code().lines() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with("//") {
                lines += 1;
                found += closures(line);
            }
        }
    }
    let share = 100.0 * found as f64 / f64::from(lines);
    assert!(
        share < MAX_CLOSURES_PER_100_LINES,
        "{found} closures in {lines} lines"
    );
}

#[test]
fn closures_are_counted_as_the_rule_says() {
    assert_eq!(closures("a.map(|x| x + 1).filter(|x| y || z)"), 2);
    assert_eq!(closures("matches!(x, A | B) && c"), 0);
    assert_eq!(closures("c || d"), 0);
}

fn names_generated_types(code: &str) -> bool {
    for (start, _) in code.match_indices("groklab_proto::") {
        let path = &code[start + "groklab_proto::".len()..];
        let end = path.find(';').unwrap_or(path.len());
        let mut words = path[..end].split(|c: char| !c.is_alphanumeric());
        if path.starts_with("v1") || (path.starts_with('{') && words.any(|word| word == "v1")) {
            return true;
        }
    }
    false
}

#[test]
fn few_files_name_generated_types() {
    let mut naming = Vec::new();
    for source in sources() {
        let named = names_generated_types(source.code());
        if named && !source.path.starts_with("proto/") {
            naming.push(source.path);
        }
    }
    assert!(
        naming.len() <= MAX_FILES_WITH_GENERATED_TYPES,
        "{} files:\n{}",
        naming.len(),
        naming.join("\n")
    );
}

/// Names that nobody can search for, once public here.
const UNSEARCHABLE: [&str; 15] = [
    "some", "tell", "told", "Asking", "Held", "Taken", "Written", "About", "Standing", "Wanted",
    "Done", "MOST", "LOOK", "LONGEST", "LEAST",
];

#[test]
fn public_names_can_be_searched_for() {
    let mut found = Vec::new();
    for source in sources() {
        for line in source.code().lines() {
            let words: Vec<&str> = line
                .split(|c: char| !(c.is_alphanumeric() || c == '_'))
                .collect();
            for pair in words.windows(2) {
                let declares = matches!(
                    pair[0],
                    "fn" | "struct" | "enum" | "const" | "trait" | "type"
                );
                if declares
                    && line.trim_start().starts_with("pub")
                    && UNSEARCHABLE.contains(&pair[1])
                {
                    found.push(format!("{}: {}", source.path, line.trim()));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
