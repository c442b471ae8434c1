//! `keys/tenants=1000`: whether a thousand tenants with ten keys each make a process's pulse longer, and its look at
//! what changed.
//!
//! Two databases of one place, with 1,000 and with 10 tenants. Each tenant has ten keys, one of which has a queue of
//! its own that work once waited in. A process knows them all. Measured is the median of its pulse when nothing
//! changed, and of its pulse when another process has changed one key, so that it reads and takes in the change; on
//! PostgreSQL also the pages that such a pulse reads, as the server counts them. Compared with the 10 tenants, turn by
//! turn.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use kingcong_core::{
    KingCong, Request, Settings,
    access::{RoleName, Scope},
    clock::Timestamp,
    id::{Actor, AuditId, KeyId, Route, TenantId},
    keys::{Key, KeyStatus, Level, Limit, Verdict},
    store::{AddKey, AdminAnswer, AuditOutcome, Command, NewAudit, Outcome, Stop, StopWhy, Store as _},
    switch::Switch,
    vault::{Envelope, Fingerprint, SecretVersion},
};
use kingcong_sqlx::SqlStore;
use sqlx::{AssertSqlSafe, Executor as _, PgConnection, Row as _};

use crate::{
    figure::{Figure, Unit, median},
    idle,
    ledger::Writer,
    sql::{Database, Place},
    stage::{self, Ids, Planner},
};

const TENANTS: usize = 1_000;
const TENANTS_OF_THE_OTHER: usize = 10;
const KEYS_OF_A_TENANT: usize = 10;
const SAMPLES: usize = 400;
const BATCH_COMMANDS: usize = 250;
const USER: &str = "user";

pub(crate) fn measure(mut place: Place) -> Result<Vec<Figure>> {
    stage::on_all_cores(async {
        let mut counter = match place {
            Place::Postgres(_) => Some(idle::counting(&mut place).await?),
            Place::Files | Place::MariaDb(_) => None,
        };
        let mut many = Crowd::open(place.fresh()?, TENANTS).await?;
        let mut few = Crowd::open(place.fresh()?, TENANTS_OF_THE_OTHER).await?;
        let mut times = [const { Vec::new() }; 4];
        for _ in 0..SAMPLES {
            for (crowd, place) in [(&mut many, 0), (&mut few, 2)] {
                times[place].push(crowd.pulse().await?);
                crowd.change_a_key().await?;
                times[place + 1].push(crowd.pulse().await?);
            }
        }
        let [many_idle, many_changed, few_idle, few_changed] = times.map(median);
        let mut figures = Vec::new();
        let mut figure = |what: &str, unit, many, few| {
            let name = format!("keys/tenants={TENANTS}/{}/{what}", place.as_str());
            figures.push(Figure::new(name, many, unit, "the same with 10 tenants", few));
        };
        figure("pulse", Unit::Ns, many_idle, few_idle);
        figure("change", Unit::Ns, many_changed, few_changed);
        if let Some(counter) = &mut counter {
            figure("pages", Unit::Pages, many.pages(counter).await?, few.pages(counter).await?);
        }
        many.kc.close().await;
        few.kc.close().await;
        Ok(figures)
    })
}

/// A process that knows the keys of many tenants, and another one that changes them.
struct Crowd {
    database: Database,
    kc: KingCong,
    writer: Writer,
    ids: Ids,
    keys: Vec<KeyId>,
    changes: usize,
}

impl Crowd {
    async fn open(database: Database, tenants: usize) -> Result<Self> {
        let store = SqlStore::connect(&database.url).await?;
        let hour = Duration::from_secs(3_600);
        // Nothing happens by itself.
        let settings = Settings {
            pulse_interval: hour / 2,
            dead_after: hour,
            monitor_interval: hour,
            ..Settings::default()
        };
        let kc = KingCong::builder()
            .store(store.clone())
            .settings(settings)
            .preset(stage::preset(100, 0)?)
            .master_key(stage::master_key())
            .start()
            .await?;
        stage::make_rich(&kc, USER).await?;
        let mut ids = Ids::after(u128::MAX / 2);
        let writer = Writer::register(store.clone(), &mut ids).await?;
        let mut crowd = Self { database, kc, writer, ids, keys: Vec::new(), changes: 0 };
        let configuration = store.configuration(None).await?.context("it was configured")?;
        let route = stage::route("ai33")?;
        let server = configuration.system.servers.get(&route.server).context("it was configured")?;
        let origin = server.base_url.origin();
        let mut adds = Vec::new();
        for number in 0..tenants * KEYS_OF_A_TENANT {
            let tenant = TenantId::new(format!("tenant-{}", number / KEYS_OF_A_TENANT))?;
            let key = key(KeyId::from_uuid(crowd.ids.next()), &route, tenant);
            let limits = stage::limits(10, 10);
            let id = Limit::id_of_key(key.id);
            let limit = Limit::new(id, Level::Key, limits.max_in_flight, limits.per_minute);
            crowd.keys.push(key.id);
            let add = AddKey { key, origin: origin.clone(), limit, account_limits: None };
            adds.push(Command::admin(crowd.audit()?, add));
        }
        for adds in adds.chunks(BATCH_COMMANDS) {
            for outcome in crowd.writer.write(adds.to_vec()).await? {
                ensure!(matches!(outcome, Outcome::Admin(AdminAnswer::AddKey(Ok(_)))), "{outcome:?}");
            }
        }
        crowd.use_queues(&Planner::new(configuration, [route].into())).await?;
        crowd.kc.pulse().await?;
        Ok(crowd)
    }

