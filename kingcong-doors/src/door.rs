//! Every door, as data: its name, what it takes, and what it answers.

use std::{collections::BTreeMap, num::NonZeroU32, path::PathBuf, time::Duration};

use bytes::Bytes;
use kingcong_core::{
    Error, KingCong, NewKey, OutputError,
    access::{self, Access, Role},
    clock::Timestamp,
    engine::{JobAudio, JobResult},
    id::{AttemptId, AuditId, JobId, KeyId, Route, ServerId, ServiceId, TaskId, TenantId, UserId, WalletId},
    keys::{Limits, LimitsChange},
    ledger::Owner,
    money::Unit,
    operation::Operation,
    routing::Maintenance,
    store::{AttemptFilter, AttemptKind, JobFilter, Kept, Standing, WalletFilter},
    switch::Switch,
    tenants::TenantState,
    work::{Body, JobState},
};
use serde::{Deserialize, Serialize};

use crate::{
    answer::{
        AccountView, ArchivedView, AudioView, AuditView, ClonedView, CreditedView, EntryView, ErrorView,
        EstimateView, EventView, ExplanationView, JobView, KeyView, OfferedView, PackageView, PriceView,
        ReportView, ResultView, SplitView, StatusView, SystemView, TenantView, UsageView, VerificationView,
        WalletView,
    },
    asked::{
        AskedAmount, AskedOrder, AskedPackage, AskedPrice, AskedRequest, AskedServer, AskedServerChange,
    },
    library::{Answer, Library, Stream},
    problem::Problem,
};

