//! Whom a key's secret is sent to, and what happens when it does not open.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use kingcong_core::{
    Builder, Error, KingCong, NewKey, Preset, Request,
    access::{self, Role, RoleName},
    clock::Timestamp,
    failure::{Failure, FailureKind, Reached},
    id::{Actor, AuditId, DataKeyId, KeyId, ProtocolId, SystemEntropy, TenantId, WorkerId},
    keys::{Key, KeyStatus, KeyWithLimits, Level, Limit, Limits, PollsCount, Rules},
    provider::{Access, Call, Progress, Provider, Sent},
    routing::{BaseUrl, Server, ServerChange},
    store::{AddKey, AuditOutcome, Batch, Command, DEAD_AFTER_MIN, MemoryStore, NewAudit, Store as _},
    switch::Switch,
    upstream::{UpstreamCredits, UpstreamId},
    vault::{
        Binding, DataKeyContext, DataKeyUse, DataKeyVersion, KeyBytes, Keyring, MasterKey, MasterKeyError,
        MasterKeyId, OpenDataKey, Purpose, Secret, StaticMasterKey, VaultError, Wrapped,
    },
    work::{AskedSpeech, JobState},
};
use kingcong_sqlx::SqlStore;
use parking_lot::Mutex;
use uuid::Uuid;

const SECRET: &str = "sk-upstream-0123456789";

/// Notes which secret it was handed for which address, and refuses every request.
#[derive(Clone, Debug)]
struct Upstream {
    protocol: ProtocolId,
    asked: Arc<Mutex<BTreeSet<(String, String)>>>,
}

impl Upstream {
    fn new() -> Self {
        Self { protocol: ProtocolId::new("ai33").unwrap(), asked: Arc::default() }
    }

    fn note(&self, access: &Access) {
        self.asked.lock().insert((access.base_url.to_string(), access.secret.expose().to_owned()));
    }

    /// The addresses that secrets were sent to since the last time.
    fn addresses(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.asked.lock()).into_iter().map(|(address, _)| address).collect()
    }
}

#[async_trait]
impl Provider for Upstream {
    fn protocol(&self) -> &ProtocolId {
        &self.protocol
    }

    async fn send(&self, call: &Call) -> Result<Sent, Failure> {
        self.note(&call.access);
        Err(Failure::new(FailureKind::BadRequest, Reached::No, "not today"))
    }

    async fn poll(&self, calls: &[(Call, UpstreamId)], _: u32) -> Vec<Result<Progress, Failure>> {
        calls.iter().map(|_| Err(Failure::new(FailureKind::Busy, Reached::No, "not today"))).collect()
    }

    async fn balance(&self, access: &Access) -> Result<Option<UpstreamCredits>, Failure> {
        self.note(access);
        Ok(None)
    }
}

fn builder(upstream: &Upstream) -> Builder {
    KingCong::builder()
        .preset(Preset::kingcong().unwrap())
        .master_key(master_key())
        .provider(upstream.clone())
}

fn master_key() -> StaticMasterKey {
    StaticMasterKey::new(KeyBytes::new(&[7; 32]))
}

fn key() -> NewKey {
    NewKey::shared("ai33", "elevenlabs", SECRET)
}

async fn only_key(kc: &KingCong) -> KeyWithLimits {
    kc.keys().list().await.unwrap().pop().unwrap()
}

fn speech() -> Request<AskedSpeech> {
    Request::speech("an", "Xin chào.").service("elevenlabs").voice("anna")
}

/// Orders something of AI33, and what became of the job.
async fn order(kc: &KingCong) -> Result<JobState, Error> {
    Ok(kc.submit(speech()).await?.wait().await?.job.state)
}

async fn credit(kc: &KingCong) {
    kc.wallets().purchase("an", "package-1", "order-1").await.unwrap();
}

