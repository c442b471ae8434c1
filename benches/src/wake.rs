//! `wake/postgres`, `wake/mariadb`: how long it takes from a submit in one process until another one calls.
//!
//! One process submits a job of one task at a time, at random moments; the other works, and learns of the job by its
//! pulse alone. Compared with the time between two pulses.

use std::time::Duration;

use anyhow::Result;
use kingcong_core::{KingCong, Request, Settings, engine::Mode};

use crate::{
    figure::{Figure, Unit, percentile},
    process::{self, Calls, Orders, Process},
    sql::Place,
    stage, task,
};

const SAMPLES: usize = 100;

pub(crate) fn measure(place: &Place) -> Result<Vec<Figure>> {
    stage::on_all_cores(async {
        let database = place.fresh()?;
        let interval = Settings::default().pulse_interval;
        let kc = KingCong::builder()
            .store(database.store().await?)
            .preset(stage::preset(70, 30)?)
            .master_key(stage::master_key())
            .settings(Settings { mode: Mode::Client, ..Settings::default() })
            .start()
            .await?;
        task::furnish(&kc).await?;
        let orders = Orders { calls: Calls::Told, ..Orders::new(&database.url) };
        let processes = Process::start(1, &orders)?;
        let mut random = stage::Random::new(1);
        let mut waits = Vec::new();
        for user in task::users().iter().cycle().take(SAMPLES) {
            let request = Request::speech(user, stage::text(100)).service(stage::SERVICE).voice(stage::VOICE);
            let submitted = process::now();
            kc.submit(request).await?;
            let call = tokio::task::block_in_place(|| processes[0].next_call())?;
            waits.push(call.came.saturating_sub(submitted).as_secs_f64() * 1e9);
            let pause = random.below(u64::try_from(interval.as_millis())?);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        for process in processes {
            process.end()?;
        }
        kc.close().await;
        let figure = |percent| {
            let name = format!("wake/{}/p{percent}", place.as_str());
            let wait = percentile(waits.clone(), percent);
            Figure::new(name, wait, Unit::Ns, "the time between two pulses", interval.as_secs_f64() * 1e9)
        };
        Ok(vec![figure(50), figure(99)])
    })
}
