//! `docs/experiment-file.md`.

use super::{
    defaults::as_toml,
    keys::{Key, Table},
};

/// What stands before the tables; all else is the schema's.
const HEAD: &str = include_str!("head.md");

/// The page.
pub fn markdown(tables: &[Table]) -> String {
    let mut text = HEAD.to_owned();
    for table in tables {
        text.push_str(&table_section(table));
    }
    text.push_str(&families_section());
    text.trim_end().to_owned()
}

fn table_section(table: &Table) -> String {
    let title = match table.name.as_str() {
        "" => "Keys before the first table".to_owned(),
        name => format!("`[{name}]`"),
    };
    let mut text = format!("\n## {title}\n{}\n\n", table.description);
    text.push_str("| key | values | default | what it does |\n|---|---|---|---|\n");
    for key in &table.keys {
        text.push_str(&row(key));
    }
    if let Some(others) = &table.others {
        text.push_str(&format!("| any other | | | {} |\n", cell(others)));
    }
    text
}

fn row(key: &Key) -> String {
    let default = match &key.default {
        Some(default) => format!("`{}`", as_toml(default)),
        None if key.required => "required".to_owned(),
        None => "none".to_owned(),
    };
    let mut meaning = key.description.clone();
    // Those of a list have a section of their own.
    if key.values.starts_with("one of") {
        for word in &key.words {
            meaning.push_str(&format!(" `{}`: {}", word.word, word.meaning));
        }
    }
    format!(
        "| `{}` | {} | {default} | {} |\n",
        key.name(),
        cell(&key.values),
        cell(&meaning)
    )
}

fn families_section() -> String {
    let mut text = "\n## Families\nFor `problems.families` and `problems.held_out`, where \
        `family/rule` is one rule of a family. `docs/families.md` shows a problem of each; \
        `grokctl problems FILE` shows those of a file, with their rules.\n\n\
        | family | they | rules |\n|---|---|---|\n"
        .to_owned();
    for folder in groklab_problems::families() {
        let (about, rules) = (cell(folder.family.description), folder.rule_count());
        text.push_str(&format!("| `{}` | {about} | {rules} |\n", folder.name()));
    }
    text
}

/// Within a table a bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
