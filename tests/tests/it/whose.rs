//! A handle asks for one tenant, in one role: what lies outside is not found, in the words of what does not exist, and
//! what is submitted or booked is its tenant's. A door that is not for the role is refused, and that is audited.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use bytes::Bytes;
use kingcong_core::{
    Error, JobHandle, KingCong, NewKey, Preset, Request, Settings,
    access::{Access, Door, Refusals, Role, RoleName},
    clock::Timestamp,
    engine::{JobResult, Mode},
    failure::{Failure, FailureKind, Reached},
    id::{JobId, ProtocolId, ServerId, TaskId, UserId, VoiceId},
    keys::LimitsChange,
    ledger::{EntryKind, Owner},
    measure::Measured,
    money::{Amount, Unit},
    operation::Operation,
    pricing::PriceStart,
    provider::{Call, Provider, Reply, Sent},
    routing::{Maintenance, ServerChange},
    store::{AttemptFilter, AuditEntry, AuditOutcome, JobFilter, MemoryStore, Standing, Store, WalletFilter},
    switch::Switch,
    tenants::TenantState,
    vault::{KeyBytes, StaticMasterKey},
    work::{AskedSpeech, Audio, Body, ClonedVoice, JobState, Output, Subtitles, Work},
};
use kingcong_http::Upstreams;
use kingcong_servers as servers;
use kingcong_sqlx::SqlStore;

/// A frame of silent MP3: 26 ms.
const FRAME: [u8; 417] = {
    let mut frame = [0; 417];
    [frame[0], frame[1], frame[2], frame[3]] = [0xff, 0xfb, 0x90, 0xc0];
    frame
};
/// A text with this in it is refused upstream.
const ILL: &str = "ill";
/// The id of no job, task or voice.
const UNKNOWN: &str = "01932c07-6f2a-7c40-8a3e-6d1f5b0c9e21";

/// The preset with a key; it submits, and works at nothing.
async fn opened() -> KingCong {
    let kc = KingCong::builder()
        .preset(Preset::kingcong().unwrap())
        .providers(Upstreams::all().unwrap())
        .master_key(StaticMasterKey::new(KeyBytes::new(&[7; 32])))
        .settings(Settings { mode: Mode::Client, ..Settings::default() })
        .start()
        .await
        .unwrap();
    kc.keys().add(NewKey::shared("ai33", "elevenlabs", "sk-of-ai33-elevenlabs")).await.unwrap();
    kc
}

fn speech() -> Request<AskedSpeech> {
    Request::speech("an", "Xin chào!").service("elevenlabs").voice("voice-1")
}

fn every() -> JobFilter {
    JobFilter { limit: 10, ..JobFilter::default() }
}

fn words<T: std::fmt::Debug>(answer: Result<T, Error>, id: JobId) -> String {
    answer.unwrap_err().to_string().replace(&id.to_string(), "ID")
}

/// What each door of a job says of it, without its id.
async fn refusals(kc: &KingCong, id: JobId) -> Vec<String> {
    let job = kc.job(id);
    vec![
        words(job.status().await, id),
        words(job.wait().await, id),
        words(job.events().await.map(drop), id),
        words(job.cancel().await, id),
        words(job.retry("again", None).await, id),
        words(job.result().await, id),
        words(job.audio().await, id),
        words(job.subtitles().await, id),
        words(job.task_output(0).await, id),
    ]
}

#[tokio::test]
async fn a_job_of_another_tenant_is_told_of_as_one_that_does_not_exist() {
    let kc = opened().await;
    let (acme, umbra) = (kc.of("acme"), kc.of("umbra"));
    acme.wallets().purchase("an", "package-1", "order-1").await.unwrap();
    let job = acme.submit(speech()).await.unwrap();
    assert_eq!(job.status().await.unwrap().job.tenant.as_str(), "acme");
    let unknown: JobId = UNKNOWN.parse().unwrap();
    for stranger in [&kc, &umbra] {
        assert_eq!(refusals(stranger, job.id()).await, refusals(stranger, unknown).await);
        assert_eq!(stranger.jobs(&every()).await.unwrap(), []);
    }
    for seen in [acme.jobs(&every()).await.unwrap(), kc.of_all().jobs(&every()).await.unwrap()] {
        assert_eq!(seen.iter().map(|job| job.id).collect::<Vec<_>>(), [job.id()]);
    }
    let of_an = JobFilter { user: Some(UserId::new("an").unwrap()), ..every() };
    assert_eq!(acme.jobs(&of_an).await.unwrap().len(), 1);
    assert!(kc.of_all().job(job.id()).cancel().await.is_ok());
    assert!(kc.verify().await.unwrap().is_sound());
    kc.close().await;
}

