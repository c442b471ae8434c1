//! Every door refuses what it cannot take: it names what is wrong, says what to do, writes nothing, and goes on.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    num::{NonZeroU16, NonZeroU32},
    path::Path,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use kingcong_core::{
    Error, KingCong, NewKey, OutputError, Preset, Request, Settings,
    access::{Access, InvalidRole, Role},
    clock::Timestamp,
    engine::JobResult,
    failure::Failure,
    id::{JobId, KeyId, PackageId, ProtocolId, Route, ServerId, TaskId, VoiceId, WorkerId},
    keys::{Limits, PollsCount},
    ledger::Refusal,
    measure::{Measure, Measured},
    message::Language,
    money::{Amount, Money, Unit},
    operation::Operation,
    pricing::{Charge, Ordered, Package, PackageError, Price, PriceError, PriceLine, PriceStart},
    provider::{Call, Provider, Reply, Sent},
    routing::{BaseUrl, Maintenance, Server, ServerChange, SystemError, Unavailable},
    store::{DEAD_AFTER_MIN, JobFilter, Store, StoreError, StoreErrorKind},
    switch::Switch,
    vault::{InvalidSecret, KeyBytes, MasterKeyError, StaticMasterKey},
    work::{
        AskedSpeech, Audio, Body, ClonedVoice, CutError, Job, JobState, Output, Payer, PlanError,
        RequestError, TextError, VoiceSettings, Work,
    },
};
use kingcong_sqlx::{ConnectError, Options, SqlStore};
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};

/// A frame of silent MP3: 26 ms.
const FRAME: [u8; 417] = {
    let mut frame = [0; 417];
    [frame[0], frame[1], frame[2], frame[3]] = [0xff, 0xfb, 0x90, 0xc0];
    frame
};

const VOICE: &str = "21m00Tcm4TlvDq8ikWAM";
const SECRET: &str = "sk-upstream-0123456789-9f3a";
/// What a user is told of a request that is wrong, in English and Vietnamese.
const INVALID: (&str, &str) = ("The request is not valid", "Yêu cầu không hợp lệ");

/// Speaks at once, and clones any voice.
#[derive(Debug)]
struct Speaker(ProtocolId);

#[async_trait]
impl Provider for Speaker {
    fn protocol(&self) -> &ProtocolId {
        &self.0
    }

    async fn send(&self, call: &Call) -> Result<Sent, Failure> {
        let output = match &*call.work {
            Work::CloneVoice(_) => Output::Voice(ClonedVoice { voice: "cloned-1".into() }),
            _ => Output::Audio(Audio {
                body: Body::Memory(Bytes::from_static(&FRAME)),
                content_type: "audio/mpeg".into(),
                srt: None,
            }),
        };
        Ok(Sent::Done(Reply { output, cost: None, measured: Measured::NOTHING }))
    }
}

fn speaker(protocol: &str) -> Speaker {
    Speaker(ProtocolId::new(protocol).unwrap())
}

fn builder() -> kingcong_core::Builder {
    KingCong::builder()
        .preset(Preset::kingcong().unwrap())
        .master_key(master_key(7))
        .provider(speaker("ai33"))
        .provider(speaker("ai84"))
}

fn master_key(byte: u8) -> StaticMasterKey {
    StaticMasterKey::new(KeyBytes::new(&[byte; 32]))
}

fn speech(user: &str, text: &str) -> Request<AskedSpeech> {
    Request::speech(user, text).service("elevenlabs").voice(VOICE)
}

/// An open library with keys and the users `an`, who has credits, and `bình`, who has none.
struct Bench {
    kc: KingCong,
    key: KeyId,
}

impl Bench {
    async fn new() -> Self {
        let kc = builder().start().await.unwrap();
        let key = kc.keys().add(NewKey::shared("ai33", "elevenlabs", SECRET)).await.unwrap().id;
        kc.wallets().purchase("an", "package-1", "order-1").await.unwrap();
        Self { kc, key }
    }

    /// Everything that a refused call must leave as it was.
    async fn written(&self) -> Vec<String> {
        let kc = &self.kc;
        let mut rows = Vec::new();
        for user in ["an", "bình", "rich", "poor"] {
            let wallet = kc.wallets().get(user).await.unwrap();
            rows.push(format!("{user}: {:?} {:?} {:?}", wallet.balance, wallet.held, wallet.debt));
            rows.push(format!("{:?}", kc.wallets().history(user, None, 1000).await.unwrap()));
        }
        let every = JobFilter { limit: 1000, ..JobFilter::default() };
        rows.push(format!("{:?}", kc.jobs(&every).await.unwrap()));
        rows.push(format!("{:?}", kc.of_all().reports().audit(None, 1000).await.unwrap()));
        rows.push(format!("{:?}", kc.config().get().await.unwrap()));
        rows.push(format!("{:?}", kc.prices().list().await.unwrap()));
        rows.push(format!("{:?}", kc.packages().list().await.unwrap()));
        let keys = kc.keys().list().await.unwrap();
        rows.extend(
            keys.iter().map(|key| format!("{:?} {} {:?} {:?}", key.id, key.route, key.label, key.switch)),
        );
        rows
    }

    /// The call fails with an error of that kind, whose text has these parts, and changes nothing.
    async fn refuses<T: Debug>(
        &self,
        call: impl Future<Output = Result<T, Error>>,
        is: impl Fn(&Error) -> bool,
        says: &[&str],
    ) -> Error {
        let before = self.written().await;
        let error = call.await.unwrap_err();
        assert_is(&error, is, says);
        assert_eq!(self.written().await, before, "{error} wrote something");
        error
    }

    /// The same, and a user is told so in English and Vietnamese.
    async fn tells<T: Debug>(
        &self,
        call: impl Future<Output = Result<T, Error>>,
        is: impl Fn(&Error) -> bool,
        says: &[&str],
        told: (&str, &str),
    ) {
        let error = self.refuses(call, is, says).await;
        let message = error.message();
        let words = (message.text(Language::English), message.text(Language::Vietnamese));
        assert_eq!((words.0.as_str(), words.1.as_str()), told, "{error}");
    }

