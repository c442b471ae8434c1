//! The host that a worker process plays: how it opens the library, the requests and purchases that it makes, and the
//! words by which it is told to.
//!
//! Every request and every purchase is a function of its number and has an idempotency key, so any process may make
//! it again at any time.

use std::{fmt, num::NonZeroU16, path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use kingcong_core::{
    Error, KingCong, Preset, Request, Settings,
    engine::Mode,
    id::JobId,
    vault::StaticMasterKey,
    work::{Cut, Text},
};
use kingcong_http::Upstreams;
use kingcong_sqlx::{Options, SqlStore};
use serde::{Deserialize, Serialize};

use super::clock::SteppedClock;

/// What is bought of the upstreams.
pub const SERVICE: &str = "elevenlabs";
/// Who asks: that many users, in turn.
pub const USERS: u32 = 5;
/// Tasks of a request.
pub const TASKS: NonZeroU16 = NonZeroU16::new(5).expect("5 is not zero");
/// The window that starts are counted in, by the library and by the simulated servers.
pub const WINDOW: Duration = Duration::from_secs(3);
/// Added to it: room for a process that is stopped between its last look at the clock and its call.
pub const GUARD: Duration = Duration::from_secs(4);
/// A process that was silent for longer is taken for dead.
pub const DEAD_AFTER: Duration = Duration::from_secs(2);
/// The pause after a failure that may pass.
const PAUSE: Duration = Duration::from_millis(100);

/// What a worker process is told when it starts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Orders {
    /// The database's URL.
    pub database: String,
    /// The master key's file.
    pub master_key: PathBuf,
    /// Whose time the store goes by.
    pub time: StoreTime,
    /// How many seconds its clock is ahead of the machine's.
    pub ahead_s: i64,
}

/// Whose time a store goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoreTime {
    /// The database server's.
    Servers,
    /// The machine's, which is the process's clock.
    Machines,
}

/// Settings under which everything goes fast enough to be killed often: what takes minutes in life takes seconds.
#[must_use]
pub fn settings(mode: Mode) -> Settings {
    Settings {
        mode,
        window: Some(WINDOW),
        guard: Some(GUARD),
        call_max: Some(Duration::from_secs(4)),
        dead_after: DEAD_AFTER,
        // More than the keys let through: a claim looks at no more tasks than this.
        calls_max: 24,
        poll_interval: Duration::from_millis(200),
        pulse_interval: Duration::from_millis(200),
        monitor_interval: Duration::from_secs(2),
        drain: Duration::from_secs(5),
        ..Settings::default()
    }
}

/// Opens the store and the library on it.
///
/// # Errors
/// When the database or the library cannot be opened.
pub async fn open(
    orders: &Orders,
    clock: Arc<SteppedClock>,
    mode: Mode,
    preset: Option<Preset>,
) -> Result<KingCong> {
    let mut options = Options::default();
    if orders.time == StoreTime::Machines {
        options.clock = Some(Arc::<SteppedClock>::clone(&clock));
    }
    let store = SqlStore::connect_with(&orders.database, options).await?;
    let mut builder = KingCong::builder()
        .store(store)
        .providers(Upstreams::all()?)
        .master_key(StaticMasterKey::from_file(&orders.master_key)?)
        .settings(settings(mode))
        .clock(clock);
    if let Some(preset) = preset {
        builder = builder.preset(preset);
    }
    Ok(builder.start().await?)
}