/// A door with what it is given.
#[derive(Debug, Deserialize)]
#[serde(tag = "door", content = "with", deny_unknown_fields)]
#[expect(missing_docs, reason = "each is the door of the core that has its name, with the same arguments")]
pub enum Door {
    #[serde(rename = "estimate")]
    Estimate { request: Box<AskedRequest> },
    #[serde(rename = "submit")]
    Submit { request: Box<AskedRequest> },
    #[serde(rename = "jobs")]
    Jobs { user: Option<UserId>, state: Option<JobState>, before: Option<JobId>, limit: u32 },
    #[serde(rename = "job.status")]
    JobStatus { job: JobId },
    #[serde(rename = "job.wait")]
    JobWait { job: JobId },
    #[serde(rename = "job.cancel")]
    JobCancel { job: JobId },
    #[serde(rename = "job.retry")]
    JobRetry { job: JobId, idempotency_key: String, deadline_ms: Option<u64> },
    #[serde(rename = "job.result")]
    JobResult { job: JobId },
    /// What the job says, without its bytes.
    #[serde(rename = "job.audio")]
    JobAudio { job: JobId },
    /// The bytes from `start` to before `end`.
    #[serde(rename = "job.read_audio")]
    JobReadAudio { job: JobId, start: u64, end: u64 },
    /// The first chunk of these bytes; refused when not all of them are there.
    #[serde(rename = "job.audio_chunk")]
    JobAudioChunk { job: JobId, start: u64, end: u64 },
    #[serde(rename = "job.subtitles")]
    JobSubtitles { job: JobId },
    #[serde(rename = "job.task_output")]
    JobTaskOutput { job: JobId, place: u32 },
    /// Answers the number of a stream, for `events.next`.
    #[serde(rename = "job.events")]
    JobEvents { job: JobId },
    /// The next event; `null` after the last.
    #[serde(rename = "events.next")]
    EventsNext { stream: u64 },
    #[serde(rename = "status")]
    Status {},
    #[serde(rename = "verify")]
    Verify {},
    #[serde(rename = "monitor")]
    Monitor {},
    #[serde(rename = "pulse")]
    Pulse {},
    #[serde(rename = "backup")]
    Backup { path: PathBuf },
    #[serde(rename = "archive")]
    Archive { before: Timestamp, folder: PathBuf },
    #[serde(rename = "wallets.get")]
    WalletsGet { user: Option<UserId>, unit: Unit },
    #[serde(rename = "wallets.list")]
    WalletsList { unit: Option<Unit>, in_debt: bool, after: Option<WalletId>, limit: u32 },
    #[serde(rename = "wallets.purchase")]
    WalletsPurchase { user: Option<UserId>, package: String, order: String, ordered: Option<AskedOrder> },
    #[serde(rename = "wallets.refund")]
    WalletsRefund {
        user: Option<UserId>,
        task: TaskId,
        amount: Option<AskedAmount>,
        reason: String,
        idempotency_key: String,
        unit: Unit,
    },
    #[serde(rename = "wallets.adjust")]
    WalletsAdjust {
        user: Option<UserId>,
        change: AskedAmount,
        reason: String,
        idempotency_key: String,
        unit: Unit,
    },
    #[serde(rename = "wallets.history")]
    WalletsHistory { user: Option<UserId>, before: Option<u64>, limit: u32, unit: Unit },
    #[serde(rename = "packages.list")]
    PackagesList {},
    #[serde(rename = "packages.set")]
    PackagesSet { package: AskedPackage },
    #[serde(rename = "packages.remove")]
    PackagesRemove { package: String },
    #[serde(rename = "prices.list")]
    PricesList {},
    #[serde(rename = "prices.set")]
    PricesSet { price: AskedPrice },
    #[serde(rename = "prices.remove")]
    PricesRemove { server: String, service: String, model: Option<String>, operation: Operation },
    #[serde(rename = "config.get")]
    ConfigGet {},
    #[serde(rename = "config.explain")]
    ConfigExplain {},
    #[serde(rename = "config.set_route")]
    ConfigSetRoute { server: String, service: String, switch: Switch },
    #[serde(rename = "config.set_maintenance")]
    ConfigSetMaintenance { maintenance: Maintenance },
    #[serde(rename = "config.set_weights")]
    ConfigSetWeights { weights: BTreeMap<String, u32> },
    #[serde(rename = "config.add_server")]
    ConfigAddServer { id: String, server: AskedServer, services: BTreeMap<String, Switch> },
    #[serde(rename = "config.update_server")]
    ConfigUpdateServer { id: String, change: AskedServerChange },
    #[serde(rename = "config.remove_server")]
    ConfigRemoveServer { id: String },
    #[serde(rename = "config.add_service")]
    ConfigAddService { id: String, name: String },
    #[serde(rename = "config.history")]
    ConfigHistory { limit: u32 },
    #[serde(rename = "keys.add")]
    KeysAdd {
        server: String,
        service: String,
        secret: AskedSecret,
        label: Option<String>,
        limits: Option<Limits>,
        account: Option<String>,
        account_limits: Option<Limits>,
    },
    #[serde(rename = "keys.list")]
    KeysList {},
    #[serde(rename = "keys.get")]
    KeysGet { key: KeyId },
    #[serde(rename = "keys.set_limits")]
    KeysSetLimits { key: KeyId, max_in_flight: Option<NonZeroU32>, per_minute: Option<NonZeroU32> },
    #[serde(rename = "keys.enable")]
    KeysEnable { key: KeyId },
    #[serde(rename = "keys.disable")]
    KeysDisable { key: KeyId },
    #[serde(rename = "keys.remove")]
    KeysRemove { key: KeyId },
    #[serde(rename = "keys.check")]
    KeysCheck { key: KeyId },
    #[serde(rename = "accounts.list")]
    AccountsList {},
    #[serde(rename = "accounts.set_limits")]
    AccountsSetLimits {
        server: String,
        account: String,
        max_in_flight: Option<NonZeroU32>,
        per_minute: Option<NonZeroU32>,
    },
    #[serde(rename = "tenants.set")]
    TenantsSet { id: String, name: String, state: TenantState },
    #[serde(rename = "tenants.get")]
    TenantsGet { id: String },
    #[serde(rename = "tenants.list")]
    TenantsList { after: Option<TenantId>, limit: u32 },
    #[serde(rename = "voices.offered")]
    VoicesOffered { server: String, service: String, page: Option<String> },
    #[serde(rename = "voices.cloned")]
    VoicesCloned { user: String },
    #[serde(rename = "reports.errors")]
    ReportsErrors { filter: AskedAttempts },
    #[serde(rename = "reports.usage")]
    ReportsUsage { filter: AskedAttempts },
    #[serde(rename = "reports.split")]
    ReportsSplit {},
    #[serde(rename = "reports.audit")]
    ReportsAudit { before: Option<AuditId>, limit: u32 },
}

