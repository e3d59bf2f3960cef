//! Which part of a URL is what, and whether it can be meant so.

use std::{net::IpAddr, str::FromStr as _};

use sqlx::postgres::PgConnectOptions;
use url::Url;

use super::{
    error::Error,
    parameters::{MODES, PARAMETERS, Parameters, STRUCTURE},
    tls,
};

/// Reads a database URL. What it leaves open comes from libpq's variables, which sqlx reads; those
/// of TLS come through `environment`.
pub fn parse(
    text: &str,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<PgConnectOptions, Error> {
    let (scheme, rest) = text.split_once("://").ok_or(Error::Form)?;
    if !matches!(scheme, "postgres" | "postgresql") {
        return Err(Error::Form);
    }
    // Its own error is dropped, here and below: no message may hold a part of the URL.
    let url = Url::parse(text).map_err(|_| Error::Unreadable)?;
    if !reads_one_way(&url, rest) {
        return Err(Error::Unreadable);
    }
    // Before sqlx reads the URL: it logs a parameter that it does not know, with its value.
    let parameters = parameters(&url)?;
    let options = PgConnectOptions::from_str(text).map_err(|_| Error::Unreadable)?;
    tls::apply(with_host(options)?, &parameters, environment)
}

/// Whether the URL can be read in one way only. An unescaped `/`, `?` or `#` in a password ends the
/// part before the host, so that the `@` comes behind it: such URLs are known by that. Control
/// characters would be dropped in silence. A database's name, which is shown, may not hold what
/// looks like parameters.
fn reads_one_way(url: &Url, rest: &str) -> bool {
    let tail = rest.find(['/', '?', '#']).map_or("", |at| &rest[at..]);
    let database = url.path().strip_prefix('/').unwrap_or_default();
    let plain = !rest.contains(char::is_control) && !rest.contains(char::is_whitespace);
    plain && !tail.contains('@') && url.fragment().is_none() && !database.contains(STRUCTURE)
}

fn parameters(url: &Url) -> Result<Parameters, Error> {
    let mut found: Parameters = Vec::new();
    for (name, value) in url.query_pairs() {
        let name = *PARAMETERS
            .iter()
            .find(|known| **known == name)
            .ok_or(Error::Unknown)?;
        // Which of the two counts would be a guess.
        if found.iter().any(|(known, _)| *known == name) {
            return Err(Error::Twice { name });
        }
        check(name, &value)?;
        found.push((name, value.into_owned()));
    }
    Ok(found)
}

fn check(name: &'static str, value: &str) -> Result<(), Error> {
    if value.is_empty() {
        return Err(Error::Value {
            name,
            wanted: "it is empty",
        });
    }
    if matches!(name, "user" | "dbname") && value.contains(STRUCTURE) {
        return Err(Error::Unreadable);
    }
    if name == "host" && !is_host(value) {
        return Err(Error::Host);
    }
    if name == "port" && value.parse::<u16>().is_err() {
        return Err(Error::Value {
            name,
            wanted: "a port is a number up to 65535",
        });
    }
    if name == "sslmode" && tls::mode(value).is_none() {
        return Err(Error::Value {
            name,
            wanted: MODES,
        });
    }
    Ok(())
}

/// The host as it is connected to and, by TLS, looked for in the certificate: without a URL's
/// brackets.
fn with_host(options: PgConnectOptions) -> Result<PgConnectOptions, Error> {
    let host = options
        .get_host()
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    if options.get_socket().is_none() && !is_host(&host) {
        return Err(Error::Host);
    }
    Ok(options.host(&host))
}

fn is_host(text: &str) -> bool {
    let named = !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    named || text.starts_with('/') || text.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sqlx::postgres::PgSslMode;

    use super::super::place;
    use super::*;

    const SECRET: &str = "S3cret";

    fn read(text: &str) -> Result<PgConnectOptions, Error> {
        parse(text, |_| None)
    }

    fn refusal(text: &str) -> String {
        read(text).map_or_else(
            |error| error.to_string(),
            |options| panic!("{text} is taken, as {}", place(&options)),
        )
    }

    #[test]
    fn parts_are_read() {
        let options = read("postgresql://me:p%2F%3F%23%40%3A%25@db.example.org:6000/lab?options=-c%20work_mem%3D4MB").unwrap();
        assert_eq!(
            (options.get_username(), options.get_options()),
            ("me", Some("-c work_mem=4MB"))
        );
        assert_eq!(place(&options), "`lab` at db.example.org:6000");
        assert_eq!(
            place(&read("postgres://me:p@ss:word@[::1]:6000/lab").unwrap()),
            "`lab` at [::1]:6000"
        );
        assert_eq!(
            place(&read("postgres://me@localhost/lab?host=/run/pg&port=6000").unwrap()),
            "`lab` in `/run/pg`"
        );
        assert_eq!(
            place(&read("postgres://me@%2Frun%2Fpg/lab").unwrap()),
            "`lab` in `/run/pg`"
        );
        assert_eq!(
            place(&read("postgres://me@h:6000").unwrap()),
            "`me` at h:6000"
        );
        assert_eq!(
            place(
                &read("postgres://h/?dbname=lab&user=me&password=p&port=6000&application_name=x")
                    .unwrap()
            ),
            "`lab` at h:6000"
        );
    }

    /// Passwords with an unescaped / ? # or %, parameters that nobody knows, ports and hosts that
    /// are none, other schemes.
    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        let refused = [
            (
                "postgres://me:/S3cret?Part2:x@127.0.0.1:1/lab",
                "write / ? # @ : %",
            ),
            ("postgres://me:/S3cret@127.0.0.1:1/lab", "write / ? # @ : %"),
            (
                "postgres://me:1/S3cret@127.0.0.1:1/lab",
                "write / ? # @ : %",
            ),
            (
                "postgres://me:1#S3cret@127.0.0.1:1/lab",
                "write / ? # @ : %",
            ),
            (
                "postgres://me:1?password=S3cret@127.0.0.1:1/lab",
                "write / ? # @ : %",
            ),
            (
                "postgres://me:/S3cret?user=x@127.0.0.1:1/lab",
                "write / ? # @ : %",
            ),
            (
                "postgres://me:S3cret/x@127.0.0.1:1/lab",
                "write / ? # @ : %",
            ),
            (
                "postgres://me:S3cret%ff@127.0.0.1:1/lab",
                "write / ? # @ : %",
            ),
            (
                "postgres://me:S3cret x@127.0.0.1:1/lab",
                "write / ? # @ : %",
            ),
            (
                "postgres://me:S3\ncret@127.0.0.1:1/lab",
                "write / ? # @ : %",
            ),
            (
                "postgres://me:x@127.0.0.1:1/lab#S3cret",
                "write / ? # @ : %",
            ),
            (
                "postgres://me:x@127.0.0.1:1/lab/S3cret",
                "write / ? # @ : %",
            ),
            (
                "postgres://me:x@127.0.0.1:1/lab&password=S3cret",
                "write / ? # @ : %",
            ),
            (
                "postgres://me:x@127.0.0.1:1/lab;password=S3cret",
                "write / ? # @ : %",
            ),
            (
                "postgres://me:x@127.0.0.1:1?dbname=lab;password=S3cret",
                "write / ? # @ : %",
            ),
            ("postgres://me:x@127.0.0.1:S3cret/lab", "write / ? # @ : %"),
            (
                "postgres://me:x@127.0.0.1:99999/S3cret",
                "write / ? # @ : %",
            ),
            (
                "postgres://me:x@127.0.0.1:1,S3cret:2/lab",
                "write / ? # @ : %",
            ),
            (
                "postgres://S3cret%21/lab",
                "neither a name, an address nor a folder",
            ),
            (
                "postgres://me:x@h/lab?host=S3cret!",
                "neither a name, an address nor a folder",
            ),
            (
                "postgres://h/lab?passwd=S3cret",
                "known are host, port, user, password, dbname, sslmode",
            ),
            ("postgres://h/lab?S3cret", "known are host"),
            ("postgres://h/lab?SSLMODE=S3cret", "known are host"),
            ("postgres://h/lab?channel_binding=S3cret", "known are host"),
            (
                "postgres://h/lab?sslmode=S3cret",
                "`sslmode` in the database URL has a value that cannot be used: it is one of \
                    disable",
            ),
            (
                "postgres://h/lab?sslmode=",
                "`sslmode` in the database URL has a value that cannot be used: it is empty",
            ),
            (
                "postgres://h/lab?port=S3cret",
                "`port` in the database URL has a value that cannot be used: a port is a number",
            ),
            (
                "postgres://h/lab?password=S3cret&password=x",
                "gives `password` twice",
            ),
            (
                "postgers://me:S3cret@h/lab",
                "is not of the form postgres://USER:PASSWORD@HOST:PORT/DATABASE",
            ),
            ("postgres:/me:S3cret@h/lab", "is not of the form"),
            ("me:S3cret@h/lab", "is not of the form"),
            ("host=h password=S3cret", "is not of the form"),
            ("", "is not of the form"),
        ];
        for (text, says) in refused {
            let message = refusal(text);
            assert!(
                message.contains(says) && !message.contains(SECRET),
                "{text}: {message}"
            );
        }
    }

    #[test]
    fn tls_is_what_was_asked_for_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let made = rcgen::generate_simple_self_signed(vec!["h".to_owned()]).unwrap();
        let (ca, key, none) = (
            file("ca", &made.cert.pem()),
            file("key", &made.signing_key.serialize_pem()),
            file("none", SECRET),
        );
        let taken = [
            (String::new(), PgSslMode::Prefer),
            ("sslmode=disable".to_owned(), PgSslMode::Disable),
            (
                format!("sslmode=require&sslrootcert={ca}"),
                PgSslMode::VerifyCa,
            ),
            (
                format!("sslmode=verify-full&sslrootcert={ca}&sslcert={ca}&sslkey={key}"),
                PgSslMode::VerifyFull,
            ),
            ("sslmode=verify-full".to_owned(), PgSslMode::VerifyFull),
            ("sslrootcert=system".to_owned(), PgSslMode::VerifyFull),
            ("host=/run/pg".to_owned(), PgSslMode::Disable),
        ];
        for (query, mode) in taken {
            let options = read(&format!("postgres://h/lab?{query}")).unwrap();
            assert_eq!(
                format!("{:?}", options.get_ssl_mode()),
                format!("{mode:?}"),
                "{query}"
            );
        }
        let refused = [
            ("sslmode=verify-ca".to_owned(), "needs an sslrootcert"),
            (
                "sslmode=require&sslrootcert=system".to_owned(),
                "needs an sslrootcert",
            ),
            (
                format!("sslrootcert={ca}"),
                "by default prefer) does not look at it: use sslmode=verify-full",
            ),
            (
                format!("sslmode=disable&sslcert={ca}&sslkey={key}"),
                "does not look at it",
            ),
            (format!("sslcert={ca}"), "one of them is missing"),
            (
                "sslmode=verify-ca&sslrootcert=/S3cret".to_owned(),
                "read the file that `sslrootcert` names",
            ),
            (
                format!("sslmode=verify-ca&sslrootcert={none}"),
                "`sslrootcert` names for the database holds no certificates",
            ),
            (
                format!("sslmode=verify-ca&sslrootcert={key}"),
                "`sslrootcert` names for the database holds no certificates",
            ),
            (
                format!("sslcert={ca}&sslkey={ca}"),
                "`sslkey` names for the database holds no private key",
            ),
            (
                "sslmode=require&host=/run/pg".to_owned(),
                "a Unix socket has none",
            ),
        ];
        for (query, says) in refused {
            let message = refusal(&format!("postgres://h/lab?{query}"));
            assert!(
                message.contains(says) && !message.contains(SECRET),
                "{query}: {message}"
            );
        }
    }

    #[test]
    fn the_environment_of_libpq_counts_where_the_url_is_silent() {
        let with = |url: &str, variable: &str, value: &str| {
            parse(url, |name| (name == variable).then(|| value.to_owned()))
        };
        let mode = |options: PgConnectOptions| format!("{:?}", options.get_ssl_mode());
        assert_eq!(
            mode(with("postgres://h/lab", "PGSSLMODE", "verify-full").unwrap()),
            "VerifyFull"
        );
        assert_eq!(
            mode(
                with(
                    "postgres://h/lab?sslmode=disable",
                    "PGSSLMODE",
                    "verify-full"
                )
                .unwrap()
            ),
            "Disable"
        );
        let message = with("postgres://h/lab", "PGSSLMODE", SECRET)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("PGSSLMODE has a value that cannot be used")
                && !message.contains(SECRET),
            "{message}"
        );
        assert!(matches!(
            with("postgres://h/lab", "PGSSLROOTCERT", "/ca"),
            Err(Error::Unused {
                name: "sslrootcert",
                ..
            })
        ));
    }

    proptest! {
        /// Wherever a password ends up in a malformed URL, and whatever stands around it: neither a
        /// refusal nor the place shows it.
        #[test]
        fn nothing_that_is_shown_holds_a_password(
            scheme in "postgres(ql)?|postgers|", slashes in "(://|:/|:)",
            before in "[/?#@:%&= a1]{0,3}", after in "[/?#@:%&= a1]{0,3}",
            port in "(:[0-9]{1,6}|:x|)", database in "(/lab|/|)",
            query in "([?](passwd|password|sslmode|sslrootcert|S3cret)=S3cret|[&;]password=S3cret|)",
        ) {
            let text = format!("{scheme}{slashes}me:{before}{SECRET}{after}@127.0.0.1{port}{database}{query}");
            let shown = match read(&text) {
                Ok(options) => place(&options),
                Err(error) => format!("{error} {error:?}"),
            };
            prop_assert!(!shown.contains(SECRET), "{text}: {shown}");
        }
    }
}
