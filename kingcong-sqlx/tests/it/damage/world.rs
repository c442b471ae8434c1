//! A store with rows of every kind and in every state.

use std::{path::Path, sync::Arc, time::Duration};

use kingcong_core::{
    access::Scope,
    clock::{Clock as _, Timestamp},
    failure::{Failure, FailureKind, Reached},
    id::{DataKeyId, JobId, KeyId, SystemEntropy, TaskId, TenantId, TenantName, VoiceId},
    keys::Rules,
    lane::Lane,
    ledger::{Cause, Owner, WalletKey},
    measure::Measured,
    money::{Amount, Unit},
    pricing::Price,
    store::{
        Accept, AdminAnswer, Adopt, AttemptResult, ChangeKey, Command, Credit, KeyChange, LateAnswer, Lease,
        Movement, Outcome, SetTenant, Stop, StopWhy, Store as _, TakeDuty, UnknownPolicy, Waited,
        conformance::fixtures::cloning,
    },
    switch::Switch,
    tenants::TenantState,
    upstream::{UpstreamCredits, UpstreamId},
    vault::{
        Binding, DataKeyContext, DataKeyUse, DataKeyVersion, FingerprintScope, KEY_BYTES, KeyBytes, Keyring,
        NONCE_BYTES, OpenDataKey, Purpose, Secret, SecretVersion, StaticMasterKey,
    },
    work::{IdempotencyKey, MadeVoice, TaskRoute, Work},
};
use kingcong_sqlx::SqlStore;

use crate::world::{
    Ids, StandingClock, Writer, add_key, admit, audit, claim, claimed, configure, done, price, purchase,
    retry, route, settle, user, wallet,
};

/// Longer than the ids of the world, which have a time in them, are behind its clock.
const LONG: Duration = Duration::from_secs(800 * 24 * 3600);
/// The servers of the world.
const SERVERS: [&str; 2] = ["ai33", "ai84"];

struct World<'a> {
    store: &'a SqlStore,
    clock: &'a StandingClock,
    ids: Ids,
    writer: Writer,
    keyring: Keyring,
    secrets: u8,
}