    async fn done(&self, request: impl Into<Request>) -> (JobId, Job) {
        let job = self.kc.submit(request).await.unwrap();
        let report = job.wait().await.unwrap();
        assert_eq!(report.job.state, JobState::Completed, "{report:?}");
        (job.id(), report.job)
    }

    /// After all that, everything adds up and a good request is served and charged.
    async fn still_works(&self) {
        let before = self.kc.wallets().get("an").await.unwrap().balance.get();
        self.done(speech("an", "Xin chào!")).await;
        assert_eq!(self.kc.wallets().get("an").await.unwrap().balance.get(), before - 9);
        let verification = self.kc.verify().await.unwrap();
        assert!(verification.is_sound(), "{verification:?}");
        self.kc.close().await;
    }
}

fn assert_is<E: std::error::Error>(error: &E, is: impl Fn(&E) -> bool, says: &[&str]) {
    let text = error.to_string();
    assert!(is(error), "another error than expected: {error:?}: {text}");
    for part in says {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

macro_rules! is {
    ($($pattern:tt)+) => {
        |error: &_| matches!(error, $($pattern)+)
    };
}

#[tokio::test]
async fn a_text_that_cannot_be_spoken_is_refused() {
    let bench = Bench::new().await;
    let kc = &bench.kc;
    let long = "a".repeat(1_000_001);
    let empty = ("The text is empty", "Văn bản trống");
    let submit = |text: &str| kc.submit(speech("an", text));
    bench
        .tells(
            submit(""),
            is!(Error::Request(RequestError::Text(TextError::Empty))),
            &["empty", "give"],
            empty,
        )
        .await;
    let is = is!(Error::Request(RequestError::Text(TextError::Invisible { .. })));
    bench.tells(submit("\u{200b}\u{2060} \u{200d}"), is, &["4 characters", "give"], empty).await;
    let is = is!(Error::Request(RequestError::Text(TextError::TooLong { characters: 1_000_001 })));
    let too_long = (
        "The text is too long: 1000001 characters, at most 1000000 are allowed",
        "Văn bản quá dài: 1000001 ký tự, tối đa 1000000 ký tự",
    );
    bench.tells(submit(&long), is, &["1000001", "send at most 1000000"], too_long).await;
    let is = is!(Error::Request(RequestError::Text(TextError::Control { .. })));
    bench.tells(submit("ab\u{7}c"), is, &["\\u{7}", "byte 2", "remove"], INVALID).await;
    let not_utf8 = async { Request::speech_from_bytes("an", b"ab\xff\xfe").map_err(Error::from) };
    let is = is!(Error::Request(RequestError::Text(TextError::NotUtf8 { offset: 2 })));
    bench.tells(not_utf8, is, &["byte 2", "send it as UTF-8"], INVALID).await;
    let pieces = speech("an", "ab").pieces(NonZeroU16::new(3).unwrap());
    let is = is!(Error::NoPlan { error: PlanError::Cut(CutError::TooShort { .. }), .. });
    bench.tells(kc.submit(pieces), is, &["2", "3 pieces", "ask for fewer"], INVALID).await;
    bench
        .tells(
            kc.estimate(speech("an", "")),
            is!(Error::Request(RequestError::Text(TextError::Empty))),
            &["empty"],
            empty,
        )
        .await;
    bench.still_works().await;
}

#[tokio::test]
async fn a_request_with_a_part_out_of_bounds_is_refused() {
    let bench = Bench::new().await;
    let (wallets, voices) = (bench.kc.wallets(), bench.kc.voices());
    let long_user = "u".repeat(191);
    for user in ["", "a\nb", " an", &long_user] {
        let shown: String = user.chars().take(64).collect();
        let says = [&format!("{shown:?}"), "UserId", "must be 1 to 190 bytes"];
        let call = bench.kc.submit(speech(user, "hello"));
        bench.tells(call, is!(Error::Request(RequestError::Id(_))), &says, INVALID).await;
        bench.tells(wallets.get(user), is!(Error::Id(_)), &says, INVALID).await;
        bench.tells(voices.cloned(user), is!(Error::Id(_)), &says, INVALID).await;
        let call = wallets.purchase(user, "package-1", "order-2");
        bench.tells(call, is!(Error::Id(_)), &says, INVALID).await;
        let call = wallets.adjust(user, Amount::new(1), "gift", "gift-1");
        bench.tells(call, is!(Error::Id(_)), &says, INVALID).await;
    }

    let speech = || speech("an", "hello");
    let settings = |settings: VoiceSettings| speech().settings(settings);
    let clone = |sample: &'static [u8], content_type: &str| {
        Request::clone_voice("an", "Giọng An", sample, content_type).service("minimax")
    };
    let long_key = "k".repeat(256);
    let too_many =
        (0..65).map(|server| (ServerId::new(format!("s{server}")).unwrap(), "anna".to_owned())).collect();
    let requests: [(Request, _); 18] = [
        (Request::speech("an", "hello").voice(VOICE).into(), ["service is missing", "name one"]),
        (Request::speech("an", "hello").service("elevenlabs").into(), ["voice is missing", "name one"]),
        (speech().voice_per_server(BTreeMap::new()).into(), ["voice is missing", "name it"]),
        (speech().voice_per_server(too_many).into(), ["voice on 65 servers", "1 to 64"]),
        (speech().service("Eleven Labs!").into(), ["\"Eleven Labs!\"", "must be"]),
        (speech().voice("").into(), ["voice \"\"", "must be"]),
        (speech().voice("../v1/user?").into(), ["\"../v1/user?\"", "without"]),
        (speech().model("a b").into(), ["model \"a b\"", "without"]),
        (speech().language("v\0").into(), ["language", "must be"]),
        (speech().weight(NonZeroU32::new(1001).unwrap()).into(), ["weight 1001", "1 to 1000"]),
        (speech().deadline(Duration::ZERO).into(), ["deadline", "1 s to 7 days"]),
        (speech().deadline(Duration::MAX).into(), ["deadline", "1 s to 7 days"]),
        (
            settings(VoiceSettings { speed: Some(201), ..VoiceSettings::default() }).into(),
            ["speed 201", "50 to 200"],
        ),
        (
            settings(VoiceSettings { stability: Some(101), ..VoiceSettings::default() }).into(),
            ["101", "0 to 100"],
        ),
        (speech().idempotency_key("").into(), ["0 bytes", "1 to 255"]),
        (speech().idempotency_key(&long_key).into(), ["256 bytes", "1 to 255"]),
        (clone(b"", "audio/mpeg").into(), ["0 bytes", "must be"]),
        (clone(b"RIFF", "text/html").into(), ["\"text/html\"", "must be"]),
    ];
    for (request, says) in requests {
        bench.tells(bench.kc.submit(request), is!(Error::Request(_)), &says, INVALID).await;
    }
    bench.still_works().await;
}

#[tokio::test]
async fn what_does_not_exist_is_named() {
    let bench = Bench::new().await;
    let kc = &bench.kc;
    let is_unknown =
        is!(Error::NoPlan { error: PlanError::Unavailable(Unavailable::UnknownService { .. }), .. });
    let told = ("There is no service nope", "Không có dịch vụ nope");
    let call = kc.submit(speech("an", "hello").service("nope"));
    bench.tells(call, is_unknown, &["nope", "elevenlabs", "name one of"], told).await;

    let told = ("Minimax is not available at the moment", "Minimax hiện không khả dụng");
    let is_no_key = is!(Error::NoPlan { error: PlanError::NoKey { .. }, .. });
    let call = kc.submit(speech("an", "hello").service("minimax"));
    bench.tells(call, is_no_key, &["ai33_minimax", "ai84_minimax", "add one"], told).await;

    let nowhere = BTreeMap::from([(ServerId::new("nope").unwrap(), "v-1".to_owned())]);
    let told = ("The voice v-1 is not available", "Giọng đọc v-1 không khả dụng");
    let is_nowhere = is!(Error::NoPlan { error: PlanError::VoiceNowhere { .. }, .. });
    let call = kc.submit(speech("an", "hello").voice_per_server(nowhere));
    bench.tells(call, is_nowhere, &["v-1", "ai33", "name"], told).await;

    // A voice of another user is told of as one that is not there.
    kc.wallets().purchase("bình", "package-1", "order-b").await.unwrap();
    kc.keys().add(NewKey::shared("ai33", "minimax", "sk-upstream-that-clones")).await.unwrap();
    let clone = Request::clone_voice("an", "Giọng An", &b"RIFF"[..], "audio/wav").service("minimax");
    let (job, _) = bench.done(clone).await;
    let JobResult::Voice { voice } = kc.job(job).result().await.unwrap() else { panic!("no voice") };
    let is_voice = is!(Error::Output { reason: OutputError::NoAudio, .. });
    bench.refuses(kc.job(job).audio(), is_voice, &[&job.to_string(), "cloned voice"]).await;
    let (spoken, _) = bench.done(speech("an", "hello")).await;
    let audio = kc.job(spoken).audio().await.unwrap();
    let (end, past) = (audio.bytes(), audio.bytes() + 1);
    let is_range = is!(Error::Range(_));
    bench.tells(audio.read(7..7), is_range, &["bytes 7 to 7", "behind the start"], INVALID).await;
    let says = [&*past.to_string(), &*format!("end at {end} at most")];
    bench.tells(audio.read(0..past), is_range, &says, INVALID).await;
    let unknown = VoiceId::from_uuid(uuid(9));
    for (user, voice) in [("bình", voice), ("an", unknown)] {
        let request = Request::speech(user, "hello").service("minimax").cloned_voice(voice);
        let name = voice.to_string();
        let told =
            (&*format!("The voice {voice} is not available"), &*format!("Giọng đọc {voice} không khả dụng"));
        let is = is!(Error::NoPlan { error: PlanError::UnknownVoice { .. }, .. });
        bench.tells(kc.submit(request), is, &[&name, "name one"], told).await;
    }

    let job = kc.job(JobId::from_uuid(uuid(1)));
    let says = ["job", &job.id().to_string(), "name one that there is"];
    let is_gone = is!(Error::NotFound { what: "job", .. });
    bench.tells(job.status(), is_gone, &says, INVALID).await;
    bench.tells(job.wait(), is_gone, &says, INVALID).await;
    bench.tells(job.cancel(), is_gone, &says, INVALID).await;
    bench.tells(job.result(), is_gone, &says, INVALID).await;
    bench.tells(job.audio(), is_gone, &says, INVALID).await;
    bench.tells(job.subtitles(), is_gone, &says, INVALID).await;
    bench.tells(job.task_output(0), is_gone, &says, INVALID).await;

    let is_server = is!(Error::NotFound { what: "server", .. });
    bench.refuses(kc.voices().offered("nope", "elevenlabs", None), is_server, &["nope", "name one"]).await;
    let is_key = is!(Error::NotFound { what: "usable key on route", .. });
    bench.refuses(kc.voices().offered("ai84", "minimax", None), is_key, &["ai84_minimax", "name one"]).await;
    bench.still_works().await;
}

fn uuid(number: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(number)
}

#[tokio::test]
async fn money_that_cannot_be_moved_stays() {
    let bench = Bench::new().await;
    let kc = &bench.kc;
    let told = ("Not enough credits, please top up", "Credits không đủ, vui lòng nạp thêm");
    let is_poor = is!(Error::Refused(Refusal::InsufficientCredits { .. }));
    bench.tells(kc.submit(speech("bình", "hello")), is_poor, &["5 needed", "0 available", "buy"], told).await;

    let wallets = kc.wallets();
    let is_sold = is!(Error::Package(PackageError::NotFound { .. }));
    let call = wallets.purchase("an", "package-99", "order-2");
    bench.tells(call, is_sold, &["package-99", "choose one"], INVALID).await;
    let call = wallets.purchase("an", "Package 1", "order-2");
    bench.tells(call, is!(Error::Id(_)), &["\"Package 1\"", "must be"], INVALID).await;
    let call = wallets.purchase("an", "package-1", "");
    bench.tells(call, is!(Error::IdempotencyKey(_)), &["0 bytes", "1 to 255"], INVALID).await;
    let call = wallets.purchase("an", "package-2", "order-1");
    let conflict = ["another payload", "new key"];
    bench.tells(call, is!(Error::IdempotencyConflict), &conflict, INVALID).await;
    let call = wallets.purchase("bình", "package-1", "order-1");
    bench.tells(call, is!(Error::IdempotencyConflict), &conflict, INVALID).await;
    let money = |amount: i64, unit| Money::new(Amount::new(amount), unit);
    let ordered = Ordered { credits: money(10, Unit::CREDIT), price: money(5_000_000_000, Unit::USD) };
    let is_other = is!(Error::Package(PackageError::NotAsOrdered { .. }));
    let words = ["1000000 credit for 5 usd", "10 credit for 5 usd was ordered", "money back"];
    bench
        .tells(wallets.purchase_ordered("an", "package-1", "order-2", ordered), is_other, &words, INVALID)
        .await;
    let is_reference = is!(Error::Argument { argument: "order", .. });
    bench.refuses(wallets.purchase("an", "package-1", "a\0b"), is_reference, &["255 bytes"]).await;

    let amount = Amount::new;
    let adjust = |user: &'static str, change: i64, key: &str| {
        let (wallets, key) = (wallets.clone(), key.to_owned());
        async move { wallets.adjust(user, amount(change), "by an admin", &key).await }
    };
    let is_zero = is!(Error::Refused(Refusal::NotPositive { .. }));
    bench.refuses(adjust("an", 0, "zero"), is_zero, &["amount 0", "must be"]).await;
    adjust("rich", i64::MAX, "most").await.unwrap();
    adjust("poor", -i64::MAX, "least").await.unwrap();
    let is_overflow = is!(Error::Refused(Refusal::Overflow));
    for (user, change) in
        [("rich", i64::MAX), ("rich", 1), ("poor", -i64::MAX), ("poor", -1), ("an", i64::MIN)]
    {
        bench
            .refuses(adjust(user, change, &format!("{user} {change}")), is_overflow, &["64 bits", "smaller"])
            .await;
    }
    let call = wallets.purchase("rich", "package-1", "order-r");
    bench.refuses(call, is_overflow, &["64 bits", "smaller"]).await;
    let told = ("Credits are owed, please top up", "Tài khoản đang nợ credits, vui lòng nạp thêm");
    let is_owing = is!(Error::Refused(Refusal::InDebt { .. }));
    bench
        .tells(kc.submit(speech("poor", "hello")), is_owing, &["owes 9223372036854775807", "buy"], told)
        .await;
    let call = adjust("rich", 5, "most");
    bench.tells(call, is!(Error::IdempotencyConflict), &conflict, INVALID).await;

    let (job, _) = bench.done(speech("an", "hello").idempotency_key("once")).await;
    let call = kc.submit(speech("an", "goodbye").idempotency_key("once"));
    bench.tells(call, is!(Error::IdempotencyConflict), &conflict, INVALID).await;
    assert_eq!(kc.submit(speech("an", "hello").idempotency_key("once")).await.unwrap().id(), job);

    let task = kc.job(job).status().await.unwrap().tasks[0].task.id;
    let refund = |user: &'static str, task: TaskId, change: i64| {
        let (wallets, key) = (wallets.clone(), format!("{task} {change}"));
        async move { wallets.refund(user, task, Some(amount(change)), "sorry", &key).await }
    };
    let is_beyond = is!(Error::Refused(Refusal::BeyondCharge { .. }));
    bench.refuses(refund("an", task, 6), is_beyond, &["refund of 6", "the 5", "no more"]).await;
    for nothing in [0, -5] {
        bench.refuses(refund("an", task, nothing), is_zero, &[&format!("amount {nothing}")]).await;
    }
    let is_task = is!(Error::NotFound { what: "task paid by the wallet of", .. });
    bench.refuses(refund("bình", task, 5), is_task, &["bình", "name one"]).await;
    bench.refuses(refund("an", TaskId::from_uuid(uuid(3)), 5), is_task, &["an", "name one"]).await;
    refund("an", task, 5).await.unwrap();
    bench.refuses(refund("an", task, 1), is_beyond, &["refund of 1", "the 0"]).await;
    bench.still_works().await;
}

