//! Databases that cannot be used are refused when they are opened, with an error that says what to do and no password.

use std::error::Error;

use kingcong_core::store::Store as _;
#[cfg(any(feature = "mysql", feature = "postgres"))]
use kingcong_servers::{GUARDED_USER, Server};
use kingcong_sqlx::{ConnectError, SqlStore};
#[cfg(any(feature = "mysql", feature = "postgres"))]
use sqlx::AssertSqlSafe;
use sqlx::{Connection as _, Executor as _};

/// A password that must not be told.
const PASSWORD: &str = "canary-7f3a";

/// Why a URL is refused, as somebody reads it.
async fn refused(url: &str) -> (ConnectError, String) {
    let error = SqlStore::connect(url).await.unwrap_err();
    let mut words = format!("{error:?}");
    let mut cause: Option<&dyn Error> = Some(&error);
    while let Some(next) = cause {
        words.push_str(&next.to_string());
        cause = next.source();
    }
    assert!(!words.contains(PASSWORD), "{words}");
    let told = error.to_string();
    (error, told)
}

fn assert_told(told: &str, words: &[&str]) {
    for word in words {
        assert!(told.contains(word), "{told:?} does not say {word:?}");
    }
}

#[tokio::test]
async fn unknown_schemes_are_told_without_the_rest_of_the_url() {
    for (url, scheme) in [
        (format!("oracle://scott:{PASSWORD}@db/orcl"), "oracle"),
        (format!("postgre://kingcong:{PASSWORD}@db/kingcong"), "postgre"),
        (format!("kingcong:{PASSWORD}@db/kingcong"), "kingcong"),
        (String::new(), ""),
    ] {
        let (error, told) = refused(&url).await;
        assert!(
            matches!(&error, ConnectError::UnknownScheme { scheme: found } if found == scheme),
            "{error:?}"
        );
        assert_told(&told, &["sqlite://", "postgres://", "mysql://"]);
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_told_by_its_path() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("letter.txt");
    std::fs::write(&path, "Dear SQLite, ".repeat(1000)).unwrap();
    let (_, told) = refused(&format!("sqlite://{}", path.display())).await;
    assert_told(&told, &["letter.txt", "no SQLite database", "name another"]);
    let (_, told) = refused(&format!("sqlite://{}", directory.path().join("nowhere/x.db").display())).await;
    assert_told(&told, &["nowhere", "let this process write"]);
}

#[tokio::test]
async fn an_altered_file_is_told_by_table_and_column() {
    let directory = tempfile::tempdir().unwrap();
    for (number, (change, table, column, found)) in [
        ("ALTER TABLE kingcong_holds DROP COLUMN released", "kingcong_holds", "released", None),
        ("ALTER TABLE kingcong_splits RENAME TO splits", "kingcong_splits", "id", None),
        (
            "DROP TABLE kingcong_monitors; CREATE TABLE kingcong_monitors (name TEXT PRIMARY KEY, next_at REAL)",
            "kingcong_monitors",
            "next_at",
            Some("REAL"),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let url = format!("sqlite://{}", directory.path().join(format!("{number}.db")).display());
        SqlStore::connect(&url).await.unwrap().close().await;
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        connection.execute(sqlx::raw_sql(change)).await.unwrap();
        connection.close().await.unwrap();
        assert_altered(refused(&url).await, table, column, found);
    }
}

fn assert_altered((error, told): (ConnectError, String), table: &str, column: &str, found: Option<&str>) {
    let ConnectError::AlteredTable { table: its_table, column: its_column, found: its_type } = &error else {
        panic!("{error:?}")
    };
    assert_eq!((*its_table, *its_column, its_type.as_deref()), (table, column, found));
    assert_told(&told, &[table, column, "restore a backup"]);
}

/// A server with a certificate of its own is used with TLS where the URL trusts that, and refused where it does not.
#[cfg(any(feature = "mysql", feature = "postgres"))]
async fn tls_is_as_the_url_wants_it(
    mut server: Server,
    mode: &str,
    authority: &str,
    [plain, trusting, strict]: [&str; 3],
) {
    let url = server.fresh_database().unwrap();
    let (_, told) = refused(&format!("{url}?{mode}={trusting}")).await;
    assert_told(&told, &["no TLS", mode]);
    // An address that may be another machine's: what is sent to it is not sent in plain text unless the URL says so.
    let elsewhere = url.replace("127.0.0.1", "0.0.0.0");
    let (_, told) = refused(&elsewhere).await;
    assert_told(&told, &["no TLS", mode, plain]);
    SqlStore::connect(&format!("{elsewhere}?{mode}={plain}")).await.unwrap().close().await;
    let certificate = server.restart_with_tls().unwrap();
    SqlStore::connect(&format!("{url}?{mode}={trusting}")).await.unwrap().close().await;
    let trusted = format!("{url}?{mode}={strict}&{authority}={}", certificate.display());
    SqlStore::connect(&trusted).await.unwrap().close().await;
    let (_, told) = refused(&format!("{url}?{mode}={strict}")).await;
    assert_told(&told, &["no TLS", mode, "certificate"]);
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread")]
async fn postgresql_speaks_tls() {
    let server = Server::postgres().unwrap();
    let modes = ["disable", "require", "verify-full"];
    tls_is_as_the_url_wants_it(server, "sslmode", "sslrootcert", modes).await;
}

#[cfg(feature = "mysql")]
#[tokio::test(flavor = "multi_thread")]
async fn mariadb_speaks_tls() {
    let server = Server::mariadb().unwrap();
    let modes = ["disabled", "required", "verify_identity"];
    tls_is_as_the_url_wants_it(server, "ssl-mode", "ssl-ca", modes).await;
}

/// A URL's database, as somebody else.
#[cfg(any(feature = "mysql", feature = "postgres"))]
fn as_guarded(url: &str, password: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let place = rest.split_once('@').unwrap().1;
    format!("{scheme}://{GUARDED_USER}:{password}@{place}")
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread")]
async fn postgresql_is_refused_with_a_reason() {
    let server = crate::databases::postgres();
    let url = server.fresh_database().unwrap();
    let database = url.rsplit('/').next().unwrap();
    let mut owner = sqlx::PgConnection::connect(&url).await.unwrap();
    let guarded = format!("CREATE ROLE {GUARDED_USER} LOGIN PASSWORD '{PASSWORD}'");
    owner.execute(AssertSqlSafe(guarded)).await.unwrap();

    let (_, told) = refused(&as_guarded(&url, "wrong")).await;
    assert_told(&told, &["127.0.0.1", "login was refused", "password"]);
    let (_, told) = refused(&as_guarded(&url, PASSWORD)).await;
    assert_told(&told, &["lacks rights", "grant", "make tables"]);
    let (_, told) = refused(&url.replace(database, "nowhere")).await;
    assert_told(&told, &["no such database", "make it first"]);
    let (_, told) = refused(&format!("postgres://kingcong:{PASSWORD}@127.0.0.1:many/kingcong")).await;
    assert_told(&told, &["postgres://user:password@host/database"]);
    let (_, told) = refused(&format!("postgres://kingcong:{PASSWORD}@127.0.0.1:1/kingcong")).await;
    assert_told(&told, &["127.0.0.1:1"]);

    for (change, table, column, found) in [
        ("ALTER TABLE kingcong_holds DROP COLUMN released", "kingcong_holds", "released", None),
        ("DROP TABLE kingcong_splits CASCADE", "kingcong_splits", "id", None),
        ("ALTER TABLE kingcong_credits ALTER debt TYPE numeric", "kingcong_credits", "debt", Some("numeric")),
        ("ALTER TABLE kingcong_limits ALTER turn TYPE text", "kingcong_limits", "turn", Some("text")),
    ] {
        let url = server.fresh_database().unwrap();
        SqlStore::connect(&url).await.unwrap().close().await;
        let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
        connection.execute(change).await.unwrap();
        assert_altered(refused(&url).await, table, column, found);
    }
}

#[cfg(feature = "mysql")]
#[tokio::test(flavor = "multi_thread")]
async fn mariadb_is_refused_with_a_reason() {
    let server = crate::databases::mariadb();
    let url = server.fresh_database().unwrap();
    let database = url.rsplit('/').next().unwrap();
    let mut owner = sqlx::MySqlConnection::connect(&url).await.unwrap();
    let guarded = format!(
        "CREATE USER {GUARDED_USER}@'%' IDENTIFIED BY '{PASSWORD}'; GRANT SELECT ON {database}.* TO {GUARDED_USER}@'%'"
    );
    owner.execute(sqlx::raw_sql(AssertSqlSafe(guarded))).await.unwrap();

    let (_, told) = refused(&as_guarded(&url, "wrong")).await;
    assert_told(&told, &["refuses the user", "password"]);
    let (_, told) = refused(&as_guarded(&url, PASSWORD)).await;
    assert_told(&told, &["refuses the user", "make tables"]);
    let (_, told) = refused(&url.replace(database, "nowhere")).await;
    assert_told(&told, &["no such database", "make it first"]);
    let (_, told) = refused(&format!("mysql://kingcong:{PASSWORD}@127.0.0.1:many/kingcong")).await;
    assert_told(&told, &["mysql://user:password@host/database"]);
    let (_, told) = refused(&format!("mysql://kingcong:{PASSWORD}@127.0.0.1:1/kingcong")).await;
    assert_told(&told, &["cannot be reached"]);

    for (change, table, column, found) in [
        ("ALTER TABLE kingcong_holds DROP COLUMN released", "kingcong_holds", "released", None),
        ("DROP TABLE kingcong_splits", "kingcong_splits", "id", None),
        ("ALTER TABLE kingcong_credits MODIFY debt DOUBLE", "kingcong_credits", "debt", Some("double")),
        ("ALTER TABLE kingcong_limits MODIFY turn VARCHAR(9)", "kingcong_limits", "turn", Some("varchar")),
    ] {
        let url = server.fresh_database().unwrap();
        SqlStore::connect(&url).await.unwrap().close().await;
        let mut connection = sqlx::MySqlConnection::connect(&url).await.unwrap();
        connection.execute(change).await.unwrap();
        assert_altered(refused(&url).await, table, column, found);
    }
}
