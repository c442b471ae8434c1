//! A fresh database of every kind that is compiled in, for tests that ask the same of each.

/// Runs a test on a fresh database of every kind, one after the other; it gets the URL.
pub(crate) async fn on_every_database(test: impl AsyncFn(&str)) {
    let folder = tempfile::tempdir().unwrap();
    test(&format!("sqlite://{}", folder.path().join("kingcong.db").display())).await;
    #[cfg(feature = "postgres")]
    test(&kingcong_servers::Server::postgres().unwrap().fresh_database().unwrap()).await;
    #[cfg(feature = "mysql")]
    test(&kingcong_servers::Server::mariadb().unwrap().fresh_database().unwrap()).await;
}

/// Runs statements on a connection of its own, past every store.
pub(crate) async fn run_beside(url: &str, statements: &[&str]) {
    use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
    for statement in statements {
        let sql = sqlx::raw_sql(AssertSqlSafe((*statement).to_owned()));
        match url.split(':').next().unwrap() {
            #[cfg(feature = "postgres")]
            "postgres" => drop(sqlx::PgConnection::connect(url).await.unwrap().execute(sql).await.unwrap()),
            #[cfg(feature = "mysql")]
            "mysql" | "mariadb" => {
                drop(sqlx::MySqlConnection::connect(url).await.unwrap().execute(sql).await.unwrap())
            }
            _ => drop(sqlx::SqliteConnection::connect(url).await.unwrap().execute(sql).await.unwrap()),
        }
    }
}
