//! A host in a process of its own, beside hosts in other languages: opens the library on the database that
//! `DATABASE_URL` names, and does what its input says, a line of JSON for each order, answered by one. It ends with its
//! input.
//!
//! Orders: `{"submit": {"user", "text", "key"}}` answers `{"job"}`, and `{"wait": job}` answers
//! `{"state", "charged", "balance"}`. Whether it works too, or leaves that to others, its one argument says: `both` or
//! `client`.

use std::{
    env,
    io::{self, BufRead as _, Write as _},
};

use anyhow::{Context as _, Result, bail};
use kingcong_core::{KingCong, Preset, Request, Settings, engine::Mode};
use kingcong_http::Upstreams;
use kingcong_sqlx::SqlStore;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    Submit { user: String, text: String, key: String },
    Wait(String),
}

#[tokio::main]
async fn main() -> Result<()> {
    let mode = match env::args().nth(1).as_deref() {
        Some("both") => Mode::Both,
        Some("client") => Mode::Client,
        other => bail!("start it as `peer both` or `peer client`, not {other:?}"),
    };
    let url = env::var("DATABASE_URL").context("set DATABASE_URL")?;
    let kc = KingCong::builder()
        .store(SqlStore::connect(&url).await?)
        .providers(Upstreams::all()?)
        .preset(Preset::kingcong()?)
        .settings(Settings { mode, ..Settings::default() })
        .start()
        .await?;
    let (sender, mut orders) = mpsc::unbounded_channel();
    // A blocking read cannot be given up: the thread ends with the process.
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    tell(&json!({ "ready": true }))?;
    while let Some(line) = orders.recv().await {
        let answer = obey(&kc, &line).await.unwrap_or_else(|error| json!({ "error": format!("{error:#}") }));
        tell(&answer)?;
    }
    kc.close().await;
    Ok(())
}

fn tell(answer: &Value) -> io::Result<()> {
    writeln!(io::stdout(), "{answer}")
}

async fn obey(kc: &KingCong, line: &str) -> Result<Value> {
    match serde_json::from_str(line)? {
        Order::Submit { user, text, key } => {
            let request = Request::speech(user, text)
                .service("elevenlabs")
                .voice("21m00Tcm4TlvDq8ikWAM")
                .idempotency_key(key);
            Ok(json!({ "job": kc.submit(request).await?.id().to_string() }))
        }
        Order::Wait(job) => {
            let report = kc.job(job.parse()?).wait().await?;
            let charged = report.job.total.charged().get();
            Ok(
                json!({ "state": report.job.state.as_str(), "charged": charged, "balance": report.balance.get() }),
            )
        }
    }
}