/// Who knocks, and for whom.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Caller {
    /// Who acts, in which role; the operator `system` when nothing is said.
    r#as: Option<As>,
    /// The role's own tenant, or the main one, when nothing is said.
    of: Option<Of>,
}

/// Who acts, in which role.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct As {
    actor: String,
    role: String,
    tenant: Option<String>,
    user: Option<String>,
    until: Option<Timestamp>,
}

/// Whose rows are asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Of {
    /// Those of every tenant.
    All,
    /// One tenant's.
    Tenant(String),
}

impl As {
    fn access(&self) -> Result<Access, Error> {
        let Self { actor, role, tenant, user, until } = self;
        let role = Role::named(role, tenant.as_deref(), user.as_deref())?;
        Ok(Access { until: *until, ..Access::new(actor, role)? })
    }
}

impl Caller {
    fn handle(&self, kc: &KingCong) -> Result<KingCong, Error> {
        let kc = match &self.r#as {
            None => kc.clone(),
            Some(asked) => kc.acting(asked.access()?),
        };
        Ok(match &self.of {
            None => kc,
            Some(Of::All) => kc.of_all(),
            Some(Of::Tenant(tenant)) => kc.of(tenant),
        })
    }
}

/// A secret that no `Debug` shows.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct AskedSecret(String);

impl std::fmt::Debug for AskedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AskedSecret(…)")
    }
}

/// Which attempts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedAttempts {
    job: Option<JobId>,
    key: Option<KeyId>,
    server: Option<ServerId>,
    service: Option<ServiceId>,
    /// Leased at this instant or later.
    since: Option<Timestamp>,
    /// Leased before this instant.
    until: Option<Timestamp>,
    before: Option<AttemptId>,
    limit: u32,
}

impl AskedAttempts {
    fn filter(self) -> Result<AttemptFilter, Problem> {
        let route = match (self.server, self.service) {
            (None, None) => None,
            (Some(server), Some(service)) => Some(Route::new(server, service)),
            (server, _) => {
                let value = if server.is_some() { "a server alone" } else { "a service alone" };
                let bounds = "a server and a service, or neither";
                return Err(Error::Setting { setting: "route", value: value.to_owned(), bounds }.into());
            }
        };
        let Self { job, key, since, until, before, limit, .. } = self;
        Ok(AttemptFilter { job, key, route, only: AttemptKind::All, since, until, before, limit })
    }
}

fn answer(view: &impl Serialize) -> Answer {
    let json = serde_json::to_string(view).expect("answers are texts, numbers and lists of them");
    Answer { json, attachment: None }
}

fn answer_all<'a, T: 'a, V: Serialize + From<&'a T>>(rows: &'a [T]) -> Answer {
    answer(&rows.iter().map(V::from).collect::<Vec<V>>())
}

fn bytes(bytes: Bytes) -> Answer {
    Answer { attachment: Some(bytes), ..nothing() }
}

/// Goes on on a thread of the library: a door is begun on its caller's, which may be that of an event loop, and audio
/// takes longer to copy than another thread needs to wake up.
async fn leave_callers_thread() {
    tokio::task::yield_now().await;
}

fn nothing() -> Answer {
    Answer { json: "null".to_owned(), attachment: None }
}

