//! `growth`: whether claiming and settling get slower as what has ended piles up in the tables.
//!
//! One job of one task at a time is admitted, claimed and settled on PostgreSQL, each in a batch of its own, with
//! 10,000 finished jobs in the tables, with ten and a hundred times as many, and at last with a report open that began
//! before and sees everything as it was. Measured is the median of what the store takes for the claim and for the
//! settlement, to the flushed commit. Compared with the first.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use kingcong_core::{
    KingCong, Request, Settings,
    engine::Mode,
    id::TenantId,
    store::{Claimed, Command, Outcome, Store},
};
use kingcong_sqlx::SqlStore;

use crate::{
    figure::{Figure, Unit, median},
    ledger::{ROUTES, Writer, settlement},
    sql::{Database, Place, ServerByHand},
    stage::{self, Ids, Planner},
};

const FINISHED: [u64; 3] = [10_000, 100_000, 1_000_000];
const SAMPLES: usize = 400;
const KEYS: usize = 10;
const USER: &str = "user";

pub(crate) fn measure() -> Result<Vec<Figure>> {
    let place = Place::postgres()?;
    stage::on_all_cores(async {
        let mut scene = Scene::open(place.fresh()?).await?;
        let mut by_hand = scene.database.server_by_hand().await?;
        let mut measured = Vec::new();
        let mut finished = 0;
        for count in FINISHED {
            fill(&mut by_hand, finished..count).await?;
            finished = count;
            measured.push((format!("finished={count}"), scene.latencies().await?));
        }
        by_hand
            .tell("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT count(*) FROM kingcong_tasks")
            .await?;
        measured.push((format!("finished={finished}/report"), scene.latencies().await?));
        by_hand.tell("COMMIT").await?;
        scene.kc.close().await;

        let (_, (first_claim, first_settlement)) =
            measured.first().context("something was measured")?.clone();
        let against = "with 10,000 finished";
        let figures = measured.into_iter().skip(1).flat_map(|(name, (claim, settlement))| {
            [
                Figure::new(format!("growth/claim/{name}"), claim, Unit::Ns, against, first_claim),
                Figure::new(format!("growth/settle/{name}"), settlement, Unit::Ns, against, first_settlement),
            ]
        });
        Ok(figures.collect())
    })
}

struct Scene {
    database: Database,
    kc: KingCong,
    planner: Planner,
    writer: Writer,
    ids: Ids,
}

impl Scene {
    async fn open(database: Database) -> Result<Self> {
        let store = SqlStore::connect(&database.url).await?;
        let kc = KingCong::builder()
            .store(store.clone())
            .settings(Settings { mode: Mode::Client, ..Settings::default() })
            .preset(stage::preset(100, 0)?)
            .master_key(stage::master_key())
            .start()
            .await?;
        stage::add_keys(&kc, "ai33", KEYS, stage::limits(1_000_000, 1_000_000)).await?;
        stage::make_rich(&kc, USER).await?;
        let configuration = store.configuration(None).await?.context("it was configured")?;
        let planner = Planner::new(configuration, [stage::route("ai33")?].into());
        // After those of what has ended.
        let mut ids = Ids::after(u128::MAX / 2);
        let writer = Writer::register(store, &mut ids).await?;
        Ok(Self { database, kc, planner, writer, ids })
    }

    /// The medians of a claim and a settlement, in nanoseconds.
    async fn latencies(&mut self) -> Result<(f64, f64)> {
        let request = Request::speech(USER, stage::text(100)).service(stage::SERVICE).voice(stage::VOICE);
        let request = request.check(TenantId::main())?;
        let (mut claims, mut settlements) = (Vec::new(), Vec::new());
        for _ in 0..SAMPLES {
            let admission = self.planner.admission(&request, &mut self.ids)?;
            self.write(admission).await?;
            let pool = *self.planner.pools().first().context("there is a pool")?;
            let claim = self.planner.claim(pool, 1, &mut self.ids);
            let (time, outcome) = self.write(claim).await?;
            let Outcome::Claim(Claimed { leases, .. }) = outcome else { bail!("no claim's outcome") };
            claims.push(time.as_secs_f64() * 1e9);
            let (time, outcome) = self.write(settlement(leases.first().context("it was leased")?)).await?;
            ensure!(matches!(outcome, Outcome::Settle(Ok(_))), "it was not settled");
            settlements.push(time.as_secs_f64() * 1e9);
        }
        Ok((median(claims), median(settlements)))
    }