#[tokio::test]
async fn users_of_one_name_in_two_tenants_share_nothing() {
    let kc = opened().await;
    let (acme, umbra) = (kc.of("acme"), kc.of("umbra"));
    acme.wallets().purchase("an", "package-1", "order-1").await.unwrap();
    // An order is unique in its tenant, and in no other.
    umbra.wallets().purchase("bình", "package-1", "order-1").await.unwrap();
    let (one, other) = (speech().idempotency_key("key-1"), speech().idempotency_key("key-1"));
    let job = acme.submit(one).await.unwrap();
    let refused = umbra.submit(other.clone()).await.map(|job| job.id());
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    assert_eq!(acme.submit(other).await.unwrap().id(), job.id());
    assert_eq!(umbra.wallets().get("an").await.unwrap().balance, Amount::ZERO);
    assert_eq!(kc.wallets().get("an").await.unwrap().balance, Amount::ZERO);
    kc.close().await;
}

#[tokio::test]
async fn a_tenants_own_wallet_is_filled_corrected_and_listed_in_every_unit() {
    let kc = opened().await;
    let acme = kc.of("acme");
    let bought = acme.wallets().purchase(Owner::Tenant, "package-1", "order-1").await.unwrap();
    assert_eq!((bought.moved.amount.get(), bought.unit), (1_000_000, Unit::CREDIT));
    let dollars = acme.wallets().unit(Unit::USD);
    let fee = dollars.adjust(Owner::Tenant, Amount::new(-7), "fee", "fee-1").await.unwrap();
    assert_eq!(fee.moved.became_debt, Amount::new(7));
    // The key was used in another unit.
    let reused = acme.wallets().adjust(Owner::Tenant, Amount::new(-7), "fee", "fee-1").await;
    assert!(matches!(reused, Err(Error::IdempotencyConflict)), "{reused:?}");
    assert_eq!(dollars.history(Owner::Tenant, None, 10).await.unwrap().len(), 1);
    let debts = WalletFilter { standing: Standing::InDebt, limit: 10, ..WalletFilter::default() };
    let [debt] = &acme.wallets().list(&debts).await.unwrap()[..] else { panic!("one wallet is in debt") };
    assert_eq!((&debt.key.owner, debt.key.unit, debt.debt.get()), (&Owner::Tenant, Unit::USD, 7));
    assert_eq!(kc.wallets().list(&debts).await.unwrap(), []);
    assert_eq!(kc.of_all().wallets().list(&debts).await.unwrap().len(), 1);
    assert!(kc.verify().await.unwrap().is_sound());
    kc.close().await;
}

#[tokio::test]
async fn a_handle_that_names_no_tenant_writes_nothing() {
    let kc = opened().await;
    let nobody = kc.of("");
    for refused in [
        nobody.submit(speech()).await.map(drop).unwrap_err(),
        nobody.wallets().purchase("an", "package-1", "order-1").await.map(drop).unwrap_err(),
        nobody.jobs(&every()).await.map(drop).unwrap_err(),
        nobody.voices().cloned("an").await.map(drop).unwrap_err(),
    ] {
        assert!(matches!(refused, Error::Id(_)), "{refused:?}");
        assert!(refused.to_string().starts_with("TenantId \"\" must be"), "{refused}");
    }
    let all = kc.of_all();
    let of_an = JobFilter { user: Some(UserId::new("an").unwrap()), ..every() };
    for refused in [
        all.submit(speech()).await.map(drop).unwrap_err(),
        all.estimate(speech()).await.map(drop).unwrap_err(),
        all.wallets().get("an").await.map(drop).unwrap_err(),
        all.wallets().adjust("an", Amount::new(1), "gift", "g-1").await.map(drop).unwrap_err(),
        all.voices().cloned("an").await.map(drop).unwrap_err(),
        all.jobs(&of_an).await.map(drop).unwrap_err(),
    ] {
        assert_eq!(
            refused.to_string(),
            "tenant: every one must be one tenant: choose it with `of`",
            "{refused:?}"
        );
    }
    let wallets = WalletFilter { limit: 10, ..WalletFilter::default() };
    assert_eq!(all.wallets().list(&wallets).await.unwrap(), []);
    kc.close().await;
}

/// Answers at once.
#[derive(Debug)]
struct Gateway(ProtocolId);

#[async_trait]
impl Provider for Gateway {
    fn protocol(&self) -> &ProtocolId {
        &self.0
    }

    async fn send(&self, call: &Call) -> Result<Sent, Failure> {
        let output = match &*call.work {
            Work::CloneVoice(_) => Output::Voice(ClonedVoice { voice: "cloned-1".into() }),
            Work::Speech(speech) if speech.text.contains(ILL) => {
                return Err(Failure::new(FailureKind::BadRequest, Reached::No, "it is ill"));
            }
            _ => Output::Audio(Audio {
                body: Body::Memory(Bytes::from_static(&FRAME)),
                content_type: "audio/mpeg".into(),
                srt: Some("1\n00:00:00,000 --> 00:00:00,026\nXin chào!\n".into()),
            }),
        };
        Ok(Sent::Done(Reply { output, cost: None, measured: Measured::NOTHING }))
    }
}

