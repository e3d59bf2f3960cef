//! `secrets`: makes what an installation keeps to itself, once.

use super::context::Context;
use crate::{
    cli::SecretsArgs,
    failure::{Exit, Failure},
    secrets::{Names, SecretsFolder},
};

pub fn run(context: &Context, args: SecretsArgs) -> Result<Exit, Failure> {
    let mut hostnames = args.hostnames;
    // An empty variable is a list of one empty name.
    hostnames.retain(|name| !name.is_empty());
    let names = Names {
        hostnames,
        database: args.database_host,
    };
    let folder = args.out.display();
    let made = SecretsFolder::new(&args.out).complete(&names)?;
    if made.is_empty() {
        context
            .console
            .note(format!("`{folder}` has all secrets; nothing was changed"));
    }
    for name in made {
        context.console.note(format!("made {folder}/{name}"));
    }
    Ok(Exit::Ok)
}