impl Door {
    /// Does what the door does.
    pub(crate) async fn knock(
        self,
        library: &Library,
        caller: &Caller,
        attachment: Option<Bytes>,
    ) -> Result<Answer, Problem> {
        let kc = &caller.handle(&library.kc)?;
        Ok(match self {
            Self::Estimate { request } => {
                answer(&EstimateView::from(&kc.estimate(request.request(attachment)?).await?))
            }
            Self::Submit { request } => {
                answer(&kc.submit(request.request(attachment)?).await?.id().to_string())
            }
            Self::Jobs { user, state, before, limit } => {
                answer_all::<_, JobView>(&kc.jobs(&JobFilter { user, state, before, limit }).await?)
            }
            Self::JobStatus { job } => answer(&ReportView::from(&kc.job(job).status().await?)),
            Self::JobWait { job } => answer(&ReportView::from(&kc.job(job).wait().await?)),
            Self::JobCancel { job } => answer(&ReportView::from(&kc.job(job).cancel().await?)),
            Self::JobRetry { job, idempotency_key, deadline_ms } => {
                let job = kc.job(job);
                let deadline = deadline_ms.map(Duration::from_millis);
                answer(&ReportView::from(&job.retry(&idempotency_key, deadline).await?))
            }
            Self::JobResult { job } => {
                leave_callers_thread().await;
                result(kc.job(job).result().await?)
            }
            Self::JobAudio { job } => {
                leave_callers_thread().await;
                answer(&AudioView::from(&library.audio(kc, job).await?))
            }
            Self::JobReadAudio { job, start, end } => {
                leave_callers_thread().await;
                bytes(library.audio(kc, job).await?.read(start..end).await?)
            }
            Self::JobAudioChunk { job, start, end } => {
                leave_callers_thread().await;
                let mut chunks = library.audio(kc, job).await?.chunks(start..end)?;
                bytes(chunks.next().await.transpose()?.unwrap_or_default())
            }
            Self::JobSubtitles { job } => answer(&kc.job(job).subtitles().await?),
            Self::JobTaskOutput { job, place } => {
                leave_callers_thread().await;
                let Some(output) = kc.job(job).task_output(place).await? else { return Ok(nothing()) };
                let (view, body) = ResultView::of_task(output);
                let attachment = match body {
                    None => None,
                    Some(body) => Some(read(job, place, body).await?),
                };
                Answer { attachment, ..answer(&view) }
            }
            Self::JobEvents { job } => {
                let events = kc.job(job).events().await?;
                let unit = kc.job(job).status().await?.job.unit;
                let scope = kc.enter(access::Door::JobEvents).await?;
                answer(&library.open_stream(events, unit, scope)?)
            }
            Self::EventsNext { stream: number } => match stream_of(library, kc, number).await? {
                None if library.is_closed() => return Err(Error::Closed.into()),
                None => nothing(),
                Some(stream) => {
                    let event = tokio::select! {
                        biased;
                        event = next_event(&stream) => event,
                        () = stream.closed.cancelled() => None,
                    };
                    if event.is_none() {
                        library.close_stream(number);
                        if library.is_closed() {
                            return Err(Error::Closed.into());
                        }
                    }
                    answer(&event)
                }
            },
            Self::Status {} => answer(&StatusView::from(&kc.status().await?)),
            Self::Verify {} => answer(&VerificationView::from(&kc.verify().await?)),
            Self::Monitor {} => kc.monitor().await.map(|()| nothing())?,
            Self::Pulse {} => kc.pulse().await.map(|()| nothing())?,
            Self::Backup { path } => {
                kc.enter(access::Door::Backup).await?;
                sql_store(library)?.backup(path).await.map(|()| nothing())?
            }
            Self::Archive { before, folder } => {
                kc.enter(access::Door::Archive).await?;
                answer(&ArchivedView::from(&sql_store(library)?.archive(before, folder).await?))
            }
            Self::WalletsGet { user, unit } => {
                answer(&WalletView::from(&kc.wallets().unit(unit).get(Owner::from(user)).await?))
            }
            Self::WalletsList { unit, in_debt, after, limit } => {
                let standing = if in_debt { Standing::InDebt } else { Standing::All };
                let filter = WalletFilter { unit, standing, after, limit };
                answer_all::<_, WalletView>(&kc.wallets().list(&filter).await?)
            }
            Self::WalletsPurchase { user, package, order, ordered } => {
                let (wallets, owner) = (kc.wallets(), Owner::from(user));
                let purchase = match ordered {
                    None => wallets.purchase(owner, &package, &order).await?,
                    Some(asked) => {
                        wallets.purchase_ordered(owner, &package, &order, asked.ordered()?).await?
                    }
                };
                answer(&CreditedView::of(purchase.moved, purchase.unit))
            }
            Self::WalletsRefund { user, task, amount, reason, idempotency_key, unit } => {
                let amount = amount.map(|amount| amount.money(unit)).transpose()?;
                let (wallets, amount) = (kc.wallets().unit(unit), amount.map(|money| money.amount));
                let owner = Owner::from(user);
                let credited = wallets.refund(owner, task, amount, &reason, &idempotency_key).await?;
                answer(&CreditedView::of(credited.moved, unit))
            }
            Self::WalletsAdjust { user, change, reason, idempotency_key, unit } => {
                let (wallets, change) = (kc.wallets().unit(unit), change.money(unit)?.amount);
                let credited = wallets.adjust(Owner::from(user), change, &reason, &idempotency_key).await?;
                answer(&CreditedView::of(credited.moved, unit))
            }
            Self::WalletsHistory { user, before, limit, unit } => {
                let entries = kc.wallets().unit(unit).history(Owner::from(user), before, limit).await?;
                answer(&entries.into_iter().map(|entry| EntryView::of(entry, unit)).collect::<Vec<_>>())
            }
            Self::PackagesList {} => answer_all::<_, PackageView>(&kc.packages().list().await?),
            Self::PackagesSet { package } => {
                kc.packages().set(package.package()?).await.map(|()| nothing())?
            }
            Self::PackagesRemove { package } => kc.packages().remove(&package).await.map(|()| nothing())?,
            Self::PricesList {} => answer_all::<_, PriceView>(&kc.prices().list().await?),
            Self::PricesSet { price } => {
                let (price, version) = price.price()?;
                kc.prices().set_now(price, version).await.map(|()| nothing())?
            }
            Self::PricesRemove { server, service, model, operation } => kc
                .prices()
                .remove(&server, &service, model.as_deref(), operation)
                .await
                .map(|()| nothing())?,
            Self::ConfigGet {} => answer(&SystemView::from(&kc.config().get().await?)),
            Self::ConfigExplain {} => answer(&ExplanationView::from(&kc.config().explain().await?)),
            Self::ConfigSetRoute { server, service, switch } => {
                kc.config().set_route(&server, &service, switch).await.map(|()| nothing())?
            }
            Self::ConfigSetMaintenance { maintenance } => {
                kc.config().set_maintenance(maintenance).await.map(|()| nothing())?
            }
            Self::ConfigSetWeights { weights } => {
                let weights: Vec<_> =
                    weights.iter().map(|(server, weight)| (server.as_str(), *weight)).collect();
                kc.config().set_weights(&weights).await.map(|()| nothing())?
            }
            Self::ConfigAddServer { id, server, services } => {
                let services: Vec<_> =
                    services.iter().map(|(service, switch)| (service.as_str(), *switch)).collect();
                kc.config().add_server(&id, server.server()?, &services).await.map(|()| nothing())?
            }
            Self::ConfigUpdateServer { id, change } => {
                kc.config().update_server(&id, change.change()?).await.map(|()| nothing())?
            }
            Self::ConfigRemoveServer { id } => kc.config().remove_server(&id).await.map(|()| nothing())?,
            Self::ConfigAddService { id, name } => {
                kc.config().add_service(&id, &name).await.map(|()| nothing())?
            }
            Self::ConfigHistory { limit } => answer_all::<_, AuditView>(&kc.config().history(limit).await?),
            Self::KeysAdd { server, service, secret, label, limits, account, account_limits } => {
                let mut new = NewKey::shared(server, service, secret.0).label(label.unwrap_or_default());
                if let Some(limits) = limits {
                    new = new.limits(limits);
                }
                match (account, account_limits) {
                    (None, None) => {}
                    (Some(account), Some(limits)) => new = new.account(account, limits),
                    (Some(account), None) => new = new.known_account(account),
                    (None, Some(limits)) => {
                        let (setting, value) = ("account", format!("none, with account_limits of {limits},"));
                        let bounds = "the name of the account that has these limits";
                        return Err(Error::Setting { setting, value, bounds }.into());
                    }
                }
                answer(&KeyView::from(&kc.keys().add(new).await?))
            }
            Self::KeysList {} => answer_all::<_, KeyView>(&kc.keys().list().await?),
            Self::KeysGet { key } => answer(&KeyView::from(&kc.keys().get(key).await?)),
            Self::KeysSetLimits { key, max_in_flight, per_minute } => {
                let change = LimitsChange { max_in_flight, per_minute };
                answer(&KeyView::from(&kc.keys().set_limits(key, change).await?))
            }
            Self::KeysEnable { key } => answer(&KeyView::from(&kc.keys().enable(key).await?)),
            Self::KeysDisable { key } => answer(&KeyView::from(&kc.keys().disable(key).await?)),
            Self::KeysRemove { key } => answer(&KeyView::from(&kc.keys().remove(key).await?)),
            Self::KeysCheck { key } => answer(&KeyView::from(&kc.keys().check(key).await?)),
            Self::AccountsList {} => answer_all::<_, AccountView>(&kc.accounts().list().await?),
            Self::AccountsSetLimits { server, account, max_in_flight, per_minute } => {
                let change = LimitsChange { max_in_flight, per_minute };
                answer(&AccountView::from(&kc.accounts().set_limits(&server, &account, change).await?))
            }
            Self::TenantsSet { id, name, state } => {
                answer(&TenantView::from(&kc.tenants().set(&id, &name, state).await?))
            }
            Self::TenantsGet { id } => answer(&kc.tenants().get(&id).await?.as_ref().map(TenantView::from)),
            Self::TenantsList { after, limit } => {
                answer_all::<_, TenantView>(&kc.tenants().list(after.as_ref(), limit).await?)
            }
            Self::VoicesOffered { server, service, page } => {
                let page = kc.voices().offered(&server, &service, page.as_deref()).await?;
                answer(&OfferedView::from(page))
            }
            Self::VoicesCloned { user } => answer_all::<_, ClonedView>(&kc.voices().cloned(&user).await?),
            Self::ReportsErrors { filter } => {
                answer_all::<_, ErrorView>(&kc.reports().errors(filter.filter()?).await?)
            }
            Self::ReportsUsage { filter } => {
                answer_all::<_, UsageView>(&kc.reports().usage(&filter.filter()?).await?)
            }
            Self::ReportsSplit {} => answer_all::<_, SplitView>(&kc.reports().split().await?),
            Self::ReportsAudit { before, limit } => {
                answer_all::<_, AuditView>(&kc.reports().audit(before, limit).await?)
            }
        })
    }
}

