//! A cluster of two MariaDB Galera nodes: none is written to before somebody has said that one alone is; then the work
//! of several processes goes through that one, and the other has it all.

use kingcong_core::{
    NewKey,
    access::Scope,
    engine::verify,
    keys::Limits,
    store::{JobReads as _, Store as _},
    vault::{KeyBytes, StaticMasterKey},
    work::JobState,
};
use kingcong_servers::Server;
use kingcong_sqlx::{ConnectError, SqlStore};
use kingcong_tests::upstreams::{Pace, Upstreams};
use sqlx::{Connection as _, Executor as _, MySqlConnection};

use crate::outage::{USER, open, request};

/// Jobs of each process; each has four tasks.
const JOBS: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn of_a_cluster_of_galera_one_node_is_written_to_and_every_node_is_sound() {
    let [first, second] = tokio::task::block_in_place(|| Server::galera().unwrap());
    let on_first = first.fresh_database().unwrap();
    let on_second = second.same_database(&on_first).unwrap();
    for node in [&on_first, &on_second] {
        for url in [node.clone(), format!("{node}?galera=two-writers")] {
            let refused = SqlStore::connect(&url).await.unwrap_err();
            assert!(matches!(refused, ConnectError::SeveralWriters), "{refused:?}");
            assert!(refused.to_string().contains("galera=one-writer"), "{refused}");
        }
    }

    let upstreams = Upstreams::start().await.unwrap();
    let writer = format!("{on_first}?galera=one-writer");
    let processes = [open(&writer, &upstreams).await.0, open(&writer, &upstreams).await.0];
    for name in ["ai33", "ai84"] {
        let server = upstreams.server(name).unwrap();
        server.set_pace(Pace::Polls(0));
        for secret in server.secrets() {
            let key = NewKey::shared(name, "elevenlabs", secret).limits(Limits::new(1000, 100_000).unwrap());
            processes[0].keys().add(key).await.unwrap();
        }
    }
    processes[0].wallets().purchase(USER, "package-1", "order-1").await.unwrap();
    let mut jobs = Vec::new();
    for number in 0..JOBS {
        for (process, kc) in processes.iter().enumerate() {
            jobs.push(kc.submit(request(&format!("job {number} of {process}"))).await.unwrap());
        }
    }
    for job in &jobs {
        assert_eq!(job.wait().await.unwrap().job.state, JobState::Completed);
    }
    let made: Vec<u64> = upstreams.servers().iter().flat_map(|server| server.made().into_values()).collect();
    assert_eq!(made, [1; 2 * 4 * JOBS], "every text was made once");
    let found = processes[0].verify().await.unwrap();
    assert!(found.is_sound(), "{:?}", found.discrepancies);
    for kc in &processes {
        kc.close().await;
    }

    // Of what was written before, everything is there once the node has answered this.
    let mut connection = MySqlConnection::connect(&on_second).await.unwrap();
    connection.execute("SET SESSION wsrep_sync_wait = 1").await.unwrap();
    connection.execute("SELECT COUNT(*) FROM kingcong_transactions").await.unwrap();
    let store = SqlStore::connect(&format!("{on_second}?galera=one-writer")).await.unwrap();
    let master = StaticMasterKey::new(KeyBytes::new(&[7; 32]));
    let read = verify(&store, &master).await.unwrap();
    assert!(read.is_sound(), "{:?}", read.discrepancies);
    assert_eq!((read.wallets, read.jobs), (1, 2 * JOBS as u64));
    for job in &jobs {
        assert_eq!(store.job(&Scope::All, job.id()).await.unwrap().unwrap().job.state, JobState::Completed);
    }
    store.close().await;
}