/// What a tenant's user `an` has, in every state that a door asks about.
struct Owned {
    kc: KingCong,
    spoken: JobId,
    failed: JobId,
    scheduled: JobId,
    cloned: JobId,
    voice: VoiceId,
    task: TaskId,
}

impl Owned {
    /// Buys and orders as the user of this tenant, by the same keys in each.
    async fn of(kc: &KingCong, tenant: &str) -> Self {
        let kc = kc.of(tenant);
        kc.wallets().purchase("an", "package-1", "order-1").await.unwrap();
        let spoken = ended(&kc, speech().subtitles(Subtitles::Srt).idempotency_key("spoken")).await;
        let ill = Request::speech("an", ILL).service("elevenlabs").voice("voice-1");
        let failed = ended(&kc, ill.idempotency_key("failed")).await;
        let tomorrow = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(86_400);
        let scheduled = kc.submit(speech().start_at(Timestamp::EPOCH.plus(tomorrow))).await.unwrap();
        let clone = Request::clone_voice("an", "Giọng An", &b"ID3"[..], "audio/mpeg").service("minimax");
        let cloned = ended(&kc, clone).await;
        let Ok(JobResult::Voice { voice }) = cloned.result().await else { panic!("a voice was cloned") };
        let task = spoken.status().await.unwrap().tasks[0].task.id;
        let (spoken, failed, cloned) = (spoken.id(), failed.id(), cloned.id());
        Self { kc, spoken, failed, scheduled: scheduled.id(), cloned, voice, task }
    }

    fn jobs(&self) -> [JobId; 4] {
        [self.spoken, self.failed, self.scheduled, self.cloned]
    }

    /// Speech with this voice, as this user.
    async fn speak_with(&self, voice: VoiceId) -> Result<JobHandle, Error> {
        let request = Request::speech("an", "Xin chào!").service("minimax").cloned_voice(voice);
        self.kc.submit(request).await
    }

    /// What the doors of another say of all this is what they say of what does not exist.
    async fn is_hidden_from(&self, stranger: &KingCong) {
        let unknown = refusals(stranger, UNKNOWN.parse().unwrap()).await;
        for job in self.jobs() {
            assert_eq!(refusals(stranger, job).await, unknown);
        }
        let listed = stranger.jobs(&every()).await.unwrap();
        assert!(listed.iter().all(|job| !self.jobs().contains(&job.id)));
        let voices = stranger.voices().cloned("an").await.unwrap();
        assert!(voices.iter().all(|voice| voice.id != self.voice));
        let refund = async |task| {
            stranger.wallets().refund("an", task, None, "sorry", "r-1").await.unwrap_err().to_string()
        };
        assert_eq!(refund(self.task).await, refund(UNKNOWN.parse().unwrap()).await);
    }

    /// Every door finds it for its owner.
    async fn is_found(&self) {
        let kc = &self.kc;
        let spoken = kc.job(self.spoken);
        assert_eq!(spoken.status().await.unwrap().job.state, JobState::Completed);
        assert_eq!(spoken.wait().await.unwrap().job.id, self.spoken);
        assert!(matches!(spoken.result().await, Ok(JobResult::Speech { .. })));
        let audio = spoken.audio().await.unwrap();
        assert_eq!(audio.read(0..audio.bytes()).await.unwrap().len() as u64, audio.bytes());
        assert!(spoken.subtitles().await.unwrap().unwrap().contains("Xin chào!"));
        assert!(spoken.task_output(0).await.unwrap().is_some());
        assert!(spoken.events().await.unwrap().next().await.is_some());

        let failed = kc.job(self.failed);
        assert_eq!(failed.retry("again", None).await.unwrap().job.retries, 1);
        assert_eq!(failed.wait().await.unwrap().job.state, JobState::Failed);
        let scheduled = kc.job(self.scheduled);
        assert_eq!(scheduled.cancel().await.unwrap().job.state, JobState::Cancelled);

        // Those of one millisecond are in any order.
        let listed: BTreeSet<JobId> = kc.jobs(&every()).await.unwrap().iter().map(|job| job.id).collect();
        assert_eq!(listed, self.jobs().into());
        let voices = kc.voices().cloned("an").await.unwrap();
        assert_eq!(voices.iter().map(|voice| voice.id).collect::<Vec<_>>(), [self.voice]);

        let wallets = kc.wallets();
        wallets.adjust("an", Amount::new(7), "gift", "gift-1").await.unwrap();
        wallets.refund("an", self.task, None, "sorry", "r-1").await.unwrap();
        let kinds: Vec<EntryKind> =
            wallets.history("an", None, 10).await.unwrap().iter().map(|entry| entry.kind).collect();
        let expected = [
            EntryKind::Refund,
            EntryKind::Adjustment,
            EntryKind::Usage,
            EntryKind::Usage,
            EntryKind::Purchase,
        ];
        assert_eq!(kinds, expected);
        let wallet = wallets.get("an").await.unwrap();
        // A voice costs 10,000.
        assert_eq!((wallet.balance, wallet.held), (Amount::new(1_000_000 + 7 - 10_000), Amount::ZERO));
        let all = WalletFilter { limit: 10, ..WalletFilter::default() };
        assert_eq!(wallets.list(&all).await.unwrap(), [wallet]);
    }
}