#[tokio::test]
async fn a_configuration_that_breaks_a_rule_is_refused() {
    let bench = Bench::new().await;
    let config = bench.kc.config();
    let server = |protocol: &str| Server {
        protocol: ProtocolId::new(protocol).unwrap(),
        base_url: BaseUrl::new("https://api.example.com").unwrap(),
        weight: 1,
        polls: PollsCount::Free,
        defaults: Limits::new(1, 1).unwrap(),
        egress: None,
    };
    let unknown_server = is!(Error::Configuration(SystemError::UnknownServer { .. }));
    let unknown_service = is!(Error::Configuration(SystemError::UnknownService { .. }));
    let nope = ["nope", "ai33", "name one of"];
    bench.refuses(config.set_route("nope", "elevenlabs", Switch::Off), unknown_server, &nope).await;
    bench.refuses(config.set_weights(&[("nope", 1)]), unknown_server, &nope).await;
    bench.refuses(config.remove_server("nope"), unknown_server, &nope).await;
    bench.refuses(config.update_server("nope", ServerChange::default()), unknown_server, &nope).await;
    let nope = ["nope", "elevenlabs", "name one of"];
    bench.refuses(config.set_route("ai33", "nope", Switch::Off), unknown_service, &nope).await;
    bench.refuses(config.set_service_maintenance(&["nope"]), unknown_service, &nope).await;
    let services = [("nope", Switch::On)];
    bench.refuses(config.add_server("ai99", server("ai33"), &services), unknown_service, &nope).await;

    let zero = is!(Error::Configuration(SystemError::AllWeightsZero));
    let says = ["weight 0", "at least one"];
    bench.refuses(config.set_weights(&[("ai33", 0), ("ai84", 0)]), zero, &says).await;
    let large = is!(Error::Configuration(SystemError::WeightTooLarge { .. }));
    for weight in [1_000_001, u32::MAX] {
        let says = [&*weight.to_string(), "ai33", "0 to 1000000"];
        bench.refuses(config.set_weights(&[("ai33", weight)]), large, &says).await;
    }
    let nothing = is!(Error::Configuration(SystemError::MaintenanceOfNothing));
    let none = Maintenance::Services(Default::default());
    bench.refuses(config.set_maintenance(none), nothing, &["names none", "at least one"]).await;
    let taken = is!(Error::Configuration(SystemError::ServiceExists(_)));
    bench.refuses(config.add_service("minimax", "Minimax"), taken, &["minimax", "choose another"]).await;
    let taken = is!(Error::Configuration(SystemError::ServerExists(_)));
    bench.refuses(config.add_server("ai33", server("ai33"), &[]), taken, &["ai33", "choose another"]).await;
    let named = is!(Error::Configuration(_));
    bench.refuses(config.add_service("music", " "), named, &["\" \"", "must be"]).await;
    let silent = is!(Error::NoProvider { .. });
    let says = ["smoke-signals", "ai99", "register one"];
    bench.refuses(config.add_server("ai99", server("smoke-signals"), &[]), silent, &says).await;
    let badly_named = config.add_server("AI 99", server("ai33"), &[]);
    bench.refuses(badly_named, is!(Error::Id(_)), &["AI 99", "must be"]).await;
    for url in ["", "ftp://api.example.com", "https://", "https://user:hunter2@api.example.com"] {
        let call = async { BaseUrl::new(url).map_err(Error::from) };
        let error = bench.refuses(call, is!(Error::BaseUrl(_)), &["base URL", "give one such as"]).await;
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    bench.still_works().await;
}

#[tokio::test]
async fn an_access_that_cannot_be_one_or_has_ended_is_refused() {
    let bench = Bench::new().await;
    let kc = &bench.kc;
    let every = JobFilter { limit: 1, ..JobFilter::default() };
    let asks = |actor: &'static str, role: Result<Role, InvalidRole>| {
        let every = &every;
        async move { kc.acting(Access::new(actor, role?)?).jobs(every).await }
    };
    let unknown = is!(Error::Role(InvalidRole::Unknown { .. }));
    bench.refuses(asks("an", Role::named("root", None, None)), unknown, &["\"root\"", "operator, "]).await;
    let incomplete = is!(Error::Role(InvalidRole::Incomplete { .. }));
    for (role, says) in
        [("tenant_admin", "no tenant"), ("tenant_billing", "no tenant"), ("member", "no tenant")]
    {
        bench.refuses(asks("an", Role::named(role, None, None)), incomplete, &[role, says, "name the"]).await;
    }
    let no_user = Role::named("member", Some("main"), None);
    bench.refuses(asks("an", no_user), incomplete, &["member", "no user"]).await;
    let too_narrow = is!(Error::Role(InvalidRole::TooNarrow { .. }));
    let of_tenant = Role::named("operator", Some("acme"), None);
    bench.refuses(asks("an", of_tenant), too_narrow, &["operator", "\"acme\"", "leave it out"]).await;
    let of_nobody = Role::named("tenant_admin", Some(""), None);
    bench
        .refuses(asks("an", of_nobody), is!(Error::Role(InvalidRole::Id(_))), &["TenantId", "must be"])
        .await;
    bench.refuses(asks("", Ok(Role::Operator)), is!(Error::Id(_)), &["Actor", "must be"]).await;

    let ended = kc.acting(Access::new("an", Role::Operator).unwrap().until(Timestamp::EPOCH));
    let told = ("Please sign in again", "Vui lòng đăng nhập lại");
    let expired = is!(Error::AccessExpired { .. });
    bench
        .tells(ended.jobs(&every), expired, &["an", "1970-01-01T00:00:00.000000Z", "new access"], told)
        .await;
    bench.tells(ended.config().remove_server("ai84"), expired, &["an", "ended at"], told).await;

    let admin = kc.acting(Access::new("an", Role::tenant_admin("acme").unwrap()).unwrap());
    let foreign = is!(Error::NotFound { what: "tenant", .. });
    bench.refuses(admin.of("umbra").jobs(&every), foreign, &["tenant", "\"umbra\""]).await;
    bench.refuses(admin.of_all().jobs(&every), foreign, &["tenant", "every one"]).await;
    bench.refuses(admin.of("").jobs(&every), is!(Error::Id(_)), &["TenantId", "must be"]).await;
    let member = kc.acting(Access::new("bình", Role::member("main", "bình").unwrap()).unwrap());
    let nobody = is!(Error::NotFound { what: "user", .. });
    bench.refuses(member.submit(speech("an", "Xin chào!")), nobody, &["user", "\"an\""]).await;
    let no_wallet = is!(Error::NotFound { what: "wallet of", .. });
    let from_tenant = speech("bình", "Xin chào!").payer(Payer::Tenant);
    bench.refuses(member.submit(from_tenant), no_wallet, &["wallet of", "the tenant"]).await;
    bench.refuses(member.wallets().get("an"), no_wallet, &["wallet of", "\"an\""]).await;
    bench.still_works().await;
}

