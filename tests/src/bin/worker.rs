//! A worker process, made to be killed: opens the library as its one argument says (JSON), makes requests, works on
//! everybody's, and goes on until its input ends.

use std::error::Error;

use kingcong_tests::workers::{self, Orders, USER};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let orders = std::env::args().nth(1).ok_or("start it with its orders as JSON")?;
    let orders: Orders = serde_json::from_str(&orders)?;
    let work = async {
        let (kc, _) = workers::open(&orders).await?;
        kc.wallets().purchase(USER, "package-1", "order-1").await?;
        for number in 0..orders.requests {
            kc.submit(workers::request(number)).await?;
        }
        std::future::pending::<Result<(), Box<dyn Error>>>().await
    };
    // When the test ends, however it ends, so does this.
    let input_ended =
        tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    tokio::select! {
        failed = work => failed,
        ended = input_ended => Ok(ended?.map(drop)?),
    }
}
