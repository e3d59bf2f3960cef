//! What the program says about a database URL, at the highest level of its log: nothing that could open the database.

use std::os::unix::fs::PermissionsExt as _;

use proptest::{prelude::*, test_runner::TestRunner};

use crate::{
    postgres::folder,
    process::{command, refusal, said},
};

const SECRET: &str = "S3cret";
const ALL: [(&str, &str); 1] = [("GROKLAB_LOG", "trace")];

/// URLs whose password, parameters and port hold the secret, in forms that people write.
#[tokio::test]
async fn a_malformed_database_url_is_refused_without_being_shown() {
    let urls = [
        (
            "postgres://app:/S3cret?Part2:x@127.0.0.1:1/plain",
            "write / ? # @ : %",
        ),
        (
            "postgres://app:x/S3cret@127.0.0.1:1/plain",
            "write / ? # @ : %",
        ),
        (
            "postgres://app:1#S3cret@127.0.0.1:1/plain",
            "write / ? # @ : %",
        ),
        (
            "postgres://app:x@127.0.0.1:S3cret/plain",
            "write / ? # @ : %",
        ),
        (
            "postgres://127.0.0.1:1/plain?passwd=S3cretValue",
            "known are host, port, user, password",
        ),
        (
            "postgres://127.0.0.1:1/plain?sslmode=S3cret",
            "disable, allow, prefer, require, verify-ca, verify-full",
        ),
        (
            "postgres://127.0.0.1:1/plain?sslmode=verify-full&sslrootcert=/S3cret",
            "the file that `sslrootcert` names",
        ),
        (
            "postgers://app:S3cret@127.0.0.1:1/plain",
            "postgres://USER:PASSWORD@HOST:PORT/DATABASE",
        ),
        (
            "postgres://app:S3cret%ff@127.0.0.1:1/plain",
            "write / ? # @ : %",
        ),
        (
            "postgres://app:@S3cret:@127.0.0.1:1/plain?password=S3cret",
            "`plain` at 127.0.0.1:1",
        ),
        (
            "postgres://app:S3cret@127.0.0.1:1/plain?options=-c%20S3cret",
            "`plain` at 127.0.0.1:1",
        ),
    ];
    for (url, says) in urls {
        let said = refusal(url, &ALL).await;
        assert!(
            said.contains(says) && !said.contains(SECRET),
            "{url}: {said}"
        );
    }
}

/// A URL in a place where none belongs: clap repeats what it does not expect.
#[tokio::test]
async fn a_database_url_in_the_wrong_place_is_not_shown() {
    let url = "postgres://app:S3cret@127.0.0.1:1/plain";
    let joined = format!("--calls-per-second={url}");
    let commands = [
        (vec![url], "unrecognized subcommand"),
        (vec!["--databse-url", url], "unexpected argument"),
        (vec![joined.as_str()], "invalid value"),
        (vec!["--attempts", url], "invalid value"),
        (vec!["--database-url-file", url], "--database-url"),
        (
            vec!["--database-url", url, "--database-url", url],
            "cannot be used multiple times",
        ),
        (
            vec!["--database-url", url, "--database-url-file", url],
            "cannot be used with",
        ),
    ];
    for (args, says) in commands {
        let said = said(&args, &ALL).await;
        assert!(
            said.contains(says) && !said.contains(SECRET),
            "{args:?}: {said}"
        );
    }
    for variable in [
        "GROKLAB_LEASE_SECONDS",
        "GROKLAB_DATABASE_URL_FILE",
        "GROKLAB_SERVER_CERT",
    ] {
        let said = said(&[], &[ALL[0], (variable, url)]).await;
        assert!(!said.contains(SECRET), "{variable}: {said}");
    }
    let output = command(&folder(), &["--print-config", "--database-url", url], &ALL)
        .output()
        .await
        .unwrap();
    let shown = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.status.success()
            && shown.contains("database_url = (redacted)")
            && !shown.contains(SECRET),
        "{shown}"
    );
}

/// libpq's password file counts, and a line that cannot be read is not shown.
#[tokio::test]
async fn a_line_of_a_password_file_is_not_shown() {
    let folder = folder();
    let file = folder.path().join("pgpass");
    std::fs::write(&file, "127.0.0.1:S3cret\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let said = refusal(
        "postgres://app@127.0.0.1:1/plain",
        &[ALL[0], ("PGPASSFILE", file.to_str().unwrap())],
    )
    .await;
    assert!(
        said.contains("`plain` at 127.0.0.1:1") && !said.contains(SECRET),
        "{said}"
    );
}

#[test]
fn no_url_shows_its_password_or_parameters() {
    let piece = "[/?#@:%&= a1]{0,3}";
    let parts = (
        "(postgres|postgresql|postgers)(://|:/|:)",
        piece,
        piece,
        "(:1|:0x1|:)",
        "(/plain|/|)",
        "([?](passwd|password|sslmode|sslcert|S3cret)=S3cret|)([&;]password=S3cret)?",
    );
    let config = ProptestConfig {
        cases: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let outcome =
        TestRunner::new(config).run(&parts, |(scheme, before, after, port, database, query)| {
            let url =
                format!("{scheme}app:{before}{SECRET}{after}@127.0.0.1{port}{database}{query}");
            let said = runtime.block_on(refusal(&url, &[ALL[0], ("PGPORT", "1")]));
            prop_assert!(
                !said.contains(SECRET) && said.contains("coordinator: error: "),
                "{}: {}",
                url,
                said
            );
            Ok(())
        });
    outcome.unwrap();
}