#[tokio::test]
async fn a_price_that_cannot_be_one_is_refused() {
    let bench = Bench::new().await;
    let kc = &bench.kc;
    let line = |price: &str, unit| {
        let line = PriceLine::from_decimal(Measure::Character, price.parse().unwrap(), NonZeroU32::MIN, unit);
        async move { line.map_err(Error::from) }
    };
    let negative = is!(Error::Price(PriceError::Negative { .. }));
    bench.refuses(line("-0.5", Unit::CREDIT), negative, &["-0.5", "above zero"]).await;
    let digits = is!(Error::Price(PriceError::TooManyDigits { .. }));
    bench.refuses(line("0.0000001", Unit::CREDIT), digits, &["0.0000001", "price a larger"]).await;
    let large = is!(Error::Price(PriceError::TooLarge { .. }));
    bench.refuses(line("99999999999999999999", Unit::USD), large, &["99999999999999999999", "smaller"]).await;
    let nothing = line("0", Unit::CREDIT).await.unwrap();
    for lines in [vec![], vec![nothing]] {
        let call = async { Charge::lines(lines).map_err(Error::from) };
        bench.refuses(call, is!(Error::Price(PriceError::AllZero)), &["zero", "mark it free"]).await;
    }
    let one = line("1", Unit::CREDIT).await.unwrap();
    let twice = async { Charge::lines([one.clone(), one]).map_err(Error::from) };
    let is_twice = is!(Error::Price(PriceError::DuplicateMeasure { .. }));
    bench.refuses(twice, is_twice, &["two lines per character", "add them up"]).await;

    let price = kc.prices().list().await.unwrap().remove(0);
    let stale = is!(Error::Price(PriceError::Stale { .. }));
    bench
        .refuses(
            kc.prices().set(price.clone(), PriceStart::Now, Some(1)),
            stale,
            &["version 1", "read it again"],
        )
        .await;
    let named = is!(Error::Price(PriceError::BadName { .. }));
    let unnamed = Price { name: "\n".into(), version: 2, ..price.clone() };
    bench.refuses(kc.prices().set(unnamed, PriceStart::Now, None), named, &["\"\\n\"", "must be"]).await;
    let nowhere = is!(Error::Configuration(SystemError::UnknownServer { .. }));
    let route = Route::new(ServerId::new("ai99").unwrap(), price.route.service.clone());
    let prices = kc.prices();
    let call = prices.set(Price { route, ..price }, PriceStart::Now, None);
    bench.refuses(call, nowhere, &["ai99", "ai33, ai84", "add it first"]).await;
    let gone = is!(Error::NotFound { what: "price or package", .. });
    let call = prices.remove("ai33", "elevenlabs", Some("v9"), Operation::Speech);
    bench.refuses(call, gone, &["ai33_elevenlabs", "v9", "name one"]).await;
    bench.refuses(kc.packages().remove("package-99"), gone, &["package-99", "name one"]).await;
    let package = Package {
        id: PackageId::new("gift").unwrap(),
        credits: Amount::ZERO,
        unit: Unit::CREDIT,
        price: Money::new(Amount::new(1), Unit::USD),
        label: "A gift".into(),
        switch: Switch::On,
    };
    let empty = is!(Error::Package(PackageError::NotPositive { .. }));
    bench.refuses(kc.packages().set(package), empty, &["gift", "above zero"]).await;

    let key = NewKey::shared("ai33", "minimax", "sk-upstream-of-minimax-0123");
    kc.keys().add(key).await.unwrap();
    for server in ["ai33", "ai84"] {
        kc.prices().remove(server, "minimax", None, Operation::Speech).await.unwrap();
    }
    let missing = is!(Error::NoPlan { error: PlanError::Price(PriceError::NotFound { .. }), .. });
    let told = ("Minimax has no price for this request", "Minimax chưa có giá cho yêu cầu này");
    let call = kc.submit(speech("an", "hello").service("minimax"));
    bench.tells(call, missing, &["ai33_minimax", "set one"], told).await;
    bench.still_works().await;
}