impl World<'_> {
    async fn write(&mut self, commands: Vec<Command>) -> Vec<Outcome> {
        self.writer.write(self.store, commands).await
    }

    async fn data_key(&mut self, used_for: DataKeyUse, master: &StaticMasterKey) {
        let id = DataKeyId::from_uuid(self.ids.next());
        let context = DataKeyContext { id, used_for, version: DataKeyVersion::FIRST };
        let key = OpenDataKey::generate(context, &SystemEntropy);
        let row = key.wrap(master, Timestamp::EPOCH).await.unwrap();
        self.keyring.insert(key);
        self.write(vec![Command::AddDataKey(row)]).await;
    }

    /// A key whose secret is sealed.
    async fn key(&mut self, server: &str, account: Option<&str>) -> KeyId {
        let mut add = add_key(&mut self.ids, &route(server), 1000, 100_000, account);
        self.secrets += 1;
        let secret = Secret::parse(&format!("sk-upstream-secret-{}", self.secrets)).unwrap();
        let key = &mut add.key;
        let version = SecretVersion::FIRST;
        let purpose = Purpose::UpstreamKey;
        let binding = Binding { tenant: key.tenant.clone(), key: key.id, version, purpose };
        key.envelope = Some(self.keyring.seal(&secret, &binding, [self.secrets; NONCE_BYTES]).unwrap());
        key.mask = secret.mask();
        let server = &key.route.server;
        key.fingerprint = self.keyring.fingerprint(server, FingerprintScope::Everyone, &secret).unwrap();
        let id = key.id;
        let audit = audit(&mut self.ids);
        self.write(vec![Command::admin(audit, add)]).await;
        id
    }

    async fn order(&mut self, who: u32, texts: &[&str], key: Option<&str>) -> JobId {
        let order = admit(&mut self.ids, who, texts, key);
        let job = order.job;
        self.write(vec![Command::Admit(Box::new(order))]).await;
        job
    }

    /// Leases everything that waits.
    async fn claim(&mut self) -> Vec<Lease> {
        let mut leases = Vec::new();
        for server in SERVERS {
            let command = claim(&mut self.ids, &route(server), 8);
            leases.extend(claimed(self.write(vec![command]).await).leases);
        }
        leases
    }

    async fn end(&mut self, leases: &[Lease], result: &AttemptResult) {
        let commands = leases.iter().map(|lease| settle(lease, result.clone())).collect();
        self.write(commands).await;
    }

    /// A job whose attempts all end alike.
    async fn live(
        &mut self,
        who: u32,
        texts: &[&str],
        key: Option<&str>,
        result: &AttemptResult,
    ) -> Vec<Lease> {
        self.order(who, texts, key).await;
        let leases = self.claim().await;
        self.end(&leases, result).await;
        leases
    }

    /// Tries the failed tasks of a job again.
    async fn retry(&mut self, who: u32, job: JobId, key: &str) {
        let command = retry(&mut self.ids, who, job, key);
        let outcomes = self.write(vec![command]).await;
        assert!(matches!(outcomes[0], Outcome::Retry(Ok(_))), "{outcomes:?}");
    }

    async fn credit(&mut self, wallet: WalletKey, movement: Movement, key: Option<&str>) {
        let idempotency = key.map(|key| {
            IdempotencyKey::new("tests", &wallet.tenant, user(1).as_str(), key, &"payload").unwrap()
        });
        let audit = audit(&mut self.ids);
        let outcomes =
            self.write(vec![Command::admin(audit, Credit { idempotency, wallet, movement })]).await;
        assert!(matches!(outcomes[0], Outcome::Admin(AdminAnswer::Credit(Ok(_)))), "{outcomes:?}");
    }

    async fn refund(&mut self, task: TaskId, amount: Option<i64>, key: &str) {
        let (amount, cause) = (amount.map(Amount::new), Cause::default());
        self.credit(wallet(1), Movement::Refund { task, amount, cause }, Some(key)).await;
    }

    async fn adjust(&mut self, wallet: WalletKey, change: i64, key: Option<&str>) {
        let cause = Cause { reference: Some("a correction".into()), ..Cause::default() };
        self.credit(wallet, Movement::Adjust { change: Amount::new(change), cause }, key).await;
    }
}

pub(super) fn failed(kind: FailureKind, reached: Reached) -> AttemptResult {
    let failure = Failure { code: Some("400".into()), ..Failure::new(kind, reached, "no") };
    AttemptResult::Failed { failure, policy: UnknownPolicy::Retry }
}

/// Fills a store; the master key of its secrets.
pub(super) async fn build(store: &SqlStore, clock: &StandingClock) -> StaticMasterKey {
    let master = StaticMasterKey::new(KeyBytes::new(&[7; KEY_BYTES]));
    let mut ids = Ids::default();
    store.keep_rules(Rules::default()).await.unwrap();
    let writer = Writer::register(store, &mut ids).await;
    let mut world = World { store, clock, ids, writer, keyring: Keyring::default(), secrets: 0 };
    let command = configure(&mut world.ids);
    world.write(vec![command]).await;
    world.data_key(DataKeyUse::Tenant(TenantId::main()), &master).await;
    world.data_key(DataKeyUse::Fingerprints, &master).await;
    let first = world.key("ai33", Some("account 1")).await;
    for (server, account) in [("ai33", Some("account 1")), ("ai33", None), ("ai84", None), ("ai84", None)] {
        world.key(server, account).await;
    }
    tenants(&mut world).await;
    buy(&mut world).await;
    let folder = tempfile::tempdir().unwrap();
    let failed_long_ago = of_long_ago(&mut world, folder.path()).await;
    money(&mut world).await;
    retried(&mut world).await;
    moved(&mut world).await;
    work(&mut world, first).await;
    world.retry(1, failed_long_ago, "again at last").await;
    keys(&mut world).await;
    master
}

/// Two tenants of which something is said.
async fn tenants(world: &mut World<'_>) {
    for (tenant, state) in [("acme", TenantState::Suspended), ("other", TenantState::Active)] {
        let (audit, name) = (audit(&mut world.ids), TenantName::new(format!("{tenant} Ltd.")).unwrap());
        let set = SetTenant { tenant: TenantId::new(tenant).unwrap(), name, state };
        world.write(vec![Command::admin(audit, set)]).await;
    }
}

