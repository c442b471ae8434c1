//! `idle/statements`: how many statements a second a process costs its server that has nothing to do.
//!
//! A library that submits and works, with its default settings and 20 keys, is left alone for a little more than a
//! minute, so that its monitor comes by once. The servers count, `BEGIN` and `COMMIT` included. Compared with a
//! statement for each pulse, without which nothing would be noticed.

use std::{thread, time::Duration};

use anyhow::{Context, Result};
use kingcong_core::Settings;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, MySqlConnection, PgConnection, Row as _};

use crate::{
    figure::{Figure, Unit},
    sql::{Database, Place},
    stage, task,
};

const ALONE: Duration = Duration::from_secs(63);

pub(crate) fn measure() -> Result<Vec<Figure>> {
    stage::on_all_cores(async {
        let (mut postgres, mariadb) = (Place::postgres()?, Place::mariadb()?);
        counting(&mut postgres).await?;
        let (postgres, mariadb) = tokio::try_join!(cost(&postgres), cost(&mariadb))?;
        let figure = |name: &str, statements: u64| {
            Figure::new(
                format!("idle/statements/{name}"),
                statements as f64 / ALONE.as_secs_f64(),
                Unit::PerSecond,
                "one statement a pulse",
                1.0 / Settings::default().pulse_interval.as_secs_f64(),
            )
        };
        Ok(vec![figure("postgres", postgres), figure("mariadb", mariadb)])
    })
}

/// Lets PostgreSQL count statements, which takes a new start; a connection that can ask for them.
pub(crate) async fn counting(place: &mut Place) -> Result<PgConnection> {
    let database = place.fresh()?;
    let mut connection = PgConnection::connect(&database.url).await?;
    connection.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'").await?;
    if let Place::Postgres(server) = place {
        server.kill()?;
        server.restart()?;
    }
    connected(&database).await
}

/// A connection to a database that tells the statements of all.
async fn connected(database: &Database) -> Result<PgConnection> {
    let mut connection = PgConnection::connect(&database.url).await?;
    connection.execute("CREATE EXTENSION pg_stat_statements").await?;
    Ok(connection)
}

/// Statements of a library that is left alone.
async fn cost(place: &Place) -> Result<u64> {
    let mut counter = Counter::new(place, place.fresh()?).await?;
    let database = place.fresh()?;
    let kc = task::opened(&database).await?;
    task::furnish(&kc).await?;
    let before = counter.statements(&database).await?;
    tokio::task::spawn_blocking(|| thread::sleep(ALONE)).await?;
    let cost = counter.statements(&database).await? - before;
    kc.close().await;
    Ok(cost)
}

/// A connection that asks how many statements there were.
enum Counter {
    Postgres(PgConnection),
    MariaDb { connection: MySqlConnection, asked: u64 },
}

impl Counter {
    async fn new(place: &Place, own: Database) -> Result<Self> {
        if let Place::MariaDb(_) = place {
            let connection = MySqlConnection::connect(&own.url).await?;
            return Ok(Self::MariaDb { connection, asked: 0 });
        }
        Ok(Self::Postgres(connected(&own).await?))
    }

    /// The statements so far in a database; its own are not among them.
    async fn statements(&mut self, database: &Database) -> Result<u64> {
        match self {
            Self::Postgres(connection) => {
                let name = database.url.rsplit('/').next().context("the URL names a database")?;
                let count = format!(
                    "SELECT sum(calls)::bigint FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid \
                     WHERE d.datname = '{name}'"
                );
                let row = connection.fetch_one(sqlx::raw_sql(AssertSqlSafe(count))).await?;
                Ok(u64::try_from(row.try_get::<i64, _>(0)?)?)
            }
            Self::MariaDb { connection, asked } => {
                *asked += 1;
                let row = connection.fetch_one(sqlx::raw_sql("SHOW GLOBAL STATUS LIKE 'Questions'")).await?;
                Ok(row.try_get::<String, _>(1)?.parse::<u64>()? - *asked)
            }
        }
    }
}
