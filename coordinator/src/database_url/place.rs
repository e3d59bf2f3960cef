//! Where a database is, in words that may be shown.

use std::net::IpAddr;

use sqlx::postgres::PgConnectOptions;

/// Name and address of a database, without what opens it.
pub fn place(options: &PgConnectOptions) -> String {
    let name = options
        .get_database()
        // As libpq: without a name the database is called like its user.
        .unwrap_or_else(|| options.get_username());
    match (options.get_socket(), options.get_host(), options.get_port()) {
        (Some(folder), ..) => format!("`{name}` in `{}`", folder.display()),
        (None, folder, _) if folder.starts_with('/') => format!("`{name}` in `{folder}`"),
        // An IPv6 address, whose colons would run into the port's.
        (None, address, port) if address.contains(':') => format!("`{name}` at [{address}]:{port}"),
        (None, host, port) => format!("`{name}` at {host}:{port}"),
    }
}

/// Whether a Unix socket is the way there.
pub fn is_socket(options: &PgConnectOptions) -> bool {
    options.get_socket().is_some() || options.get_host().starts_with('/')
}

/// Whether no network lies in between.
pub fn is_near(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    is_socket(options)
        || host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}