async fn ended(kc: &KingCong, request: impl Into<Request>) -> JobHandle {
    let job = kc.submit(request).await.unwrap();
    job.wait().await.unwrap();
    job
}

/// An opened library that does its work, with keys.
async fn working(store: Arc<dyn Store>) -> KingCong {
    let gateway = |protocol| Gateway(ProtocolId::new(protocol).unwrap());
    let kc = KingCong::builder()
        .preset(Preset::kingcong().unwrap())
        .provider(gateway("ai33"))
        .provider(gateway("ai84"))
        .master_key(StaticMasterKey::new(KeyBytes::new(&[7; 32])))
        .shared_store(store)
        .start()
        .await
        .unwrap();
    for service in ["elevenlabs", "minimax"] {
        kc.keys().add(NewKey::shared("ai33", service, format!("sk-of-ai33-{service}"))).await.unwrap();
    }
    kc
}

async fn every_door_finds_what_is_its_tenants_and_nothing_of_others(store: Arc<dyn Store>) {
    let kc = working(store).await;
    let (acme, umbra) = (Owned::of(&kc, "acme").await, Owned::of(&kc, "umbra").await);
    for (owned, other) in [(&acme, &umbra), (&umbra, &acme)] {
        owned.is_hidden_from(&other.kc).await;
        owned.is_hidden_from(&kc).await;
        owned.is_found().await;
        // What was answered to its owner is told to nobody else.
        owned.is_hidden_from(&other.kc).await;
        let unknown = owned.speak_with(UNKNOWN.parse().unwrap()).await.unwrap_err().to_string();
        let foreign = owned.speak_with(other.voice).await.unwrap_err().to_string();
        assert_eq!(foreign.replace(&other.voice.to_string(), "ID"), unknown.replace(UNKNOWN, "ID"));
    }
    // The upstream's id of a voice speaks for its owner, and for nobody who got to know it.
    let named = || Request::speech("an", "Xin chào!").service("minimax");
    let on_one = || BTreeMap::from([(ServerId::new("ai33").unwrap(), "cloned-1".to_owned())]);
    for request in [named().voice("cloned-1"), named().voice_per_server(on_one())] {
        for refused in [
            kc.submit(request.clone()).await.map(drop).unwrap_err(),
            kc.of("third").estimate(request.clone()).await.map(drop).unwrap_err(),
        ] {
            assert!(matches!(refused, Error::NotFound { what: "voice", .. }), "{refused:?}");
        }
        acme.kc.estimate(request).await.unwrap();
    }
    assert_eq!(kc.wallets().get("an").await.unwrap().balance, Amount::ZERO);
    assert_eq!(kc.wallets().history("an", None, 10).await.unwrap(), []);
    let speaking = acme.speak_with(acme.voice).await.unwrap().wait().await.unwrap();
    assert_eq!(speaking.job.state, JobState::Completed);
    assert_eq!(kc.of_all().jobs(&every()).await.unwrap().len(), 9);
    assert!(kc.verify().await.unwrap().is_sound());
    kc.close().await;
}

async fn on(url: &str) -> Arc<dyn Store> {
    Arc::new(SqlStore::connect(url).await.unwrap())
}

/// What the matrix says of a door for each role beside the operator, in the order of [`RoleName::ALL`]: every tenant's
/// rows, its own tenant's, its own user's, or nothing. A new door gets its place here.
fn matrix(door: Door) -> [char; 6] {
    match door {
        // config, servers, shared keys, the process, and what no row is for
        Door::Status
        | Door::Verify
        | Door::Monitor
        | Door::Pulse
        | Door::Backup
        | Door::Archive
        | Door::ConfigGet
        | Door::ConfigExplain
        | Door::ConfigSetRoute
        | Door::ConfigSetMaintenance
        | Door::ConfigSetWeights
        | Door::ConfigAddServer
        | Door::ConfigUpdateServer
        | Door::ConfigRemoveServer
        | Door::ConfigAddService
        | Door::KeysAdd
        | Door::KeysList
        | Door::KeysGet
        | Door::KeysSetLimits
        | Door::KeysEnable
        | Door::KeysDisable
        | Door::KeysRemove
        | Door::KeysCheck
        | Door::AccountsList
        | Door::AccountsSetLimits
        | Door::TenantsSet
        | Door::TenantsGet
        | Door::TenantsList
        | Door::VoicesOffered => ['-', '-', '-', '-', '-', '-'],
        // prices, packages; corrections
        Door::PricesList
        | Door::PricesSet
        | Door::PricesWithdraw
        | Door::PricesRemove
        | Door::PackagesList
        | Door::PackagesSet
        | Door::PackagesRemove
        | Door::WalletsAdjust => ['a', '-', '-', '-', '-', '-'],
        Door::WalletsRefund => ['a', 'a', '-', '-', '-', '-'],
        // submit, jobs, results, own wallet
        Door::Estimate | Door::Submit | Door::JobCancel | Door::JobRetry => ['-', '-', '-', 't', '-', 'u'],
        Door::Jobs
        | Door::JobStatus
        | Door::JobWait
        | Door::JobEvents
        | Door::JobResult
        | Door::JobAudio
        | Door::JobSubtitles
        | Door::JobTaskOutput
        | Door::WalletsGet
        | Door::WalletsList
        | Door::WalletsHistory
        | Door::VoicesCloned => ['-', 'a', '-', 't', 't', 'u'],
        Door::WalletsPurchase => ['a', '-', '-', 't', 't', '-'],
        Door::ReportsErrors | Door::ReportsUsage | Door::ReportsSplit => ['a', 'a', 'a', 't', 't', 'u'],
        Door::ReportsAudit => ['-', '-', 'a', 't', '-', '-'],
        Door::ConfigHistory => ['-', '-', 'a', '-', '-', '-'],
    }
}

