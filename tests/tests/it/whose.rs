//! A handle asks for one tenant: what belongs to another is not found, in the words of what does not exist, and what
//! is submitted or booked is its tenant's.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use bytes::Bytes;
use kingcong_core::{
    Error, JobHandle, KingCong, NewKey, Preset, Request, Settings,
    clock::Timestamp,
    engine::{JobResult, Role},
    id::{JobId, ProtocolId, TaskId, UserId, VoiceId},
    ledger::{EntryKind, Owner},
    money::{Amount, Unit},
    provider::{
        Audio, Body, Call, ClonedVoice, Failure, FailureKind, Measured, Output, Provider, Reached, Reply,
        Sent, Subtitles, Work,
    },
    store::{JobFilter, MemoryStore, Standing, Store, WalletFilter},
    vault::{KeyBytes, StaticMasterKey},
    work::{AskedSpeech, JobState},
};
use kingcong_http::Upstreams;
use kingcong_servers::Server;
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
        .settings(Settings { role: Role::Client, ..Settings::default() })
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
            "setting tenant: every one must be one tenant: choose it with `of`",
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
        Ok(Sent::Done(Reply { output, cost: None, measured: Measured::default() }))
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

async fn every_door_finds_what_is_its_tenants_and_nothing_of_others(store: Arc<dyn Store>) {
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

#[tokio::test(flavor = "multi_thread")]
async fn every_door_finds_what_is_its_tenants_and_nothing_of_others_in_memory() {
    every_door_finds_what_is_its_tenants_and_nothing_of_others(Arc::new(MemoryStore::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_door_finds_what_is_its_tenants_and_nothing_of_others_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("kingcong.db").display());
    every_door_finds_what_is_its_tenants_and_nothing_of_others(on(&url).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_door_finds_what_is_its_tenants_and_nothing_of_others_on_postgres() {
    let server = Server::postgres().unwrap();
    let store = on(&server.fresh_database().unwrap()).await;
    every_door_finds_what_is_its_tenants_and_nothing_of_others(store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_door_finds_what_is_its_tenants_and_nothing_of_others_on_mariadb() {
    let server = Server::mariadb().unwrap();
    let store = on(&server.fresh_database().unwrap()).await;
    every_door_finds_what_is_its_tenants_and_nothing_of_others(store).await;
}
