//! `config`: what an experiment file may say, and what several say together.

use super::context::Context;
use crate::{
    cli::ConfigCommand,
    failure::{Exit, Failure},
    reference,
};

pub fn run(context: &Context, command: ConfigCommand) -> Result<Exit, Failure> {
    let console = &context.console;
    let schema = reference::schema();
    let tables = reference::tables(&schema);
    match command {
        ConfigCommand::Schema if console.json() => console.print_json(&schema)?,
        ConfigCommand::Schema => console.print(format!("{schema:#}"))?,
        ConfigCommand::Reference if console.json() => {
            for key in tables.iter().flat_map(|table| &table.keys) {
                console.print_json(key)?;
            }
        }
        ConfigCommand::Reference => console.print(reference::markdown(&tables))?,
        ConfigCommand::Defaults => {
            let text = reference::defaults(&tables);
            if console.json() {
                let file: toml::Table = read_own("the defaults", toml::from_str(&text))?;
                console.print_json(&file)?;
            } else {
                console.print(text)?;
            }
        }
        ConfigCommand::Show(inputs) => {
            let experiment = context.check(&inputs)?.experiment;
            if console.json() {
                console.print_json(&experiment)?;
            } else {
                let text: String = read_own("the file", toml::to_string_pretty(&experiment))?;
                console.print(text.trim_end())?;
            }
        }
    }
    Ok(Exit::Ok)
}

fn read_own<T, E: std::fmt::Display>(what: &str, outcome: Result<T, E>) -> Result<T, Failure> {
    outcome.map_err(|error| Failure::other(format!("write {what} as TOML")).because(error))
}