/// The roles, those of a tenant for this one, those of a user for its user `an`.
fn roles(tenant: &str) -> [Role; 7] {
    [
        Role::Operator,
        Role::OperatorBilling,
        Role::Support,
        Role::Auditor,
        Role::tenant_admin(tenant).unwrap(),
        Role::tenant_billing(tenant).unwrap(),
        Role::member(tenant, "an").unwrap(),
    ]
}

/// How far a role reaches at a door.
fn reach(role: &Role, door: Door) -> char {
    let place = RoleName::ALL.iter().position(|name| *name == role.name()).unwrap();
    place.checked_sub(1).map_or('a', |place| matrix(door)[place])
}

/// Rows to ask for at a door.
struct Rows {
    /// Knows what may be given to doors of what tenants share.
    operator: KingCong,
    user: &'static str,
    spoken: JobId,
    failed: JobId,
    scheduled: JobId,
    task: TaskId,
}

impl Rows {
    /// Buys and orders as this user, by the same keys in each tenant.
    async fn of(kc: &KingCong, tenant: &str, user: &'static str) -> Self {
        let (operator, kc) = (kc.clone(), kc.of(tenant));
        kc.wallets().purchase(user, "package-1", &format!("order of {user}")).await.unwrap();
        let spoken = ended(&kc, order_of(user).subtitles(Subtitles::Srt).idempotency_key("spoken")).await;
        let ill = Request::speech(user, ILL).service("elevenlabs").voice("voice-1");
        let failed = ended(&kc, ill).await.id();
        let tomorrow = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(86_400);
        let later = order_of(user).start_at(Timestamp::EPOCH.plus(tomorrow));
        let scheduled = kc.submit(later).await.unwrap().id();
        ended(&kc, Request::clone_voice(user, "Giọng", &b"ID3"[..], "audio/mpeg").service("minimax")).await;
        let task = spoken.status().await.unwrap().tasks[0].task.id;
        Self { operator, user, spoken: spoken.id(), failed, scheduled, task }
    }

    /// Rows that do not exist, of this user.
    fn unknown(&self) -> Self {
        let job = UNKNOWN.parse().unwrap();
        let (operator, user) = (self.operator.clone(), self.user);
        Self { operator, user, spoken: job, failed: job, scheduled: job, task: UNKNOWN.parse().unwrap() }
    }

    /// The words without the ids of these rows.
    fn without_ids(&self, words: &str) -> String {
        let jobs = [self.spoken, self.failed, self.scheduled].map(|job| job.to_string());
        let ids = jobs.iter().cloned().chain([self.task.to_string()]);
        ids.fold(words.to_owned(), |words, id| words.replace(&id, "ID"))
    }
}

fn order_of(user: &str) -> Request<AskedSpeech> {
    Request::speech(user, "Xin chào!").service("elevenlabs").voice("voice-1")
}

fn seen<T: std::fmt::Debug>(answer: T) -> String {
    format!("{answer:?}")
}