/// Opens the library as soon as the database lets it.
pub async fn open_when_possible(orders: &Orders, clock: &Arc<SteppedClock>) -> KingCong {
    loop {
        match open(orders, Arc::clone(clock), Mode::Both, None).await {
            Ok(kc) => return kc,
            Err(error) => tracing::info!("not opened yet: {error:#}"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Who makes the request or the purchase of that number.
#[must_use]
pub fn user(number: u32) -> String {
    format!("user-{}", number % USERS)
}

/// The request of that number.
#[must_use]
pub fn request(number: u32) -> Request {
    Request::speech(user(number), text(number))
        .service(SERVICE)
        .voice("21m00Tcm4TlvDq8ikWAM")
        .pieces(TASKS)
        .idempotency_key(format!("request-{number}"))
        .into()
}

/// The texts of its tasks, in order; no other request has any of them.
///
/// # Errors
/// None: every text can be cut so.
pub fn task_texts(number: u32) -> Result<Vec<String>> {
    let settings = settings(Mode::Both);
    let cut = Cut::Pieces { count: TASKS, at_most: settings.task_characters_max };
    let pieces = Text::new(text(number))?.cut(cut, &settings.abbreviations)?;
    Ok(pieces.iter().map(|piece| piece.as_str().to_owned()).collect())
}

/// Sentences that end with a word: a number before a full stop may be an ordinal, and then no piece ends there.
fn text(number: u32) -> String {
    (1..=TASKS.get()).map(|task| format!("Yêu cầu {number} có câu {task} ở đây. ")).collect()
}

/// Makes a request until it is accepted.
///
/// # Errors
/// A failure that the library does not call retryable.
pub async fn submit(kc: &KingCong, number: u32) -> Result<JobId, Error> {
    insist(|| kc.submit(request(number))).await.map(|job| job.id())
}

/// Makes a purchase until it is booked.
///
/// # Errors
/// A failure that the library does not call retryable.
pub async fn buy(kc: &KingCong, number: u32) -> Result<(), Error> {
    insist(|| async {
        let order = format!("order-{number}");
        kc.wallets().purchase(&user(number), "package-1", &order).await.map(drop)
    })
    .await
}

async fn insist<T, F: Future<Output = Result<T, Error>>>(ask: impl Fn() -> F) -> Result<T, Error> {
    loop {
        match ask().await {
            Err(error) if error.is_retryable() => tracing::info!("asking again: {error}"),
            answer => return answer,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What a worker process is told while it runs: a line each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// `submit 17`: make that request.
    Submit(u32),
    /// `buy 3`: make that purchase.
    Buy(u32),
    /// `step -3600s`: the clock is set, by so many seconds.
    Step(i64),
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Submit(number) => write!(f, "submit {number}"),
            Self::Buy(number) => write!(f, "buy {number}"),
            Self::Step(seconds) => write!(f, "step {seconds}s"),
        }
    }
}

impl FromStr for Word {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> Result<Self> {
        let (verb, rest) = line.split_once(' ').with_context(|| format!("no word: {line:?}"))?;
        match verb {
            "submit" => Ok(Self::Submit(rest.parse()?)),
            "buy" => Ok(Self::Buy(rest.parse()?)),
            "step" => Ok(Self::Step(rest.strip_suffix('s').context("a step ends with s")?.parse()?)),
            _ => bail!("no word: {line:?}"),
        }
    }
}

/// What a worker process answers: a line each, written when the library has said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `accepted 17 JOB`: that request was accepted, as this job.
    Accepted {
        /// The request's number.
        number: u32,
        /// Its job.
        job: JobId,
    },
    /// `booked 3`: that purchase was booked.
    Booked(u32),
    /// `refused submit 17: why`: what was asked failed, and the library says that trying again is of no use.
    Refused(String),
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted { number, job } => write!(f, "accepted {number} {job}"),
            Self::Booked(number) => write!(f, "booked {number}"),
            Self::Refused(why) => write!(f, "refused {}", why.replace('\n', " ")),
        }
    }
}

impl FromStr for Answer {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> Result<Self> {
        let (verb, rest) = line.split_once(' ').with_context(|| format!("no answer: {line:?}"))?;
        match verb {
            "accepted" => {
                let (number, job) = rest.split_once(' ').context("a job is missing")?;
                Ok(Self::Accepted { number: number.parse()?, job: job.parse()? })
            }
            "booked" => Ok(Self::Booked(rest.parse()?)),
            "refused" => Ok(Self::Refused(rest.to_owned())),
            _ => bail!("no answer: {line:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        for word in [Word::Submit(17), Word::Buy(3), Word::Step(90), Word::Step(-3600)] {
            assert_eq!(word.to_string().parse::<Word>().unwrap(), word);
        }
        let job = "018f3c3e-0000-7000-8000-000000000001".parse().unwrap();
        for answer in [
            Answer::Accepted { number: 17, job },
            Answer::Booked(3),
            Answer::Refused("submit 17: no credits".to_owned()),
        ] {
            assert_eq!(answer.to_string().parse::<Answer>().unwrap(), answer);
        }
        for line in ["", "step", "step 90", "submit -1", "booked"] {
            assert!(line.parse::<Word>().is_err() && line.parse::<Answer>().is_err(), "{line:?}");
        }
    }
}