#[tokio::test]
async fn a_secret_is_sent_nowhere_but_where_it_was_registered_for() {
    let (upstream, store) = (Upstream::new(), Arc::new(MemoryStore::default()));
    let one = builder(&upstream).shared_store(Arc::<MemoryStore>::clone(&store)).start().await.unwrap();
    let two = builder(&upstream).shared_store(Arc::<MemoryStore>::clone(&store)).start().await.unwrap();
    credit(&one).await;
    let added = one.keys().add(key()).await.unwrap();
    for kc in [&one, &two] {
        assert_eq!(order(kc).await.unwrap(), JobState::Failed);
    }
    assert_eq!(upstream.addresses(), BTreeSet::from(["https://api.ai33.pro".to_owned()]));

    let to =
        |url: &str| ServerChange { base_url: Some(BaseUrl::new(url).unwrap()), ..ServerChange::default() };
    let admin = one.acting(access::Access::new("admin-7", Role::Operator).unwrap());
    admin.config().update_server("ai33", to("https://moved.example")).await.unwrap();
    // The second process has not looked since.
    for kc in [&two, &one] {
        kc.monitor().await.unwrap();
        let refused = kc.keys().check(added.id).await;
        assert!(matches!(refused, Err(Error::KeySuspended { key, .. }) if key == added.id), "{refused:?}");
        assert!(kc.voices().offered("ai33", "elevenlabs", None).await.is_err());
        assert!(matches!(order(kc).await, Err(Error::NoPlan { .. })));
    }
    assert_eq!(upstream.addresses(), BTreeSet::new());
    let suspended = only_key(&two).await;
    assert!(matches!(&suspended.status, KeyStatus::Suspended { registered_for }
        if registered_for.as_str() == "https://api.ai33.pro"));
    let audit = one.of_all().reports().audit(None, 1).await.unwrap();
    assert_eq!((audit[0].door.as_str(), audit[0].actor.as_str()), ("config.update_server", "admin-7"));

    let again = two.keys().add(key()).await.unwrap();
    assert_eq!((again.id, &again.status), (added.id, &KeyStatus::Active));
    assert_eq!(order(&two).await.unwrap(), JobState::Failed);
    assert_eq!(upstream.addresses(), BTreeSet::from(["https://moved.example".to_owned()]));
    for kc in [one, two] {
        kc.close().await;
    }
}

#[tokio::test]
async fn a_server_that_was_removed_and_added_elsewhere_gets_no_old_secret() {
    let upstream = Upstream::new();
    let kc = builder(&upstream).start().await.unwrap();
    let added = kc.keys().add(key()).await.unwrap();
    kc.config().remove_server("ai33").await.unwrap();
    let server = Server {
        protocol: ProtocolId::new("ai33").unwrap(),
        base_url: BaseUrl::new("https://other.example").unwrap(),
        weight: 1,
        polls: PollsCount::Free,
        defaults: Limits::new(1, 1).unwrap(),
        egress: None,
    };
    kc.config().add_server("ai33", server, &[("elevenlabs", Switch::On)]).await.unwrap();
    kc.monitor().await.unwrap();
    assert!(kc.keys().check(added.id).await.is_err());
    assert_eq!(upstream.addresses(), BTreeSet::new());
    kc.close().await;
}

/// A master key service that is away when it is told so.
#[derive(Debug)]
struct Service {
    key: StaticMasterKey,
    is_away: Arc<AtomicBool>,
}

#[async_trait]
impl MasterKey for Service {
    fn id(&self) -> MasterKeyId {
        self.key.id()
    }

    async fn wrap(&self, plain: &KeyBytes, context: &DataKeyContext) -> Result<Wrapped, MasterKeyError> {
        self.key.wrap(plain, context).await
    }

    async fn unwrap(&self, wrapped: &Wrapped, context: &DataKeyContext) -> Result<KeyBytes, MasterKeyError> {
        if self.is_away.load(Ordering::Relaxed) {
            return Err(MasterKeyError::Unavailable { source: "it is away".into() });
        }
        self.key.unwrap(wrapped, context).await
    }
}

