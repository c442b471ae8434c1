//! A private PostgreSQL server for tests in other languages: prints the URL of a fresh database, and serves until its
//! input ends, however that ends.

use std::io::{self, Read as _, Write as _};

use kingcong_servers::Server;

fn main() -> anyhow::Result<()> {
    let server = Server::postgres()?;
    writeln!(io::stdout(), "{}", server.fresh_database()?)?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