/// Asks at a door; what it tells, as text. What changes something does so once, however often it is asked.
async fn knock(kc: &KingCong, door: Door, rows: &Rows) -> Result<String, Error> {
    let user = rows.user;
    let attempts = || AttemptFilter { limit: 100, ..AttemptFilter::default() };
    let wallets = WalletFilter { limit: 100, ..WalletFilter::default() };
    let nobody = UNKNOWN.parse().unwrap();
    Ok(match door {
        Door::Estimate => seen(kc.estimate(order_of(user)).await?),
        Door::Submit => {
            let request = order_of(user).subtitles(Subtitles::Srt).idempotency_key("spoken");
            seen(kc.submit(request).await?.id())
        }
        Door::Jobs => {
            let user = Some(UserId::new(user).unwrap());
            seen(kc.jobs(&JobFilter { user, ..every() }).await?)
        }
        Door::JobStatus => seen(kc.job(rows.spoken).status().await?),
        Door::JobWait => seen(kc.job(rows.spoken).wait().await?),
        Door::JobEvents => seen(kc.job(rows.spoken).events().await?.next().await),
        Door::JobCancel => seen(kc.job(rows.scheduled).cancel().await?),
        Door::JobRetry => seen(kc.job(rows.failed).retry("again", None).await?),
        Door::JobResult => seen(kc.job(rows.spoken).result().await?),
        Door::JobAudio => seen(kc.job(rows.spoken).audio().await?.bytes()),
        Door::JobSubtitles => seen(kc.job(rows.spoken).subtitles().await?),
        Door::JobTaskOutput => seen(kc.job(rows.spoken).task_output(0).await?),
        Door::Status => seen(kc.status().await?),
        Door::Verify => seen(kc.verify().await?.is_sound()),
        Door::Monitor => seen(kc.monitor().await?),
        Door::Pulse => seen(kc.pulse().await?),
        Door::Backup | Door::Archive => seen(kc.enter(door).await?),
        Door::WalletsGet => seen(kc.wallets().get(user).await?),
        Door::WalletsList => seen(kc.wallets().list(&wallets).await?),
        Door::WalletsHistory => seen(kc.wallets().history(user, None, 100).await?),
        Door::WalletsPurchase => {
            seen(kc.wallets().purchase(user, "package-1", &format!("order of {user}")).await?)
        }
        Door::WalletsRefund => {
            let key = rows.task.to_string();
            seen(kc.wallets().refund(user, rows.task, None, "sorry", &key).await?.moved)
        }
        Door::WalletsAdjust => seen(kc.wallets().adjust(user, Amount::new(7), "gift", "gift-1").await?.moved),
        Door::PackagesList => seen(kc.packages().list().await?),
        Door::PackagesSet => {
            let package = rows.operator.packages().list().await?.remove(0);
            seen(kc.packages().set(package).await?)
        }
        Door::PackagesRemove => seen(kc.packages().remove("nothing").await?),
        Door::PricesList => seen(kc.prices().list().await?),
        Door::PricesSet => {
            let price = rows.operator.prices().list().await?.remove(0);
            seen(kc.prices().set(price, PriceStart::Now, None).await?)
        }
        Door::PricesWithdraw => {
            let never = Timestamp::EPOCH;
            let prices = kc.prices();
            seen(prices.withdraw("nowhere", "elevenlabs", None, Operation::Speech, never).await?)
        }
        Door::PricesRemove => {
            seen(kc.prices().remove("nowhere", "elevenlabs", None, Operation::Speech).await?)
        }
        Door::ConfigGet => seen(kc.config().get().await?),
        Door::ConfigExplain => seen(kc.config().explain().await?),
        Door::ConfigSetRoute => seen(kc.config().set_route("ai84", "minimax", Switch::On).await?),
        Door::ConfigSetMaintenance => seen(kc.config().set_maintenance(Maintenance::None).await?),
        Door::ConfigSetWeights => seen(kc.config().set_weights(&[("ai33", 70), ("ai84", 30)]).await?),
        Door::ConfigAddServer => {
            let server = rows.operator.config().get().await?.servers.remove("ai33").unwrap();
            seen(kc.config().add_server("ai33", server, &[]).await?)
        }
        Door::ConfigUpdateServer => {
            seen(kc.config().update_server("nowhere", ServerChange::default()).await?)
        }
        Door::ConfigRemoveServer => seen(kc.config().remove_server("nowhere").await?),
        Door::ConfigAddService => seen(kc.config().add_service("minimax", "Minimax").await?),
        Door::ConfigHistory => seen(kc.config().history(100).await?),
        Door::KeysAdd => {
            seen(kc.keys().add(NewKey::shared("nowhere", "minimax", "sk-of-nobody-at-all")).await?)
        }
        Door::KeysList => seen(kc.keys().list().await?),
        Door::KeysGet => seen(kc.keys().get(nobody).await?),
        Door::KeysSetLimits => seen(kc.keys().set_limits(nobody, LimitsChange::default()).await?),
        Door::KeysEnable => seen(kc.keys().enable(nobody).await?),
        Door::KeysDisable => seen(kc.keys().disable(nobody).await?),
        Door::KeysRemove => seen(kc.keys().remove(nobody).await?),
        Door::KeysCheck => seen(kc.keys().check(nobody).await?),
        Door::AccountsList => seen(kc.accounts().list().await?),
        Door::AccountsSetLimits => {
            seen(kc.accounts().set_limits("ai33", "nobody", LimitsChange::default()).await?)
        }
        Door::TenantsSet => seen(kc.tenants().set("nowhere", "Nowhere", TenantState::Active).await?),
        Door::TenantsGet => seen(kc.tenants().get("nowhere").await?),
        Door::TenantsList => seen(kc.tenants().list(None, 100).await?),
        Door::VoicesOffered => seen(kc.voices().offered("nowhere", "minimax", None).await?),
        Door::VoicesCloned => seen(kc.voices().cloned(user).await?),
        Door::ReportsErrors => seen(kc.reports().errors(attempts()).await?),
        Door::ReportsUsage => seen(kc.reports().usage(&attempts()).await?),
        Door::ReportsSplit => seen(kc.reports().split().await?),
        Door::ReportsAudit => seen(kc.reports().audit(None, 100).await?),
    })
}

