//! What a fake server is told before it starts: whom it knows (accounts and their keys), what it allows (limits),
//! how fast it is, and in which of the documented dialects it answers. Everything here is plain data; most of it can
//! be changed later through [`Server`](super::Server).

use std::time::Duration;

use super::faults::Faults;

/// The wire format that a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// The AI33 gateway: submit, then poll `/v1/task/{id}`.
    Ai33,
    /// The AI84 gateway: submit, then poll `/v2/text-to-speech/async/{id}`.
    Ai84,
    /// ElevenLabs itself: the answer is the audio.
    ElevenLabs,
    /// MiniMax itself: audio as hex in JSON, or three asynchronous steps.
    MiniMax,
}

/// Everything about one fake server.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// The wire format.
    pub protocol: Protocol,
    /// Port on 127.0.0.1; 0 takes any free one.
    pub port: u16,
    /// Who may call.
    pub accounts: Vec<Account>,
    /// What is counted, and what is refused above it.
    pub limits: Limits,
    /// Length of the sliding window that "starts" are counted in; 60 s in life.
    pub window: Duration,
    /// How long a task takes.
    pub pace: Pace,
    /// Added before every answer, as a network would.
    pub answer_delay: Duration,
    /// Length of the audio.
    pub audio: AudioLength,
    /// How long a result's URL works.
    pub url_lifetime: Duration,
    /// Which of the documented variants of its format it answers in.
    pub dialect: Dialect,
    /// What goes wrong.
    pub faults: Faults,
    /// What stands before it.
    pub edge: Edge,
    /// Price of a cloned voice at its first use, in credits (MiniMax).
    pub clone_fee: i64,
    /// Ended tasks beyond this many are forgotten, oldest first (a poll then says "not found").
    pub tasks_kept_max: usize,
    /// Seed of ids, jitter and signatures.
    pub seed: u64,
}

/// Credits of a default account: enough never to run out by accident.
pub const DEFAULT_CREDITS: i64 = 1_000_000_000;

/// Keys (each of its own account) of a default server.
pub const DEFAULT_KEYS: usize = 3;

impl ServerSettings {
    /// AI33 as documented: three accounts of one key, at most 30 tasks in flight and 10 starts a minute per key,
    /// counted but not refused.
    pub fn ai33() -> Self {
        Self {
            limits: Limits {
                key_in_flight: Some(Limit::recorded(30)),
                key_starts: Some(Limit::recorded(10)),
                ..Limits::none()
            },
            ..Self::of(Protocol::Ai33, "sk-sim-ai33")
        }
    }

    /// AI84 as documented: 30 in flight and 5 starts a minute per key (counted), 60 starts a minute per address
    /// (refused), and an edge that blocks the User-Agents of libraries.
    pub fn ai84() -> Self {
        Self {
            limits: Limits {
                key_in_flight: Some(Limit::recorded(30)),
                key_starts: Some(Limit::recorded(5)),
                ip_starts: Some(Limit::enforced(60)),
                ..Limits::none()
            },
            edge: Edge::BlocksLibraryAgents,
            ..Self::of(Protocol::Ai84, "sk-user-sim-ai84")
        }
    }

    /// ElevenLabs as documented: concurrency by the account's plan, refused above it.
    pub fn elevenlabs() -> Self {
        Self {
            limits: Limits { plan_in_flight: Some(Excess::Refused), ..Limits::none() },
            ..Self::of(Protocol::ElevenLabs, "sk_sim_elevenlabs")
        }
    }

    /// MiniMax as documented: 60 starts and 20,000 characters a minute per account, refused above it.
    pub fn minimax() -> Self {
        Self {
            limits: Limits {
                account_starts: Some(Limit::enforced(60)),
                account_characters: Some(Limit::enforced(20_000)),
                ..Limits::none()
            },
            // The documented life of a result's URL is 9 h (files) to 24 h (`output_format: "url"`).
            url_lifetime: Duration::from_hours(9),
            ..Self::of(Protocol::MiniMax, "sk-sim-minimax")
        }
    }

    /// The same server with `count` keys, each of its own account, named `account-1/key` and so on.
    #[must_use]
    pub fn with_keys(self, count: usize) -> Self {
        let prefix = match self.protocol {
            Protocol::Ai33 => "sk-sim-ai33",
            Protocol::Ai84 => "sk-user-sim-ai84",
            Protocol::ElevenLabs => "sk_sim_elevenlabs",
            Protocol::MiniMax => "sk-sim-minimax",
        };
        Self { accounts: own_accounts(prefix, count), ..self }
    }

    /// The same server with these accounts instead.
    #[must_use]
    pub fn with_accounts(self, accounts: impl IntoIterator<Item = Account>) -> Self {
        Self { accounts: accounts.into_iter().collect(), ..self }
    }

