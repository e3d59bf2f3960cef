//! `login`: keeps a coordinator's address, token and authority for the commands that come after.

use std::io::{Read as _, stdin};

use groklab_runtime::{
    connect::{self, Access, Fallback},
    secret::Secret,
};

use super::context::Context;
use crate::{
    address::access_failure,
    cli::LoginArgs,
    client::Client,
    failure::{Exit, Failure},
    login_file::Login,
    secrets::Invitation,
    url::url_from_text,
};

/// An invitation is three lines; a certificate may be long.
const MAX_INVITATION_BYTES: u64 = 1 << 20;

pub async fn run(context: &Context, args: &LoginArgs) -> Result<Exit, Failure> {
    let mut connect = context.global.connect.clone();
    let (url, invited_token) = if args.from == "-" {
        let invitation = read_invitation()?;
        // What is named on the command line goes before what was printed for everybody.
        if connect.tls_ca.is_none() && connect.tls_ca_pem.is_none() {
            connect.tls_ca_pem = invitation.authority;
        }
        (invitation.url, invitation.token)
    } else {
        let url = url_from_text(&args.from)
            .ok_or_else(|| Failure::usage("log in").because("the address is empty"))?;
        (url, None)
    };
    let login = login(&connect, url, invited_token)?;
    let access = access(&connect, &login)?;
    // A login that does not work must not be kept.
    let client = Client::connect(&login.coordinator, &access).await?;
    client.workers().await?;
    let file = context.login_file();
    login.write(&file)?;
    context.console.note(format!(
        "logged in: commands ask {} unless --coordinator names another; kept in {}",
        login.coordinator,
        file.display()
    ));
    Ok(Exit::Ok)
}

fn login(
    connect: &connect::Args,
    url: String,
    invited_token: Option<String>,
) -> Result<Login, Failure> {
    let named = connect.token().map_err(|error| access_failure(&error))?;
    let token = named.or(invited_token.map(Secret::new));
    let authority = connect
        .authority()
        .map_err(|error| access_failure(&error))?;
    Ok(Login::new(url, token.as_ref(), authority))
}

fn access(connect: &connect::Args, login: &Login) -> Result<Access, Failure> {
    let fallback = Fallback {
        token: login.token(),
        authority: None,
    };
    let access = connect.access(fallback);
    access.map_err(|error| access_failure(&error))
}

fn read_invitation() -> Result<Invitation, Failure> {
    let mut text = String::new();
    let read = stdin().take(MAX_INVITATION_BYTES).read_to_string(&mut text);
    read.map_err(|error| Failure::other("read standard input").because(error))?;
    Invitation::parse(&text).ok_or_else(|| {
        Failure::usage("log in from standard input")
            .because("no line names GROKLAB_COORDINATOR=URL")
            .next("in deploy/: ./grokctl join --client | grokctl login -")
    })
}