#[tokio::test]
async fn a_key_that_cannot_be_registered_is_refused() {
    let bench = Bench::new().await;
    let keys = || bench.kc.keys();
    let add = |server: &str, service: &str, secret: &str| {
        let (keys, new) = (keys(), NewKey::shared(server, service, secret));
        async move { keys.add(new).await }
    };
    let key = bench.key.to_string();
    let twice = is!(Error::DuplicateKey { .. });
    bench.refuses(add("ai33", "elevenlabs", SECRET), twice, &["ai33_elevenlabs", &key, "already"]).await;
    let other = is!(Error::OtherAccount { .. });
    bench.refuses(add("ai33", "minimax", SECRET), other, &["ai33_elevenlabs", &key, "same account"]).await;
    let no_route = is!(Error::UnknownRoute(_));
    bench
        .refuses(add("nope", "elevenlabs", "sk-another-secret-1234"), no_route, &["nope_elevenlabs", "add"])
        .await;
    bench.refuses(add("ai33", "nope", "sk-another-secret-1234"), no_route, &["ai33_nope", "add"]).await;

    let long = "s".repeat(4097);
    for (secret, says) in [
        ("", ["0 bytes", "give"]),
        ("hunter2", ["7 bytes", "give"]),
        (&long, ["4097 bytes", "give"]),
        ("hunter2-hunter2\n", ["white space", "give"]),
        ("hunter2\thunter2", ["character 7", "give"]),
    ] {
        let is_secret = is!(Error::Secret(
            InvalidSecret::Length { .. } | InvalidSecret::Surrounded | InvalidSecret::ControlCharacter { .. }
        ));
        let error = bench.refuses(add("ai33", "elevenlabs", secret), is_secret, &says).await;
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }

    let limits = Limits::new(1, 1).unwrap();
    let new = || NewKey::shared("ai33", "elevenlabs", "sk-another-secret-1234");
    let is_label = is!(Error::Argument { argument: "label", .. });
    bench.refuses(keys().add(new().label("l".repeat(191))), is_label, &["lll", "190 bytes"]).await;
    let is_account = is!(Error::Argument { argument: "account", .. });
    bench.refuses(keys().add(new().account("a\0", limits)), is_account, &["account", "190 bytes"]).await;
    let is_new = is!(Error::NoAccountLimits { .. });
    bench.refuses(keys().add(new().known_account("us")), is_new, &["us", "ai33", "first key"]).await;
    let kept = Limits::new(2, 3).unwrap();
    keys().add(NewKey::shared("ai33", "minimax", "sk-of-us-123456").account("us", kept)).await.unwrap();
    let is_other = is!(Error::OtherAccountLimits { .. });
    let says = ["us", "2 calls in flight and 3 starts a minute", "accounts.set_limits"];
    bench.refuses(keys().add(new().account("us", limits)), is_other, &says).await;
    let unknown = is!(Error::NotFound { what: "account", .. });
    let accounts = bench.kc.accounts();
    bench.refuses(accounts.set_limits("ai33", "them", limits), unknown, &["them of ai33", "name one"]).await;
    let is_nameless = is!(Error::NotFound { what: "account", .. });
    bench.refuses(keys().add(new().account("", limits)), is_nameless, &["account", "name one"]).await;

    let removed = add("ai33", "elevenlabs", "sk-to-be-removed-1234").await.unwrap().id;
    keys().remove(removed).await.unwrap();
    let id = KeyId::from_uuid(uuid(7));
    let gone = is!(Error::NotFound { what: "key", .. });
    let says = [&*id.to_string(), "name one"];
    bench.refuses(keys().get(id), gone, &says).await;
    bench.refuses(keys().enable(id), gone, &says).await;
    bench.refuses(keys().disable(id), gone, &says).await;
    bench.refuses(keys().remove(id), gone, &says).await;
    bench.refuses(keys().set_limits(id, limits), gone, &says).await;
    bench.refuses(keys().check(id), gone, &says).await;
    let wiped = is!(Error::KeyRemoved(_));
    bench.refuses(keys().enable(removed), wiped, &[&removed.to_string(), "register"]).await;
    bench.refuses(keys().remove(removed), wiped, &[&removed.to_string(), "register"]).await;
    bench.still_works().await;
}