/// A stream of events, for callers of the scope that it was opened in. A stream of another scope is not there.
async fn stream_of(library: &Library, kc: &KingCong, number: u64) -> Result<Option<Stream>, Problem> {
    let scope = kc.enter(access::Door::JobEvents).await?;
    Ok(library.stream(number).filter(|stream| stream.scope == scope))
}

/// The next event of a stream; none after the last.
async fn next_event(stream: &Stream) -> Option<EventView> {
    let mut events = stream.events.lock().await;
    loop {
        // One of a kind that this release has no name for is not for its hosts.
        if let Some(known) = EventView::of(events.next().await?, stream.unit) {
            return Some(known);
        }
    }
}

fn result(result: JobResult) -> Answer {
    match ResultView::of_job(result) {
        Some((view, attachment)) => Answer { attachment, ..answer(&view) },
        None => nothing(),
    }
}

/// The bytes of a task's result.
async fn read(job: JobId, place: u32, body: Body) -> Result<Bytes, Problem> {
    let failed = |reason| Error::Output { job, reason };
    let (path, settled) = match body {
        Body::Memory(bytes) => return Ok(bytes),
        Body::File { path, bytes } => (path, bytes),
    };
    let (place, max) = (place as usize, JobAudio::READ_BYTES_MAX);
    if settled > max {
        return Err(failed(OutputError::TooLarge { bytes: settled, max }).into());
    }
    let kept = Kept::File { path: path.clone(), bytes: settled };
    let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
    match read.map_err(std::io::Error::other).and_then(|read| read) {
        Ok(bytes) if bytes.len() as u64 == settled => Ok(bytes.into()),
        Ok(bytes) => {
            let found = bytes.len() as u64;
            Err(failed(OutputError::Altered { place, kept, settled, found }).into())
        }
        Err(error) => Err(failed(OutputError::Unreadable { place, kept, problem: error.kind() }).into()),
    }
}

/// The database, for what only one has.
fn sql_store(library: &Library) -> Result<&kingcong_sqlx::SqlStore, Problem> {
    library.store.as_ref().ok_or_else(|| {
        let (setting, value) = ("url", "memory:".to_owned());
        Error::Setting { setting, value, bounds: "a database's, for a backup or an archive" }.into()
    })
}