/// A worker that writes what other processes would have.
async fn write(store: &MemoryStore, commands: Vec<Command>) {
    let worker = WorkerId::from_uuid(Uuid::now_v7());
    store.register_worker(worker, DEAD_AFTER_MIN).await.unwrap();
    let batch = Batch { worker, number: 1, rules: Rules::default(), commands };
    store.write(&batch).await.unwrap();
}

#[tokio::test]
async fn a_secret_opens_with_a_data_key_that_another_process_made_meanwhile() {
    let (upstream, store) = (Upstream::new(), Arc::new(MemoryStore::default()));
    let is_away = Arc::new(AtomicBool::new(false));
    let kc = builder(&upstream)
        .master_key(Service { key: master_key(), is_away: Arc::clone(&is_away) })
        .shared_store(Arc::<MemoryStore>::clone(&store))
        .start()
        .await
        .unwrap();
    credit(&kc).await;
    let used_for = DataKeyUse::Tenant(TenantId::main());
    let version = DataKeyVersion::new(2).unwrap();
    let context = DataKeyContext { id: DataKeyId::from_uuid(Uuid::now_v7()), used_for, version };
    let data_key = OpenDataKey::generate(context, &SystemEntropy);
    let wrapped = data_key.wrap(&master_key(), Timestamp::EPOCH).await.unwrap();
    let mut keyring = Keyring::default();
    keyring.insert(data_key);

    let known = kc.keys().add(key()).await.unwrap().key;
    kc.keys().remove(known.id).await.unwrap();
    let id = KeyId::from_uuid(Uuid::now_v7());
    let binding = Binding {
        tenant: TenantId::main(),
        key: id,
        version: known.secret_version,
        purpose: Purpose::UpstreamKey,
    };
    let envelope = keyring.seal(&Secret::parse(SECRET).unwrap(), &binding, [1; 12]).unwrap();
    let sealed = Key { id, envelope: Some(envelope), ..known };
    let limits = Limits::new(9, 9).unwrap();
    let limit = Limit::new(Limit::id_of_key(id), Level::Key, limits.max_in_flight, limits.per_minute);
    let audit = NewAudit {
        tenant: None,
        role: RoleName::Operator,
        target: Some("a test".to_owned()),
        outcome: AuditOutcome::Done,
        id: AuditId::from_uuid(Uuid::now_v7()),
        actor: Actor::new("test").unwrap(),
        door: "keys.add",
        detail: "{}".into(),
    };
    let origin = BaseUrl::new("https://api.ai33.pro").unwrap().origin();
    let add = AddKey { key: sealed, origin, limit, account_limits: None };
    write(&store, vec![Command::AddDataKey(wrapped), Command::admin(audit, add)]).await;

    // The outage of the master key is nobody's fault: the task waits.
    is_away.store(true, Ordering::Relaxed);
    let refused = kc.keys().check(id).await;
    assert!(matches!(refused, Err(Error::MasterKey(MasterKeyError::Unavailable { .. }))), "{refused:?}");
    kc.monitor().await.unwrap_err();
    let job = kc.submit(speech()).await.unwrap();
    assert_eq!(only_key(&kc).await.status, KeyStatus::Active);
    is_away.store(false, Ordering::Relaxed);
    assert_eq!(kc.keys().check(id).await.unwrap().status, KeyStatus::Active);
    assert_eq!(job.wait().await.unwrap().job.state, JobState::Failed);
    assert_eq!(upstream.addresses().len(), 1, "it was the upstream that refused");
    assert_eq!(only_key(&kc).await.status, KeyStatus::Active);
    kc.close().await;
}