#[tokio::test]
async fn a_setting_outside_of_its_bounds_is_refused() {
    type Change = fn(&mut Settings);
    let changes: [(&str, &str, Change); 20] = [
        ("dead_after", "1s", |settings| settings.dead_after = Duration::from_secs(1)),
        ("dead_after", "3601s", |settings| settings.dead_after = Duration::from_secs(3_601)),
        ("guard", "249ms", |settings| settings.guard = Some(Duration::from_millis(249))),
        ("guard", "86401s", |settings| settings.guard = Some(Duration::from_secs(86_401))),
        ("window", "0ns", |settings| settings.window = Some(Duration::ZERO)),
        ("window", "86401s", |settings| settings.window = Some(Duration::from_secs(86_401))),
        ("call_max", "0ns", |settings| settings.call_max = Some(Duration::ZERO)),
        ("call_max", "86401s", |settings| settings.call_max = Some(Duration::from_secs(86_401))),
        ("poll_interval", "0ns", |settings| settings.poll_interval = Duration::ZERO),
        ("pulse_interval", "0ns", |settings| settings.pulse_interval = Duration::ZERO),
        ("poll_interval", "86401s", |settings| settings.poll_interval = Duration::from_secs(86_401)),
        ("monitor_interval", "86401s", |settings| settings.monitor_interval = Duration::from_secs(86_401)),
        ("move_after", "86401s", |settings| settings.move_after = Duration::from_secs(86_401)),
        ("drain", "86401s", |settings| settings.drain = Duration::from_secs(86_401)),
        ("pulse_interval", "30s", |settings| settings.pulse_interval = Duration::from_secs(30)),
        ("monitor_interval", "0ns", |settings| settings.monitor_interval = Duration::ZERO),
        ("deadline", "0ns", |settings| settings.deadline = Duration::ZERO),
        ("deadline", "604801s", |settings| settings.deadline = Duration::from_secs(7 * 24 * 3600 + 1)),
        ("queue_max", "0", |settings| settings.queue_max = 0),
        ("calls_max", "0", |settings| settings.calls_max = 0),
    ];
    for (name, value, change) in changes {
        let mut settings = Settings::default();
        change(&mut settings);
        let error = builder().settings(settings).start().await.unwrap_err();
        let is_setting = |error: &Error| matches!(error, Error::Setting { setting, .. } if *setting == name);
        assert_is(&error, is_setting, &[name, value, "must be"]);
        assert!(!error.is_retryable());
    }
}