    fn of(protocol: Protocol, key_prefix: &str) -> Self {
        Self {
            protocol,
            port: 0,
            accounts: own_accounts(key_prefix, DEFAULT_KEYS),
            limits: Limits::none(),
            window: Duration::from_secs(60),
            pace: Pace::Polls(0),
            answer_delay: Duration::ZERO,
            audio: AudioLength::default(),
            url_lifetime: Duration::from_mins(10),
            dialect: Dialect::default(),
            faults: Faults::none(),
            edge: Edge::Open,
            clone_fee: 0,
            tasks_kept_max: 200_000,
            seed: 1,
        }
    }
}

fn own_accounts(key_prefix: &str, count: usize) -> Vec<Account> {
    (1..=count)
        .map(|n| {
            Account::new(format!("account-{n}"), DEFAULT_CREDITS).key("key", format!("{key_prefix}-{n:04}"))
        })
        .collect()
}

/// A customer of the upstream: one balance, one plan, one or more keys.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its name in reports.
    pub name: String,
    /// Its balance at the start, in the upstream's credits.
    pub credits: i64,
    /// What it has subscribed to.
    pub plan: Plan,
    /// Its keys.
    pub keys: Vec<Key>,
}

impl Account {
    /// An account on the [`Plan::Scale`] plan, without keys.
    pub fn new(name: impl Into<String>, credits: i64) -> Self {
        Self { name: name.into(), credits, plan: Plan::Scale, keys: Vec::new() }
    }

    /// The same account with one more key.
    #[must_use]
    pub fn key(mut self, name: impl Into<String>, secret: impl Into<String>) -> Self {
        self.keys.push(Key::new(name, secret));
        self
    }

    /// The same account on another plan.
    #[must_use]
    pub fn on(self, plan: Plan) -> Self {
        Self { plan, ..self }
    }
}

/// A credential of an account.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its name in reports: `account/name`.
    pub name: String,
    /// What the client sends.
    pub secret: String,
    /// What it may be used for (ElevenLabs).
    pub scope: Scope,
    /// Its own share of the account's credits (ElevenLabs); all of them when absent.
    pub credits_max: Option<i64>,
}

impl Key {
    /// A key that may do everything.
    pub fn new(name: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { name: name.into(), secret: secret.into(), scope: Scope::Everything, credits_max: None }
    }
}

/// What a key may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every endpoint.
    Everything,
    /// Text to speech only: other endpoints answer 401 `missing_permissions`.
    SpeechOnly,
}

/// A subscription. It decides ElevenLabs' concurrency; on AI84 a free account may not generate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// 2 calls at once.
    Free,
    /// 3 calls at once.
    Starter,
    /// 5 calls at once.
    Creator,
    /// 10 calls at once.
    Pro,
    /// 15 calls at once.
    Scale,
}

impl Plan {
    /// Most ElevenLabs calls at once; turbo and flash models have twice as many, counted apart.
    pub fn concurrency(self, group: Group) -> u64 {
        let standard = match self {
            Self::Free => 2,
            Self::Starter => 3,
            Self::Creator => 5,
            Self::Pro => 10,
            Self::Scale => 15,
        };
        match group {
            Group::Standard => standard,
            Group::Turbo => standard * 2,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Starter => "starter",
            Self::Creator => "creator",
            Self::Pro => "pro",
            Self::Scale => "scale",
        }
    }
}

/// ElevenLabs' concurrency groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Multilingual and v3 models.
    Standard,
    /// Turbo and flash models.
    Turbo,
}

/// What a server counts. `None` is not counted at all.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Tasks of one key, from submit until they ended.
    pub key_in_flight: Option<Limit>,
    /// Submits of one key per window.
    pub key_starts: Option<Limit>,
    /// Tasks of one account, from submit until they ended.
    pub account_in_flight: Option<Limit>,
    /// ElevenLabs' concurrency by [`Plan`].
    pub plan_in_flight: Option<Excess>,
    /// Submits of one account per window.
    pub account_starts: Option<Limit>,
    /// Submits *and polls* of one account per window, in one bucket, as AI33 counts.
    pub account_calls: Option<Limit>,
    /// Characters of one account per window.
    pub account_characters: Option<Limit>,
    /// Submits from one client address per window, whatever the key.
    pub ip_starts: Option<Limit>,
}

impl Limits {
    /// Nothing is counted.
    pub fn none() -> Self {
        Self {
            key_in_flight: None,
            key_starts: None,
            account_in_flight: None,
            plan_in_flight: None,
            account_starts: None,
            account_calls: None,
            account_characters: None,
            ip_starts: None,
        }
    }
}

/// A maximum, and what happens above it. Either way it is a [`Violation`](super::Violation).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The most that is allowed.
    pub max: u64,
    /// What happens to a call above it.
    pub excess: Excess,
}