async fn buy(world: &mut World<'_>) {
    for (who, order) in [(1, Some("order 1")), (2, Some("order 2")), (3, None)] {
        let command = purchase(&mut world.ids, who, 10_000, order);
        world.write(vec![command]).await;
    }
    let tenant = WalletKey { tenant: TenantId::main(), owner: Owner::Tenant, unit: Unit::CREDIT };
    world.adjust(tenant, 500, Some("a gift")).await;
    world.adjust(WalletKey { unit: Unit::NEXTFLOW, ..wallet(1) }, 70_000, None).await;
}

/// Work whose attempts and entries are archived; of it a job that failed.
async fn of_long_ago(world: &mut World<'_>, folder: &Path) -> JobId {
    world.live(1, &["Xin chào", "你好"], Some("long ago"), &done(10)).await;
    let fails = failed(FailureKind::BadRequest, Reached::No);
    let leases = world.live(1, &["failed"], Some("long ago too"), &fails).await;
    world.clock.advance(LONG);
    let archived = world.store.archive(world.clock.now(), folder).await.unwrap();
    assert!(archived.attempts > 0 && archived.entries > 0, "{archived:?}");
    leases[0].task.job
}

/// Jobs that were retried: done at last, failed again, and one that was retried twice.
async fn retried(world: &mut World<'_>) {
    let fails = failed(FailureKind::BadRequest, Reached::No);
    let job = world.order(1, &["is done", "is done at last"], Some("request 10")).await;
    let leases = world.claim().await;
    world.end(&leases[..1], &done(10)).await;
    world.end(&leases[1..], &fails).await;
    world.retry(1, job, "again 1").await;
    let leases = world.claim().await;
    world.end(&leases, &done(10)).await;
    for (retries, key) in [(1, "request 11"), (2, "request 12")] {
        let job = world.order(2, &["fails again"], Some(key)).await;
        let leases = world.claim().await;
        world.end(&leases, &fails).await;
        for retry in 1..=retries {
            world.retry(2, job, &format!("{key}, again {retry}")).await;
            let leases = world.claim().await;
            world.end(&leases, &fails).await;
        }
    }
}

async fn money(world: &mut World<'_>) {
    let leases = world.live(1, &["một", "hai", "ba bốn"], Some("request 1"), &done(10)).await;
    world.live(2, &["năm", "sáu bảy"], None, &done(20)).await;
    world.refund(leases[0].task.id, Some(1), "refund 1").await;
    world.refund(leases[0].task.id, Some(1), "refund 2").await;
    world.refund(leases[1].task.id, None, "refund 3").await;
    world.adjust(wallet(3), -20_000, Some("a mistake")).await;
    world.adjust(wallet(3), 15_000, Some("amends")).await;
    // In debt, so refused; the answer is remembered.
    let command = admit(&mut world.ids, 4, &["no money"], Some("request 2"));
    let outcomes = world.write(vec![Command::Admit(Box::new(command))]).await;
    assert!(matches!(outcomes[0], Outcome::Admit(Err(_))), "{outcomes:?}");
}

/// A job in another unit, of a model, whose task was moved to another route.
async fn moved(world: &mut World<'_>) {
    let mut order = admit(&mut world.ids, 1, &["is moved"], Some("request 13"));
    order.wallet.unit = Unit::NEXTFLOW;
    for task in &mut order.tasks {
        let quote =
            |server| Price { unit: Unit::NEXTFLOW, ..price(&route(server)) }.quote(&task.quantities).unwrap();
        task.routes = SERVERS
            .map(|server| TaskRoute { card: quote(server), lane: Lane::Shared, known_as: "voice-1".into() })
            .to_vec()
            .into();
        let Work::Speech(mut speech) = (*task.work).clone() else { panic!("a text is spoken") };
        speech.model = Some("eleven_v3".into());
        task.work = Arc::new(Work::Speech(speech));
    }
    world.write(vec![Command::Admit(Box::new(order))]).await;
    for result in [failed(FailureKind::Undeliverable, Reached::Yes), done(7)] {
        let leases = world.claim().await;
        assert_eq!(leases.len(), 1);
        world.end(&leases, &result).await;
    }
}