/// Whether a door is one of rows that tenants share, where the table above asks for what does not exist.
fn is_shared(door: Door) -> bool {
    let (group, _) = door.name().split_once('.').unwrap_or((door.name(), ""));
    matches!(group, "config" | "keys" | "accounts" | "prices" | "packages" | "tenants")
        || door == Door::VoicesOffered
}

/// What a handle says of rows that it must not find is what it says of those that do not exist, and nothing that it
/// tells names their owner.
async fn finds_nothing(kc: &KingCong, door: Door, foreign: &Rows, owner: &str) {
    // Rows named by their ids are not found; lists and what is told of a user's name have nothing of the owner in them.
    let names_rows = door == Door::WalletsRefund || door.name().starts_with("job.");
    match knock(kc, door, foreign).await {
        Ok(told) => assert!(!names_rows && !told.contains(owner), "{door} tells of {owner}: {told}"),
        Err(error) => {
            let unknown = foreign.unknown();
            let refused = knock(kc, door, &unknown).await.unwrap_err();
            let words = |rows: &Rows, error: &Error| rows.without_ids(&error.to_string());
            assert_eq!(words(foreign, &error), words(&unknown, &refused), "{door}");
        }
    }
}

async fn every_role_reaches_what_the_matrix_says(store: Arc<dyn Store>) {
    let kc = working(store).await;
    let an = Rows::of(&kc, "acme", "an").await;
    let colleague = Rows::of(&kc, "acme", "bình").await;
    let umbra = Rows::of(&kc, "umbra", "an").await;
    for role in roles("acme") {
        let name = role.name();
        let asking = kc.of("acme").acting(Access::new("somebody", role.clone()).unwrap());
        for door in Door::ALL.iter().copied() {
            let own = knock(&asking, door, &an).await;
            if reach(&role, door) == '-' {
                let Err(Error::Forbidden { door: at, role: by }) = own else {
                    panic!("{name} at {door}: {own:?}");
                };
                assert_eq!((at, by), (door, name));
                continue;
            }
            let is_passed = match &own {
                Ok(_) => true,
                Err(Error::Forbidden { .. } | Error::AccessExpired { .. }) => false,
                Err(_) => is_shared(door),
            };
            assert!(is_passed, "{name} at {door}: {own:?}");
            if is_shared(door) {
                continue;
            }
            finds_nothing(&asking, door, &umbra, "umbra").await;
            if reach(&role, door) == 'u' {
                finds_nothing(&asking, door, &colleague, "bình").await;
            } else if !matches!(door, Door::Verify | Door::Monitor | Door::Pulse) {
                let colleagues = knock(&asking, door, &colleague).await;
                assert!(colleagues.is_ok(), "{name} at {door}: {colleagues:?}");
            }
            if reach(&role, door) != 'a' {
                for elsewhere in [asking.of("umbra"), asking.of("no such tenant"), asking.of_all()] {
                    let refused = knock(&elsewhere, door, &umbra).await.unwrap_err();
                    assert!(matches!(refused, Error::NotFound { what: "tenant", .. }), "{door}: {refused}");
                }
            }
        }
    }
    let audit = kc.of_all().reports().audit(None, 1_000).await.unwrap();
    let refused: Vec<&AuditEntry> = audit.iter().filter(|row| row.outcome == AuditOutcome::Refused).collect();
    assert!(refused.len() >= Refusals::AUDITED_PER_MINUTE_MAX as usize);
    assert!(refused.iter().all(|row| row.role != RoleName::Operator));
    assert!(kc.verify().await.unwrap().is_sound());
    kc.close().await;
}