    async fn write(&mut self, command: Command) -> Result<(Duration, Outcome)> {
        let started = Instant::now();
        let outcomes = self.writer.write(vec![command]).await?;
        let outcome = outcomes.into_iter().next().context("a command has an outcome")?;
        Ok((started.elapsed(), outcome))
    }
}

/// Writes the rows of jobs that have ended, as if they had been done; and what PostgreSQL does by itself after a while.
async fn fill(by_hand: &mut ServerByHand, numbers: std::ops::Range<u64>) -> Result<()> {
    let series = format!("generate_series({}, {})", numbers.start + 1, numbers.end);
    let id = |kind: u32| format!("('{kind:08x}-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid");
    let [job, task, attempt, hold, wallet, key] = [1, 2, 3, 4, 5, 6].map(id);
    let now = "1795255200000000 + i";
    let routes = ROUTES;
    let text = stage::text(100);
    for statement in [
        format!(
            "INSERT INTO kingcong_jobs (id, tenant, user_id, operation, service, unit, wallet, hold, held, tasks, \
             total_den, created_at, state, open_tasks, failed_tasks, total_sum, total_overrun, charged, deadline, \
             finished_at, retries, archived_attempts) \
             SELECT {job}, 'main', 'user-' || i % 1000, 'speech', 'elevenlabs', 'credit', {wallet}, {hold}, 100, 1, \
             1, {now}, 'completed', 0, 0, '100', '0', 100, {now}, {now}, 0, 0 FROM {series} i"
        ),
        format!(
            "INSERT INTO kingcong_tasks (id, job, tenant, user_id, place, routes, quantities, weight, created_at, \
             state, planned, cause, reached, attempts, reached_before, attempts_before, tried, unfit_routes, doubt, \
             credits_cost, refunded, completed_at, input_data, status, assigned_to, service) \
             SELECT {task}, {job}, 'main', 'user-' || i % 1000, 0, '{routes}', '{{}}', 1, {now}, 'done', 0, 'planned', \
             1, 1, 0, 0, '', 1, 'none', 100, 0, {now}, '{{\"speech\":{{\"text\":\"{text}\"}}}}', 'completed', \
             'ai33', 'elevenlabs' FROM {series} i"
        ),
        format!(
            "INSERT INTO kingcong_attempts (id, task_id, job, tenant, user_id, operation, unit, lane, cause, server, \
             service, api_key_id, leased_at, doubt, state, ended_at, charged, over_hold, usage_check) \
             SELECT {attempt}, {task}, {job}, 'main', 'user-' || i % 1000, 'speech', 'credit', 'shared', 'planned', \
             'ai33', 'elevenlabs', {key}, {now}, \
             'none', 'done', {now}, 100, 0, 'within' FROM {series} i"
        ),
        format!(
            "INSERT INTO kingcong_holds (id, wallet, job, amount, opened_at, captured, closed_at, released) \
             SELECT {hold}, {wallet}, {job}, 100, {now}, 100, {now}, 0 FROM {series} i"
        ),
        format!(
            "INSERT INTO kingcong_transactions (wallet, number, type, amount, balance_after, debt_change, debt_after, \
             task_id, created_at) SELECT {wallet}, 1, 'usage', -100, 0, 0, 0, {task}, {now} FROM {series} i"
        ),
        format!(
            "INSERT INTO kingcong_outputs (task, made, bytes, body) \
             SELECT {task}, '{{}}', 5, 'audio' FROM {series} i"
        ),
        "VACUUM ANALYZE".to_owned(),
        "CHECKPOINT".to_owned(),
    ] {
        by_hand.tell(&statement).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_by_hand_fit_the_tables() {
        let place = Place::postgres().unwrap();
        let filled = stage::on_all_cores(async {
            let database = place.fresh()?;
            database.store().await?;
            fill(&mut database.server_by_hand().await?, 0..3).await
        });
        filled.unwrap();
    }
}
