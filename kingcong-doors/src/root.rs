//! The doors of the library itself: requests, jobs, the status bar, and what an operator's schedule calls.

use std::path::PathBuf;

use kingcong_core::{
    Error, access,
    clock::Timestamp,
    engine::{Estimate, RouteStatus, ServedHere, Status, Verification},
    id::{JobId, UserId},
    keys::Passage,
    money::Unit,
    provider::Health,
    store::{Discrepancy, DiscrepancyKind, JobFilter},
    switch::Switch,
    work::JobState,
};
use kingcong_sqlx::Archived;
use serde::{Deserialize, Serialize};

use crate::{
    answer::{AsText, Instant, Units, Word, all},
    asked::{AskedRequest, rows},
    config::ExplanationView,
    door::{At, Door, Group, Listed},
    job::JobView,
    library::Library,
    problem::Problem,
};

pub(crate) const GROUP: Group = Group {
    name: "Root",
    docs: "The doors of the library itself.",
    doors: &[
        Listed::of::<AskEstimate>(),
        Listed::of::<Submit>(),
        Listed::of::<Jobs>(),
        Listed::of::<AskStatus>(),
        Listed::of::<Verify>(),
        Listed::of::<Monitor>(),
        Listed::of::<Pulse>(),
        Listed::of::<Backup>(),
        Listed::of::<Archive>(),
    ],
};

/// What a request would cost. `held` is the most that it can cost.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct EstimateView {
    tasks: usize,
    characters: u64,
    held: Units,
    available: Units,
    unit: Word<Unit>,
    is_sufficient: bool,
}

impl From<&Estimate> for EstimateView {
    fn from(estimate: &Estimate) -> Self {
        Self {
            tasks: estimate.tasks,
            characters: estimate.characters,
            held: Units::new(estimate.held, estimate.unit),
            available: Units::new(estimate.available, estimate.unit),
            unit: Word(estimate.unit),
            is_sufficient: estimate.is_sufficient(),
        }
    }
}

/// What a route's last calls let through: everything, one call to see, or nothing for now.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum PassageView {
    Open,
    Probe,
    Closed,
}

/// A route as a status bar shows it.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct RouteStatusView {
    server: String,
    service: String,
    switch: Word<Switch>,
    keys: u32,
    waiting: i64,
    passage: PassageView,
    closed_until: Option<Instant>,
    health: Option<Word<Health>>,
    is_served_here: bool,
}

impl From<&RouteStatus> for RouteStatusView {
    fn from(status: &RouteStatus) -> Self {
        let (passage, closed_until) = match status.passage {
            Passage::Open => (PassageView::Open, None),
            Passage::Probe => (PassageView::Probe, None),
            Passage::Closed(Timestamp::FAR) => (PassageView::Closed, None),
            Passage::Closed(until) => (PassageView::Closed, Some(Instant(until))),
        };
        Self {
            server: status.route.server.to_string(),
            service: status.route.service.to_string(),
            switch: Word(status.switch),
            keys: status.keys,
            waiting: status.waiting,
            passage,
            closed_until,
            health: status.told.map(Word),
            is_served_here: status.served_here == ServedHere::Yes,
        }
    }
}

/// What a status bar shows.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct StatusView {
    explanation: ExplanationView,
    routes: Vec<RouteStatusView>,
}

impl From<&Status> for StatusView {
    fn from(status: &Status) -> Self {
        Self { explanation: (&status.explanation).into(), routes: all(&status.routes) }
    }
}

/// A row that does not agree with the others; `column` is none where the row as a whole is meant.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct DiscrepancyView {
    kind: Word<DiscrepancyKind>,
    /// The table, as the database calls it.
    table: &'static str,
    /// The row's id, or the columns of its key with commas between them.
    row: String,
    column: Option<&'static str>,
    found: String,
    expected: String,
}

impl From<&Discrepancy> for DiscrepancyView {
    fn from(one: &Discrepancy) -> Self {
        Self {
            kind: Word(one.kind),
            table: one.row.table,
            row: one.row.id.clone(),
            column: Some(one.column).filter(|column| !column.is_empty()),
            found: one.found.clone(),
            expected: one.expected.clone(),
        }
    }
}

/// What verification found: `found` rows that do not agree with others, 0 when all is well; `discrepancies` are the
/// first 1,000 of them.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct VerificationView {
    wallets: u64,
    jobs: u64,
    limits: u64,
    found: u64,
    discrepancies: Vec<DiscrepancyView>,
    is_sound: bool,
}

impl From<&Verification> for VerificationView {
    fn from(found: &Verification) -> Self {
        Self {
            wallets: found.wallets,
            jobs: found.jobs,
            limits: found.limits,
            found: found.found,
            discrepancies: all(&found.discrepancies),
            is_sound: found.is_sound(),
        }
    }
}

/// What was archived, and into which file.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct ArchivedView {
    attempts: u64,
    entries: u64,
    file: Option<String>,
}

impl From<&Archived> for ArchivedView {
    fn from(archived: &Archived) -> Self {
        Self {
            attempts: archived.attempts,
            entries: archived.entries,
            file: archived.file.as_ref().map(|file| file.display().to_string()),
        }
    }
}

/// What a request would cost, for its user, as things stand.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct AskEstimate {
    request: Box<AskedRequest>,
}