#[tokio::test]
async fn a_refused_access_is_audited_for_its_tenant_and_so_many_in_a_minute() {
    let kc = opened().await;
    let as_role = |actor: &str, role: Role| kc.acting(Access::new(actor, role).unwrap());
    let an = as_role("an", Role::member("acme", "an").unwrap());
    let refused = an.config().remove_server("ai84").await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "role member may not use config.remove_server: it is for operator; ask with the access of one of these"
    );
    assert!(kc.config().get().await.unwrap().servers.contains_key("ai84"));
    let of_acme = as_role("chief", Role::tenant_admin("acme").unwrap());
    let [row] = &of_acme.reports().audit(None, 10).await.unwrap()[..] else { panic!("one row") };
    assert_eq!(
        (row.actor.as_str(), row.role, row.door.as_str()),
        ("an", RoleName::Member, "config.remove_server")
    );
    assert_eq!(row.tenant.as_ref().map(|tenant| tenant.as_str()), Some("acme"));
    assert_eq!((row.outcome, &row.target, row.detail.as_str()), (AuditOutcome::Refused, &None, "{}"));
    let of_umbra = as_role("chief", Role::tenant_admin("umbra").unwrap());
    assert_eq!(of_umbra.reports().audit(None, 10).await.unwrap(), []);

    // Who may not use the door is not told what else is wrong.
    let wrong = an.config().remove_server("no name of a server").await;
    assert!(matches!(wrong, Err(Error::Forbidden { .. })), "{wrong:?}");
    for _ in 0..Refusals::AUDITED_PER_MINUTE_MAX + 10 {
        an.keys().list().await.unwrap_err();
    }
    let rows = of_acme.reports().audit(None, 1_000).await.unwrap();
    assert_eq!(rows.len(), Refusals::AUDITED_PER_MINUTE_MAX as usize);
    kc.close().await;
}

#[tokio::test]
async fn what_is_done_is_audited_with_names_and_without_secrets() {
    let kc = opened().await;
    let billing = kc.of("acme").acting(Access::new("billing-7", Role::OperatorBilling).unwrap());
    billing.wallets().adjust("an", Amount::new(7), "a gift", "gift-1").await.unwrap();
    let [row] = &kc.of("acme").reports().audit(None, 10).await.unwrap()[..] else { panic!("one row") };
    assert_eq!((row.actor.as_str(), row.role), ("billing-7", RoleName::OperatorBilling));
    assert_eq!((row.door.as_str(), row.outcome), ("wallets.adjust", AuditOutcome::Done));
    assert_eq!(row.target.as_deref(), Some("wallet of an in credit"));
    let detail: serde_json::Value = serde_json::from_str(&row.detail).unwrap();
    assert_eq!(
        detail,
        serde_json::json!({
            "wallet": { "tenant": "acme", "owner": { "user": "an" }, "unit": "credit" },
            "movement": { "adjust": { "change": 7, "cause": { "reference": "a gift" } } },
        })
    );
    // What all tenants share is told to those who ask for all, and in the history of the configuration.
    assert_eq!(kc.reports().audit(None, 10).await.unwrap(), []);
    let shared = kc.config().history(10).await.unwrap();
    let doors: Vec<(&str, Option<&str>)> =
        shared.iter().map(|row| (row.door.as_str(), row.target.as_deref())).collect();
    let key = kc.keys().list().await.unwrap().remove(0).id;
    let target = format!("key {key}");
    assert_eq!(doors, [("keys.add", Some(&*target)), ("config.preset", Some("configuration"))]);
    assert_eq!(shared[0].actor.as_str(), "system");
    let detail: serde_json::Value = serde_json::from_str(&shared[0].detail).unwrap();
    assert_eq!(detail["route"], serde_json::json!({ "server": "ai33", "service": "elevenlabs" }));
    assert!(!shared[0].detail.contains("sk-of-ai33-elevenlabs"));
    assert_eq!(kc.of_all().reports().audit(None, 10).await.unwrap().len(), 3);
    kc.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_door_finds_what_is_its_tenants_and_nothing_of_others_in_memory() {
    every_door_finds_what_is_its_tenants_and_nothing_of_others(Arc::new(MemoryStore::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_reaches_what_the_matrix_says_in_memory() {
    every_role_reaches_what_the_matrix_says(Arc::new(MemoryStore::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_reaches_what_the_matrix_says_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("kingcong.db").display());
    every_role_reaches_what_the_matrix_says(on(&url).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_reaches_what_the_matrix_says_on_postgres() {
    let server = servers::Server::postgres().unwrap();
    every_role_reaches_what_the_matrix_says(on(&server.fresh_database().unwrap()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_reaches_what_the_matrix_says_on_mariadb() {
    let server = servers::Server::mariadb().unwrap();
    every_role_reaches_what_the_matrix_says(on(&server.fresh_database().unwrap()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_door_finds_what_is_its_tenants_and_nothing_of_others_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("kingcong.db").display());
    every_door_finds_what_is_its_tenants_and_nothing_of_others(on(&url).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_door_finds_what_is_its_tenants_and_nothing_of_others_on_postgres() {
    let server = servers::Server::postgres().unwrap();
    let store = on(&server.fresh_database().unwrap()).await;
    every_door_finds_what_is_its_tenants_and_nothing_of_others(store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_door_finds_what_is_its_tenants_and_nothing_of_others_on_mariadb() {
    let server = servers::Server::mariadb().unwrap();
    let store = on(&server.fresh_database().unwrap()).await;
    every_door_finds_what_is_its_tenants_and_nothing_of_others(store).await;
}