async fn work(world: &mut World<'_>, first: KeyId) {
    world.live(2, &["fails"], Some("request 3"), &failed(FailureKind::BadRequest, Reached::No)).await;
    let lost = AttemptResult::Unknown { waited: Waited::Enough, policy: UnknownPolicy::Fail };
    world.live(2, &["is lost"], None, &lost).await;
    // One of two is done: completed with failures.
    world.order(2, &["is done", "fails too"], Some("request 4")).await;
    let leases = world.claim().await;
    world.end(&leases[..1], &done(10)).await;
    world.end(&leases[1..], &failed(FailureKind::Policy, Reached::Yes)).await;
    // Tried twice, and given back before.
    world.order(1, &["again"], None).await;
    for result in [AttemptResult::NotSent, failed(FailureKind::KeyRateLimited, Reached::No), done(5)] {
        let leases = world.claim().await;
        world.end(&leases, &result).await;
        world.clock.advance(Duration::from_secs(120));
    }
    let voice = AttemptResult::Done {
        output: MadeVoice {
            id: VoiceId::from_uuid(world.ids.next()),
            upstream_voice: "upstream-voice".into(),
            name: "my voice".into(),
        }
        .stored(),
        cost: Some(UpstreamCredits::whole(1)),
        measured: Measured::NOTHING,
    };
    let clone = cloning(admit(&mut world.ids, 2, &["a recording"], Some("request 5")));
    world.write(vec![Command::Admit(Box::new(clone))]).await;
    let leases = world.claim().await;
    world.end(&leases, &voice).await;
    // What only one key can do waits in its pool.
    let mut only = admit(&mut world.ids, 1, &["by one key"], None);
    only.only_key = Some(first);
    only.shares.retain(|server, _| server.as_str() == "ai33");
    for task in &mut only.tasks {
        task.routes = Arc::from([task.routes[0].clone()]);
    }
    world.write(vec![Command::Admit(Box::new(only))]).await;
    let mut later = admit(&mut world.ids, 2, &["later", "much later"], Some("request 6"));
    later.start_at = Some(world.clock.now().plus(Duration::from_secs(3600)));
    world.write(vec![Command::Admit(Box::new(later))]).await;
    running(world).await;
    let stopped = world.order(1, &["is cancelled"], Some("request 7")).await;
    world.write(vec![Command::Stop(Stop { scope: Scope::All, job: stopped, why: StopWhy::Cancelled })]).await;
    world.order(3, &["waits"], None).await;
    world.order(1, &["waits", "too"], Some("request 8")).await;
}

/// Attempts in each state that they are open in, one of another worker's.
async fn running(world: &mut World<'_>) {
    world.order(1, &["is leased", "is accepted", "is unknown"], Some("request 9")).await;
    let leases = world.claim().await;
    let accepted = Accept {
        attempt: leases[1].attempt.id,
        upstream_id: UpstreamId("upstream-task".into()),
        cost: Some(UpstreamCredits::whole(3)),
    };
    let unknown =
        AttemptResult::Unknown { waited: Waited::NotYet { retry_after: None }, policy: UnknownPolicy::Retry };
    let commands = vec![Command::Accept(accepted), settle(&leases[2], unknown)];
    world.write(commands).await;
    let late = LateAnswer { attempt: leases[0].attempt.id, upstream_id: None, cost: None };
    let duty = TakeDuty { name: "monitor", every: Duration::from_secs(60) };
    let other = Writer::register(world.store, &mut world.ids).await;
    world.clock.advance(Duration::from_secs(3));
    let gone = Adopt { worker: other.worker, dead_after: Duration::from_secs(2), attempts_max: 10 };
    world.write(vec![Command::RecordLate(late), Command::TakeDuty(duty), Command::Adopt(gone)]).await;
}

/// Keys that are off and removed.
async fn keys(world: &mut World<'_>) {
    for change in [KeyChange::Switch(Switch::Off), KeyChange::Remove] {
        let key = world.key("ai84", None).await;
        let audit = audit(&mut world.ids);
        world.write(vec![Command::admin(audit, ChangeKey { key, change })]).await;
    }
}