impl Door for AskEstimate {
    const NAME: &'static str = "estimate";
    type Answer = EstimateView;

    async fn knock(self, at: &mut At<'_>) -> Result<EstimateView, Problem> {
        let request = self.request.request(at.sample.take())?;
        Ok(EstimateView::from(&at.kc.estimate(request).await?))
    }
}

/// Submits a request, and answers the job's id once the job is durable and its credits are held.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Submit {
    request: Box<AskedRequest>,
}

impl Door for Submit {
    const NAME: &'static str = "submit";
    type Answer = String;

    async fn knock(self, at: &mut At<'_>) -> Result<String, Problem> {
        let request = self.request.request(at.sample.take())?;
        Ok(at.kc.submit(request).await?.id().to_string())
    }
}

/// Jobs, newest first, older than the job `before`; at most 1,000 at once.
///
/// ```python
/// >>> from kingcong import KingCong
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     kc.jobs(user="user-1", limit=10)
/// ()
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Jobs {
    user: Option<AsText<UserId>>,
    state: Option<Word<JobState>>,
    before: Option<AsText<JobId>>,
    #[serde(default = "rows")]
    limit: u32,
}

impl Door for Jobs {
    const NAME: &'static str = "jobs";
    type Answer = Vec<JobView>;

    async fn knock(self, at: &mut At<'_>) -> Result<Self::Answer, Problem> {
        let Self { user, state, before, limit } = self;
        let (user, before) = (user.map(|user| user.0), before.map(|before| before.0));
        Ok(all(&at.kc.jobs(&JobFilter { user, state: state.map(|state| state.0), before, limit }).await?))
    }
}

/// What a status bar shows.
///
/// ```python
/// >>> from kingcong import KingCong
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     route = kc.status().routes[0]
/// ...     route.server, route.service, route.switch.value, route.keys
/// ('ai33', 'elevenlabs', 'on', 0)
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct AskStatus {}

impl Door for AskStatus {
    const NAME: &'static str = "status";
    type Answer = StatusView;

    async fn knock(self, at: &mut At<'_>) -> Result<StatusView, Problem> {
        Ok(StatusView::from(&at.kc.status().await?))
    }
}

/// Counts everything again, follows what rows name, and opens every secret; may run while work goes on.
///
/// ```python
/// >>> from kingcong import KingCong
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     _ = kc.wallets.purchase("user-1", "package-1", "order-991")
/// ...     kc.verify().is_sound
/// True
/// ```
///
/// ```ts
/// import { KingCong } from 'kingcong';
///
/// await using kc = await KingCong.open('memory:', { preset: 'kingcong' });
/// await kc.wallets.purchase('user-1', 'package-1', 'order-991');
/// console.log((await kc.verify()).isSound); // true
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Verify {}

impl Door for Verify {
    const NAME: &'static str = "verify";
    type Answer = VerificationView;

    async fn knock(self, at: &mut At<'_>) -> Result<VerificationView, Problem> {
        Ok(VerificationView::from(&at.kc.verify().await?))
    }
}

/// Checks every key and every server now; for hosts that drive it by their own schedule.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Monitor {}

impl Door for Monitor {
    const NAME: &'static str = "monitor";
    type Answer = ();

    async fn knock(self, at: &mut At<'_>) -> Result<(), Problem> {
        Ok(at.kc.monitor().await?)
    }
}

/// Looks now at what other processes did, and does not wait for the next pulse.
///
/// ```python
/// >>> from kingcong import KingCong
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     kc.pulse()
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Pulse {}

impl Door for Pulse {
    const NAME: &'static str = "pulse";
    type Answer = ();

    async fn knock(self, at: &mut At<'_>) -> Result<(), Problem> {
        Ok(at.kc.pulse().await?)
    }
}

/// Copies the whole SQLite database, as of one instant, into a new file, while work goes on.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Backup {
    #[cfg_attr(feature = "description", schemars(extend("format" = "path")))]
    path: PathBuf,
}

impl Door for Backup {
    const NAME: &'static str = "backup";
    const BY_PLACE: usize = 1;
    type Answer = ();

    async fn knock(self, at: &mut At<'_>) -> Result<(), Problem> {
        at.kc.enter(access::Door::Backup).await?;
        Ok(sql_store(at.library)?.backup(self.path).await?)
    }
}

/// Moves attempts of jobs that ended before an instant, and entries made before it, into a file of a folder.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Archive {
    before: Instant,
    #[cfg_attr(feature = "description", schemars(extend("format" = "path")))]
    folder: PathBuf,
}

impl Door for Archive {
    const NAME: &'static str = "archive";
    const BY_PLACE: usize = 2;
    type Answer = ArchivedView;

    async fn knock(self, at: &mut At<'_>) -> Result<ArchivedView, Problem> {
        at.kc.enter(access::Door::Archive).await?;
        Ok(ArchivedView::from(&sql_store(at.library)?.archive(self.before.0, self.folder).await?))
    }
}

/// The database, for what only one has.
fn sql_store(library: &Library) -> Result<&kingcong_sqlx::SqlStore, Problem> {
    library.store.as_ref().ok_or_else(|| {
        let (setting, value) = ("url", "memory:".to_owned());
        Error::Setting { setting, value, bounds: "a database's, for a backup or an archive" }.into()
    })
}