#[tokio::test]
async fn how_windows_are_counted_is_the_store_s_and_another_value_is_refused() {
    type Change = fn(&mut Settings, Duration);
    let of: [(&str, Change); 3] = [
        ("window", |settings, value| settings.window = Some(value)),
        ("guard", |settings, value| settings.guard = Some(value)),
        ("call_max", |settings, value| settings.call_max = Some(value)),
    ];
    let with = |change: Change, value| {
        let mut settings = Settings::default();
        change(&mut settings, value);
        settings
    };
    for (name, change) in of {
        let directory = tempfile::tempdir().unwrap();
        let address = url(&directory.path().join("kingcong.db"));
        let open = async |settings| {
            builder().store(SqlStore::connect(&address).await.unwrap()).settings(settings).start().await
        };
        let (first, other) = (Duration::from_millis(7_500), Duration::from_millis(7_501));
        let kc = open(with(change, first)).await.unwrap();
        // Beside it, after it, and again and again.
        for _ in 0..2 {
            let error = open(with(change, other)).await.unwrap_err();
            let is_name =
                |error: &Error| matches!(error, Error::NotTheStores { setting, .. } if *setting == name);
            assert_is(&error, is_name, &[name, "7.501s", "7.5s", "leave it out"]);
            assert!(!error.is_retryable());
            kc.close().await;
        }
        for settings in [with(change, first), Settings::default()] {
            open(settings).await.unwrap().close().await;
        }
    }
}

#[tokio::test]
async fn a_closed_library_says_so() {
    let bench = Bench::new().await;
    bench.kc.close().await;
    assert_is(
        &bench.kc.submit(speech("an", "hello")).await.unwrap_err(),
        is!(Error::Closed),
        &["open it again"],
    );
    let call = bench.kc.wallets().purchase("an", "package-1", "order-2").await;
    assert_is(&call.unwrap_err(), is!(Error::Closed), &["open it again"]);
    let call = bench.kc.config().set_weights(&[("ai33", 1)]).await;
    assert_is(&call.unwrap_err(), is!(Error::Closed), &["open it again"]);
}

// Databases

fn url(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}

fn hasty() -> Options {
    let mut options = Options::default();
    options.write_wait_max = Duration::from_millis(1);
    options
}

/// A database with a user who has credits.
async fn furnish(path: &Path) {
    let kc = builder().store(SqlStore::connect(&url(path)).await.unwrap()).start().await.unwrap();
    kc.keys().add(NewKey::shared("ai33", "elevenlabs", SECRET)).await.unwrap();
    kc.wallets().purchase("an", "package-1", "order-1").await.unwrap();
    kc.close().await;
}

/// The database opens, holds what it held, and serves.
async fn assert_serves(path: &Path) {
    let kc = builder().store(SqlStore::connect(&url(path)).await.unwrap()).start().await.unwrap();
    let key = kc.keys().list().await.unwrap()[0].id;
    assert_eq!(kc.wallets().get("an").await.unwrap().balance.get(), 1_000_000);
    Bench { kc, key }.still_works().await;
}

async fn raw(path: &Path) -> sqlx::SqliteConnection {
    SqliteConnectOptions::new().filename(path).connect().await.unwrap()
}