    fn audit(&mut self) -> Result<NewAudit> {
        Ok(NewAudit {
            id: AuditId::from_uuid(self.ids.next()),
            tenant: None,
            actor: Actor::new("bench")?,
            role: RoleName::Operator,
            door: "keys.add",
            target: None,
            outcome: AuditOutcome::Done,
            detail: "{}".into(),
        })
    }

    /// Work for one key of each tenant, which is cancelled: its queue stays.
    async fn use_queues(&mut self, planner: &Planner) -> Result<()> {
        let request = Request::speech(USER, stage::text(10)).service(stage::SERVICE).voice(stage::VOICE);
        let request = request.check(TenantId::main())?;
        let firsts: Vec<KeyId> = self.keys.iter().copied().step_by(KEYS_OF_A_TENANT).collect();
        for keys in firsts.chunks(BATCH_COMMANDS / 2) {
            let mut commands = Vec::new();
            for key in keys {
                let mut admission = planner.admission(&request, &mut self.ids)?;
                let Command::Admit(admit) = &mut admission else { bail!("an admission is one") };
                admit.only_key = Some(*key);
                let stop = Stop { scope: Scope::All, job: admit.job, why: StopWhy::Cancelled };
                commands.push((admission, Command::Stop(stop)));
            }
            let (admissions, stops) = commands.into_iter().unzip();
            for outcome in self.writer.write(admissions).await? {
                ensure!(matches!(outcome, Outcome::Admit(Ok(_))), "{outcome:?}");
            }
            self.writer.write(stops).await?;
        }
        Ok(())
    }

    /// How long a pulse takes, in nanoseconds.
    async fn pulse(&self) -> Result<f64> {
        let started = Instant::now();
        self.kc.pulse().await?;
        Ok(started.elapsed().as_secs_f64() * 1e9)
    }

    /// Finds that a key does not work, and the next time that it does.
    async fn change_a_key(&mut self) -> Result<()> {
        let place = self.changes / 2 * 7 % self.keys.len();
        let key = *self.keys.get(place).context("there are keys")?;
        let verdict = match self.changes % 2 {
            0 => Verdict::Dead { reason: "refused".to_owned() },
            _ => Verdict::Alive(None),
        };
        self.changes += 1;
        let outcomes = self.writer.write(vec![Command::CheckKey { key, verdict }]).await?;
        ensure!(matches!(outcomes[..], [Outcome::Key(Ok(_))]), "{outcomes:?}");
        Ok(())
    }

    /// How many pages a pulse reads that finds a changed key.
    async fn pages(&mut self, counter: &mut PgConnection) -> Result<f64> {
        self.change_a_key().await?;
        let before = pages_of(counter, &self.database).await?;
        self.kc.pulse().await?;
        Ok((pages_of(counter, &self.database).await? - before) as f64)
    }
}

fn key(id: KeyId, route: &Route, tenant: TenantId) -> Key {
    let mut fingerprint = [0; 32];
    fingerprint[..16].copy_from_slice(id.as_uuid().as_bytes());
    Key {
        id,
        route: route.clone(),
        tenant,
        label: "a key".into(),
        mask: "sk-a…z".into(),
        fingerprint: Fingerprint::from_bytes(fingerprint),
        secret_version: SecretVersion::FIRST,
        envelope: Some(Envelope::from_bytes(vec![7; 100])),
        account: None,
        switch: Switch::On,
        status: KeyStatus::Active,
        balance: None,
        checked_at: None,
        last_used: None,
        created_at: Timestamp::EPOCH,
    }
}

/// The pages that all statements of a database have read, from memory or from the disk.
async fn pages_of(counter: &mut PgConnection, database: &Database) -> Result<i64> {
    let name = database.url.rsplit('/').next().context("the URL names a database")?;
    let sql = format!(
        "SELECT coalesce(sum(shared_blks_hit + shared_blks_read), 0)::bigint FROM pg_stat_statements s \
         JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = '{name}'"
    );
    Ok(counter.fetch_one(sqlx::raw_sql(AssertSqlSafe(sql))).await?.try_get(0)?)
}
