//! A worker process, made to be killed: opens the library as its one argument says (JSON), works on everybody's
//! requests, and makes those that its input names. What was accepted it writes to its output, and what an operator
//! would read to its error output. It goes on until its input ends.

use std::{
    io::{self, BufRead as _, Write as _},
    sync::Arc,
};

use anyhow::{Context as _, Result};
use kingcong_core::KingCong;
use kingcong_tests::chaos::{
    clock::SteppedClock,
    host::{self, Answer, Orders, Word},
    log::Micros,
};
use tokio::sync::mpsc;

#[tokio::main]
async fn main() -> Result<()> {
    let orders = std::env::args().nth(1).context("start it with its orders as JSON")?;
    let orders: Orders = serde_json::from_str(&orders)?;
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_writer(io::stderr)
        .with_ansi(false)
        .with_timer(Micros)
        .init();

    let clock = Arc::new(SteppedClock::new(orders.ahead_s));
    let (sender, mut words) = mpsc::unbounded_channel();
    let stepped = Arc::clone(&clock);
    std::thread::spawn(move || listen(&stepped, &sender));
    // When who started it ends, however it ends, so does this.
    let work = async {
        let kc = host::open_when_possible(&orders, &clock).await;
        while let Some(word) = words.recv().await {
            tokio::spawn(obey(kc.clone(), word?));
        }
        Ok(())
    };
    work.await
}

/// Hears words until the input ends. The clock is set at once, whatever else goes on.
fn listen(clock: &SteppedClock, words: &mpsc::UnboundedSender<Result<Word>>) {
    for line in io::stdin().lock().lines() {
        match line.map_err(anyhow::Error::from).and_then(|line| line.parse()) {
            Ok(Word::Step(seconds)) => clock.step(seconds),
            word => {
                if words.send(word).is_err() {
                    return;
                }
            }
        }
    }
    std::process::exit(0);
}

async fn obey(kc: KingCong, word: Word) {
    let done = match word {
        Word::Submit(number) => host::submit(&kc, number).await.map(|job| Answer::Accepted { number, job }),
        Word::Buy(number) => host::buy(&kc, number).await.map(|()| Answer::Booked(number)),
        Word::Step(_) => return,
    };
    let answer = done.unwrap_or_else(|error| Answer::Refused(format!("{word}: {error}")));
    // Who is not there any more does not hear it.
    let _ = writeln!(io::stdout(), "{answer}");
}