/// A database with one key, closed, after somebody did something to its rows.
async fn damaged(path: &std::path::Path, upstream: &Upstream, sql: &str) -> (String, KeyId) {
    let url = format!("sqlite://{}", path.join("kingcong.db").display());
    let kc = builder(upstream).store(SqlStore::connect(&url).await.unwrap()).start().await.unwrap();
    credit(&kc).await;
    let id = kc.keys().add(key()).await.unwrap().id;
    kc.close().await;
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).execute(&pool).await.unwrap();
    pool.close().await;
    (url, id)
}

#[tokio::test]
async fn a_lost_data_key_is_not_replaced_in_silence() {
    for (lost, can_call) in [
        ("DELETE FROM kingcong_data_keys WHERE used_for = 'tenant'", false),
        ("DELETE FROM kingcong_data_keys WHERE used_for = 'fingerprints'", true),
        ("DELETE FROM kingcong_data_keys", false),
    ] {
        let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::new());
        let (url, id) = damaged(directory.path(), &upstream, lost).await;
        let kc = builder(&upstream).store(SqlStore::connect(&url).await.unwrap()).start().await.unwrap();
        for secret in [SECRET, "sk-another-0123456789"] {
            let refused = kc.keys().add(NewKey::shared("ai33", "elevenlabs", secret)).await;
            let is_lost = matches!(refused, Err(Error::Vault(VaultError::DataKeyLost { keys: 1, .. })));
            assert!(is_lost, "{lost}: {refused:?}");
        }
        let checked = kc.keys().check(id).await.unwrap();
        assert_eq!(matches!(checked.status, KeyStatus::Unreadable { .. }), !can_call, "{lost}: {checked:?}");
        kc.keys().remove(id).await.unwrap();
        kc.keys().add(key()).await.unwrap();
        assert_eq!(order(&kc).await.unwrap(), JobState::Failed, "the upstream refused it");
        kc.close().await;
    }
}

#[tokio::test]
async fn a_secret_that_was_altered_is_unreadable_and_mended_by_registering_it_again() {
    for envelope in [
        // The last bytes are of the tag, the first say what it is, the fifth and sixth in which form.
        "unhex(substr(hex(envelope), 1, 2 * length(envelope) - 8) || '00000000')",
        "unhex('00000000' || substr(hex(envelope), 9))",
        "unhex(substr(hex(envelope), 1, 8) || 'FFFF' || substr(hex(envelope), 13))",
        "unhex(substr(hex(envelope), 1, 12) || '00000000' || substr(hex(envelope), 21))",
        "x''",
        "zeroblob(100000)",
    ] {
        is_unreadable_and_mended(&format!("UPDATE kingcong_api_keys SET envelope = {envelope}")).await;
    }
}

async fn is_unreadable_and_mended(alter: &str) {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::new());
    let (url, id) = damaged(directory.path(), &upstream, alter).await;
    let kc = builder(&upstream).store(SqlStore::connect(&url).await.unwrap()).start().await.unwrap();
    let job = kc.submit(speech()).await.unwrap();
    // The task waits for a key; the one that there was is out of the pool, and not dead.
    while kc.status().await.unwrap().routes.iter().any(|route| route.keys > 0) {
        tokio::task::yield_now().await;
    }
    let unreadable = only_key(&kc).await;
    assert!(matches!(unreadable.status, KeyStatus::Unreadable { .. }), "{unreadable:?}");
    assert_eq!(job.status().await.unwrap().tasks[0].attempts, 0, "nothing was sent");
    kc.monitor().await.unwrap();
    assert!(matches!(only_key(&kc).await.status, KeyStatus::Unreadable { .. }));
    let again = kc.keys().add(key()).await.unwrap();
    assert_eq!((again.id, &again.status), (id, &KeyStatus::Active));
    assert_eq!(job.wait().await.unwrap().job.state, JobState::Failed);
    assert_eq!(upstream.addresses().len(), 1, "it was the upstream that refused");
    kc.close().await;
}