impl Limit {
    /// A call above the maximum is recorded and served.
    pub fn recorded(max: u64) -> Self {
        Self { max, excess: Excess::Served }
    }

    /// A call above the maximum is recorded and refused.
    pub fn enforced(max: u64) -> Self {
        Self { max, excess: Excess::Refused }
    }
}

/// What happens to a call above a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// It is served like any other.
    Served,
    /// It is refused in the upstream's manner (429, MiniMax 1002 …); it then counts in no window.
    Refused,
}

/// How long a task takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// By the clock. Calls that answer with the audio itself take as long.
    Timed(Latency),
    /// Each task runs for exactly this many polls; the next one sees it ended. Calls that answer with the audio
    /// itself take no time. For tests that must not depend on time.
    Polls(u32),
}

impl Pace {
    /// The same duration for every task, without queueing.
    pub fn fixed(processing: Duration) -> Self {
        Self::Timed(Latency { queue: Duration::ZERO, processing, jitter: Duration::ZERO })
    }
}

/// The parts of a task's duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Waiting in the upstream's queue.
    pub queue: Duration,
    /// Being worked on.
    pub processing: Duration,
    /// Up to this much is added to the processing, by the seed and the text.
    pub jitter: Duration,
}

/// How long the audio of a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioLength {
    /// Milliseconds per character.
    pub ms_per_character: u64,
    /// Never longer than this, in milliseconds.
    pub ms_max: u64,
}

impl Default for AudioLength {
    fn default() -> Self {
        Self { ms_per_character: 60, ms_max: 30_000 }
    }
}

/// What stands before a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// Nothing.
    Open,
    /// Cloudflare: a missing User-Agent or that of a library meets error 1010, an HTML page with status 403.
    BlocksLibraryAgents,
}

/// The documented variants of the formats. The default is what most sources describe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dialect {
    /// Names of fields in AI84's polls.
    pub casing: Casing,
    /// How credits are written.
    pub numbers: Numbers,
    /// How AI84 writes the URLs of results.
    pub urls: Urls,
    /// Where AI33 and AI84 put the text of an error.
    pub error_field: ErrorField,
    /// How AI33 and AI84 say that the credits do not suffice.
    pub out_of_credit: OutOfCredit,
    /// How AI33 calls what a deletion gave back.
    pub refund_field: RefundField,
    /// ElevenLabs' error body.
    pub elevenlabs_errors: ElevenLabsErrors,
    /// How MiniMax counts characters.
    pub usage: Usage,
    /// How MiniMax writes the state of an asynchronous task.
    pub status_case: StatusCase,
    /// What AI84 does with `client_task_uuid`.
    pub client_ids: ClientIds,
}

/// Names of fields in AI84's polls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Casing {
    /// camelCase on `/v2`, snake_case on `/v1/minimax`.
    #[default]
    AsDocumented,
    /// camelCase everywhere.
    Camel,
    /// snake_case everywhere.
    Snake,
}

/// How credits are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Numbers {
    /// `98765`
    #[default]
    Numbers,
    /// `"98765"`
    Strings,
}

/// How URLs of results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Urls {
    /// On the CDN's own address.
    #[default]
    Absolute,
    /// A path to resolve against the server's base URL.
    Relative,
}

/// Where the text of an error stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorField {
    /// `message`
    #[default]
    Message,
    /// `error_message`
    ErrorMessage,
    /// `error`, a string
    Error,
    /// `error.message`
    ErrorObject,
    /// `errors[0].message`
    Errors,
    /// `detail`
    Detail,
    /// `detail.message`
    DetailObject,
    /// `base_resp.status_msg`
    BaseResp,
}

/// How missing credits are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutOfCredit {
    /// 401 on AI33, 402 on AI84.
    #[default]
    AsDocumented,
    /// 402
    PaymentRequired,
    /// 400 with the text only
    BadRequest,
    /// 200 with `success: false`
    InsideSuccess,
}

/// How a deletion's refund is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RefundField {
    /// `refunded_credits`
    #[default]
    RefundedCredits,
    /// `refund_credits`
    RefundCredits,
}

/// ElevenLabs' error body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ElevenLabsErrors {
    /// `{"detail":{"status":…,"message":…}}`
    #[default]
    Classic,
    /// `{"detail":{"type":…,"code":…,"message":…,"status":…,"request_id":…}}`
    Newer,
}

/// How MiniMax counts the characters that it bills.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Usage {
    /// As Unicode does.
    #[default]
    Unicode,
    /// Han characters count twice.
    HanTwice,
}

/// How MiniMax writes states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatusCase {
    /// `Success`
    #[default]
    Capitalised,
    /// `success`
    Lower,
}

/// What is done with a client's own identifier of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientIds {
    /// Nothing: the same one twice makes, and charges, two tasks.
    #[default]
    Ignored,
    /// The second one gets the first one's task.
    Deduplicated,
}