#[tokio::test]
async fn a_database_that_cannot_be_one_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);

    let unknown = SqlStore::connect("oracle://admin:hunter2@localhost/db").await.unwrap_err();
    assert_is(&unknown, is!(ConnectError::UnknownScheme { .. }), &["\"oracle\"", "sqlite://"]);
    assert!(!format!("{unknown} {unknown:?}").contains("hunter2"));
    for (url, scheme) in [("", "\"\""), ("kingcong.db", "\"kingcong.db\"")] {
        let error = SqlStore::connect(url).await.unwrap_err();
        assert_is(&error, is!(ConnectError::UnknownScheme { .. }), &[scheme, "sqlite://"]);
    }
    let nameless = SqlStore::connect("sqlite://").await.unwrap_err();
    assert_is(&nameless, is!(ConnectError::NoPath { .. }), &["\"sqlite://\"", "write it as"]);

    std::fs::create_dir(file("a-directory")).unwrap();
    std::fs::write(file("a-letter"), "Dear SQLite, ".repeat(1000)).unwrap();
    furnish(&file("no-log")).await;
    std::fs::create_dir(file("no-log-wal")).unwrap();
    let mut bad = vec!["a-directory", "a-letter", "no-log", "missing/kingcong.db"];
    std::fs::create_dir(file("read-only")).unwrap();
    let mut rights = std::fs::metadata(file("read-only")).unwrap().permissions();
    rights.set_readonly(true);
    std::fs::set_permissions(file("read-only"), rights).unwrap();
    // Rights do not bind every user.
    if std::fs::write(file("read-only/probe"), "").is_err() {
        bad.push("read-only/kingcong.db");
    }
    for name in bad {
        let error = SqlStore::connect_with(&url(&file(name)), hasty()).await.unwrap_err();
        assert_is(&error, is!(ConnectError::Unusable { .. }), &[name]);
        let says_what_to_do = ["name another", "path and rights", "let this process write", "look at"];
        let text = error.to_string();
        assert!(says_what_to_do.iter().any(|part| text.contains(part)), "{name}: {text}");
    }
    let letter = std::fs::read_to_string(file("a-letter")).unwrap();
    assert_eq!(letter, "Dear SQLite, ".repeat(1000), "a file that is none of ours is left alone");
    std::fs::remove_dir(file("no-log-wal")).unwrap();
    assert_serves(&file("no-log")).await;
}

#[tokio::test]
async fn tables_of_a_newer_release_are_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kingcong.db");
    furnish(&path).await;
    let mut connection = raw(&path).await;
    let known: i64 =
        sqlx::query_scalar("SELECT version FROM kingcong_schema").fetch_one(&mut connection).await.unwrap();
    sqlx::query("UPDATE kingcong_schema SET version = version + 98").execute(&mut connection).await.unwrap();
    let error = SqlStore::connect(&url(&path)).await.unwrap_err();
    assert_is(
        &error,
        is!(ConnectError::NewerTables { .. }),
        &[&format!("version {}", known + 98), "use the release"],
    );
    sqlx::query("UPDATE kingcong_schema SET version = version - 98").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    assert_serves(&path).await;
}

#[tokio::test]
async fn another_master_key_opens_nothing_and_writes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kingcong.db");
    furnish(&path).await;
    let store = SqlStore::connect(&url(&path)).await.unwrap();
    let error = builder().store(store.clone()).master_key(master_key(8)).start().await.unwrap_err();
    let is_wrong = is!(Error::MasterKey(MasterKeyError::WrongMasterKey { .. }));
    assert_is(&error, is_wrong, &["start with the master key"]);
    assert!(!error.is_retryable());
    store.close().await;
    assert_serves(&path).await;

    let variable = "KINGCONG_TESTS_NO_SUCH_VARIABLE";
    let missing = StaticMasterKey::from_env(variable).unwrap_err();
    assert_is(&missing, is!(MasterKeyError::VariableMissing { .. }), &[variable, "openssl rand"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_locked_for_too_long_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kingcong.db");
    furnish(&path).await;
    let is_locked = |error: &StoreError| error.kind == StoreErrorKind::Unavailable && error.is_retryable();
    let worker = || WorkerId::from_uuid(uuid(5));

    let queue = directory.path().join("kingcong.db-writers");
    let other_process = std::fs::File::options().write(true).open(&queue).unwrap();
    let store = SqlStore::connect_with(&url(&path), hasty()).await.unwrap();
    other_process.lock().unwrap();
    let refused = SqlStore::connect_with(&url(&path), hasty()).await.unwrap_err();
    assert_is(&refused, is!(ConnectError::Store(_)), &["locked too long", "kingcong.db-writers"]);
    let refused = store.register_worker(worker(), DEAD_AFTER_MIN).await.unwrap_err();
    assert_is(&refused, is_locked, &["locked too long", "1ms", "see which one"]);
    other_process.unlock().unwrap();
    store.close().await;

    // A program that knows nothing of the queue.
    let store = SqlStore::connect_with(&url(&path), hasty()).await.unwrap();
    let mut stranger = raw(&path).await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut stranger).await.unwrap();
    let refused = store.register_worker(worker(), DEAD_AFTER_MIN).await.unwrap_err();
    assert_is(&refused, is_locked, &["locked too long", "try again"]);
    sqlx::query("ROLLBACK").execute(&mut stranger).await.unwrap();
    store.close().await;
    stranger.close().await.unwrap();
    assert_serves(&path).await;
}

#[tokio::test]
async fn a_full_database_takes_nothing_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kingcong.db");
    furnish(&path).await;
    let mut connection = raw(&path).await;
    let pages: u32 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let mut options = Options::default();
    options.sqlite_pages_max = NonZeroU32::new(pages);
    let store = SqlStore::connect_with(&url(&path), options).await.unwrap();
    let mut full = None;
    for number in 0..10_000 {
        if let Err(error) = store.register_worker(WorkerId::from_uuid(uuid(number)), DEAD_AFTER_MIN).await {
            full = Some(error);
            break;
        }
    }
    let is_full = |error: &StoreError| error.kind == StoreErrorKind::Unavailable && error.is_retryable();
    assert_is(&full.expect("so many workers fill the pages"), is_full, &["full", "free some space"]);
    store.close().await;
    assert_serves(&path).await;
}
