//! A fresh database of every kind that is compiled in, for tests that ask the same of each. The servers are shared by
//! all tests of the program that harm none.

#[cfg(any(feature = "mysql", feature = "postgres"))]
use std::sync::OnceLock;

#[cfg(any(feature = "mysql", feature = "postgres"))]
use kingcong_servers::Server;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _};

/// The server of all tests that neither kill it nor set it for themselves. It ends with this process.
#[cfg(feature = "postgres")]
pub(crate) fn postgres() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::postgres().unwrap())
}

/// The server of all tests that neither kill it nor set it for themselves. It ends with this process.
#[cfg(feature = "mysql")]
pub(crate) fn mariadb() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::mariadb().unwrap())
}

/// Runs a test on a fresh database of every kind, one after the other; it gets the URL.
pub(crate) async fn on_every_database(test: impl AsyncFn(&str)) {
    let folder = tempfile::tempdir().unwrap();
    test(&format!("sqlite://{}", folder.path().join("kingcong.db").display())).await;
    #[cfg(feature = "postgres")]
    test(&postgres().fresh_database().unwrap()).await;
    #[cfg(feature = "mysql")]
    test(&mariadb().fresh_database().unwrap()).await;
}

/// Runs statements on a connection of its own, past every store.
pub(crate) async fn run_beside(url: &str, statements: &[&str]) {
    for statement in statements {
        let sql = sqlx::raw_sql(AssertSqlSafe((*statement).to_owned()));
        match url.split(':').next().unwrap() {
            #[cfg(feature = "postgres")]
            "postgres" => {
                sqlx::PgConnection::connect(url).await.unwrap().execute(sql).await.map(drop).unwrap()
            }
            #[cfg(feature = "mysql")]
            "mysql" | "mariadb" => {
                sqlx::MySqlConnection::connect(url).await.unwrap().execute(sql).await.map(drop).unwrap()
            }
            _ => sqlx::SqliteConnection::connect(url).await.unwrap().execute(sql).await.map(drop).unwrap(),
        }
    }
}

/// The one number that a query gives, past every store.
pub(crate) async fn count_beside(url: &str, sql: &str) -> i64 {
    let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
    match url.split(':').next().unwrap() {
        #[cfg(feature = "postgres")]
        "postgres" => sqlx::PgConnection::connect(url).await.unwrap().fetch_one(sql).await.unwrap().get(0),
        #[cfg(feature = "mysql")]
        "mysql" | "mariadb" => {
            sqlx::MySqlConnection::connect(url).await.unwrap().fetch_one(sql).await.unwrap().get(0)
        }
        _ => sqlx::SqliteConnection::connect(url).await.unwrap().fetch_one(sql).await.unwrap().get(0),
    }
}

/// A transaction that another program holds open.
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(crate) enum Held {
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgConnection),
    #[cfg(feature = "mysql")]
    MySql(sqlx::MySqlConnection),
}

/// Begins a transaction on a server, past every store, and leaves it open after a statement.
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(crate) async fn hold_beside(url: &str, statement: &str) -> Held {
    let sql = sqlx::raw_sql(AssertSqlSafe(format!("BEGIN; {statement}")));
    match url.split(':').next().unwrap() {
        #[cfg(feature = "postgres")]
        "postgres" => {
            let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
            connection.execute(sql).await.unwrap();
            Held::Postgres(connection)
        }
        #[cfg(feature = "mysql")]
        "mysql" | "mariadb" => {
            let mut connection = sqlx::MySqlConnection::connect(url).await.unwrap();
            connection.execute(sql).await.unwrap();
            Held::MySql(connection)
        }
        scheme => panic!("{scheme} is no server that was compiled in"),
    }
}

#[cfg(any(feature = "mysql", feature = "postgres"))]
impl Held {
    /// Undoes it.
    pub(crate) async fn end(self) {
        self.end_with("ROLLBACK").await;
    }

    pub(crate) async fn commit(self) {
        self.end_with("COMMIT").await;
    }

    async fn end_with(self, statement: &'static str) {
        let ended = match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(mut connection) => connection.execute(statement).await.map(drop),
            #[cfg(feature = "mysql")]
            Self::MySql(mut connection) => connection.execute(statement).await.map(drop),
        };
        ended.unwrap();
    }
}
