//! The store on real servers of its own: what holds on PostgreSQL and MariaDB alike.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use kingcong_core::{
    access::Scope,
    clock::Clock,
    keys::Verdict,
    money::Amount,
    store::{
        AdminAnswer, ChangedKeys, Command, JobFilter, JobReads, KeyReads, Outcome, PAGE_MAX, Store,
        StoreErrorKind, Then, WalletReads, Written, conformance, verify_rows,
    },
    work::JobState,
};
use kingcong_servers::Server;
use kingcong_sqlx::{ConnectError, Options, SqlStore};

use crate::{
    databases::{count_beside, hold_beside, run_beside},
    life::live_through_a_job,
    several::Several,
    world::{Ids, Writer, admit, claim, claimed, done, furnish, purchase, route, settle, wallet},
};

/// How many processes the laws are checked with.
const PROCESSES: usize = 4;

/// A server with a database whose tables are made, to copy for each law.
struct Furnished<'a> {
    server: &'a Server,
    made: String,
}

impl<'a> Furnished<'a> {
    async fn on(server: &'a Server) -> Self {
        let made = server.fresh_database().unwrap();
        SqlStore::connect(&made).await.unwrap().close().await;
        Self { server, made }
    }

    fn database(&self) -> String {
        self.server.copied_database(&self.made).unwrap()
    }
}

async fn open(url: &str, clock: Arc<dyn Clock>) -> Arc<dyn Store> {
    let mut options = Options::default();
    options.clock = Some(clock);
    Arc::new(SqlStore::connect_with(url, options).await.unwrap())
}

async fn every_law_is_kept_by_several_processes_on_one_database(server: &Server) {
    let furnished = Furnished::on(server).await;
    conformance::all(|clock| {
        let url = furnished.database();
        async move {
            let mut stores = Vec::new();
            for _ in 0..PROCESSES {
                stores.push(open(&url, Arc::clone(&clock)).await);
            }
            Arc::new(Several(stores)) as Arc<dyn Store>
        }
    })
    .await;
}

async fn a_job_lives_through_on_the_servers_own_time(server: &Server) {
    live_through_a_job(&SqlStore::connect(&server.fresh_database().unwrap()).await.unwrap()).await;
}

async fn of_many_that_start_at_once_one_makes_the_tables(server: &Server) {
    let url = server.fresh_database().unwrap();
    for opened in join_all((0..10).map(|_| SqlStore::connect(&url))).await {
        let store = opened.unwrap();
        assert_eq!(store.pulse().await.unwrap().configuration_version, 0);
        store.close().await;
    }

    run_beside(&url, &["UPDATE kingcong_schema SET version = version + 98"]).await;
    let found = count_beside(&url, "SELECT version FROM kingcong_schema").await;
    let refused = SqlStore::connect(&url).await.unwrap_err();
    assert!(matches!(refused, ConnectError::NewerTables { found: newer, .. } if newer == found), "{refused}");
}

/// On a server of its own.
async fn no_purchase_is_lost_or_doubled_by_a_kill(mut server: Server) {
    const PURCHASES: u32 = 200;
    let store = SqlStore::connect(&server.fresh_database().unwrap()).await.unwrap();
    let mut ids = Ids::default();
    let mut writer = furnish(&store, &mut ids, 1, 0).await;
    let buying = tokio::spawn({
        let store = store.clone();
        async move {
            let mut failures = 0;
            for _ in 0..PURCHASES {
                let batch = writer.batch(vec![purchase(&mut ids, 1, 10, None)]);
                loop {
                    match store.write(&batch).await {
                        Ok(Written::Now { outcomes, .. }) => {
                            assert!(
                                matches!(outcomes[..], [Outcome::Admin(AdminAnswer::Credit(Ok(_)))]),
                                "{outcomes:?}"
                            );
                            break;
                        }
                        Ok(Written::Before) => break,
                        Ok(Written::Fenced) => panic!("nobody buries it"),
                        Err(error) => {
                            assert!(error.is_retryable(), "{error:?}");
                            failures += 1;
                            tokio::task::yield_now().await;
                        }
                    }
                }
            }
            failures
        }
    });
    while store.wallet(&wallet(1)).await.ok().flatten().is_none_or(|it| it.last_entry < 20) {
        tokio::task::yield_now().await;
    }
    server.kill().unwrap();
    server.restart().unwrap();
    assert!(buying.await.unwrap() > 0, "the kill was not noticed");
    let purse = store.wallet(&wallet(1)).await.unwrap().unwrap();
    assert_eq!(purse.balance, Amount::new(i64::from(PURCHASES) * 10));
    assert_eq!(purse.last_entry, u64::from(PURCHASES));
    conformance::recount(&store).await;
}

/// Admits, claims and settles by turns, everything that is due in one batch, until nothing waits.
async fn work_off(store: Arc<dyn Store>, process: u32, jobs: u32) {
    let mut ids = Ids::of_process(process);
    let mut writer = Writer::register(&*store, &mut ids).await;
    let (mut admitted, mut idle) = (0, 0);
    let mut due = Vec::new();
    while admitted < jobs || idle < 5 {
        if admitted < jobs {
            admitted += 1;
            let order = admit(&mut ids, (process + admitted) % 3, &["một", "hai", "ba"], None);
            due.push(Command::Admit(Box::new(order)));
        }
        due.extend(["ai33", "ai84"].map(|server| claim(&mut ids, &route(server), 4)));
        let batch = writer.batch(std::mem::take(&mut due));
        let outcomes = loop {
            match store.write(&batch).await {
                Ok(Written::Now { outcomes, .. }) => break outcomes,
                Err(error) if error.is_retryable() => {
                    tokio::task::yield_now().await;
                }
                other => panic!("{other:?}"),
            }
        };
        for outcome in outcomes {
            match outcome {
                Outcome::Claim(claimed) => {
                    due.extend(claimed.leases.iter().map(|lease| settle(lease, done(10))))
                }
                Outcome::Admit(Ok(_)) | Outcome::Settle(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
        idle = if due.is_empty() { idle + 1 } else { 0 };
    }
}

async fn processes_that_share_every_row_work_off_one_queue(server: &Server) {
    const JOBS: u32 = 50;
    let url = server.fresh_database().unwrap();
    let store = SqlStore::connect(&url).await.unwrap();
    furnish(&store, &mut Ids::default(), 3, 3).await;
    let working = (1..).take(PROCESSES).map(|process| {
        let url = url.clone();
        tokio::spawn(async move {
            let store: Arc<dyn Store> = Arc::new(SqlStore::connect(&url).await.unwrap());
            work_off(store, process, JOBS).await;
        })
    });
    for worked in join_all(working).await {
        worked.unwrap();
    }
    conformance::recount(&store).await;
    let open = JobFilter { state: Some(JobState::Open), limit: 10, ..Default::default() };
    assert_eq!(store.jobs(&Scope::All, &open).await.unwrap(), []);
    let completed = JobFilter { state: Some(JobState::Completed), limit: 1000, ..Default::default() };
    assert_eq!(store.jobs(&Scope::All, &completed).await.unwrap().len(), PROCESSES * JOBS as usize);
}

/// A batch that needs what another transaction has locked waits so long and no longer, and does then what it was asked.
async fn rows_that_stay_locked_are_waited_for_and_then_told(server: &Server) {
    let url = server.fresh_database().unwrap();
    let mut options = Options::default();
    options.write_wait_max = Duration::from_secs(1);
    let store = SqlStore::connect_with(&url, options).await.unwrap();
    let mut ids = Ids::default();
    let mut writer = furnish(&store, &mut ids, 1, 2).await;
    let held = hold_beside(&url, "SELECT id FROM kingcong_credits FOR UPDATE").await;
    let batch = writer.batch(vec![purchase(&mut ids, 1, 10, None)]);
    let waited = store.write(&batch).await.unwrap_err();
    assert_eq!(waited.kind, StoreErrorKind::Unavailable, "{waited:?}");
    assert!(waited.message.contains("locked"), "{waited}");
    assert_eq!(store.wallet(&wallet(1)).await.unwrap().unwrap().last_entry, 1, "reads wait for nobody");

    held.end().await;
    assert!(matches!(store.write(&batch).await, Ok(Written::Now { .. })));
    assert_eq!(store.wallet(&wallet(1)).await.unwrap().unwrap().last_entry, 2);
}

/// A claim waits for no task that another transaction has locked, and takes the queue for empty only when it is.
async fn a_claim_waits_for_nobodys_tasks(server: &Server) {
    let url = server.fresh_database().unwrap();
    let store = SqlStore::connect(&url).await.unwrap();
    let mut ids = Ids::default();
    let mut writer = furnish(&store, &mut ids, 2, 2).await;
    let order = admit(&mut ids, 1, &["one", "two", "three"], None);
    writer.write(&store, vec![Command::Admit(Box::new(order))]).await;
    let waiting = "SELECT COUNT(*) FROM kingcong_tasks WHERE assigned_to = 'ai33'";
    let waiting = usize::try_from(count_beside(&url, waiting).await).unwrap();
    assert!(waiting > 1);

    let held = hold_beside(&url, "SELECT id FROM kingcong_tasks FOR UPDATE").await;
    let none = claimed(writer.write(&store, vec![claim(&mut ids, &route("ai33"), 2)]).await);
    assert!(none.leases.is_empty() && matches!(none.then, Then::At(_)), "{none:?}");
    held.end().await;
    let all = claimed(writer.write(&store, vec![claim(&mut ids, &route("ai33"), 3)]).await);
    assert_eq!((all.leases.len(), all.then), (waiting, Then::Empty));
}

/// Whoever knows a revision has heard of all before it: a later change is not committed while an earlier one is not.
async fn changes_of_keys_become_visible_in_the_order_of_their_revisions(server: &Server) {
    let url = server.fresh_database().unwrap();
    let mut options = Options::default();
    options.write_wait_max = Duration::from_secs(1);
    let store = SqlStore::connect_with(&url, options).await.unwrap();
    let mut ids = Ids::default();
    let mut writer = furnish(&store, &mut ids, 1, 0).await;
    let known = store.changed_keys(0).await.unwrap();
    let [one, other] = &known.keys[..] else { panic!("{known:?}") };
    let earlier = format!(
        "UPDATE kingcong_key_changes SET revision = revision + 1; UPDATE kingcong_api_keys \
         SET label = 'earlier', revision = (SELECT revision FROM kingcong_key_changes) WHERE server = '{}'",
        one.route.server
    );

    let held = hold_beside(&url, &earlier).await;
    let verdict = Verdict::Dead { reason: "refused".to_owned() };
    let later = writer.batch(vec![Command::CheckKey { key: other.id, verdict }]);
    let waited = store.write(&later).await.unwrap_err();
    assert_eq!(waited.kind, StoreErrorKind::Unavailable, "{waited:?}");
    let none = ChangedKeys { revision: known.revision, keys: Vec::new() };
    assert_eq!(store.changed_keys(known.revision).await.unwrap(), none, "neither is there");
    held.commit().await;

    let first = store.changed_keys(known.revision).await.unwrap();
    assert_eq!((first.revision, first.keys.len()), (known.revision + 1, 1));
    assert_eq!((first.keys[0].id, first.keys[0].label.as_str()), (one.id, "earlier"));
    assert!(matches!(store.write(&later).await, Ok(Written::Now { .. })));
    let second = store.changed_keys(first.revision).await.unwrap();
    assert_eq!((second.revision, second.keys.len()), (known.revision + 2, 1));
    assert_eq!(second.keys[0].id, other.id);
    conformance::recount(&store).await;
}

/// No unique rule keeps an entry from standing twice, at two instants: the books tell it, also at the end of a page.
async fn an_entry_that_stands_twice_is_found(server: &Server) {
    for number in [2, PAGE_MAX] {
        let url = server.fresh_database().unwrap();
        let store = SqlStore::connect(&url).await.unwrap();
        let mut ids = Ids::default();
        let mut writer = furnish(&store, &mut ids, 1, 1).await;
        for _ in 0..11 {
            let purchases = (0..100).map(|_| purchase(&mut ids, 1, 10, None)).collect();
            writer.write(&store, purchases).await;
        }
        conformance::recount(&store).await;
        let twice = format!(
            "INSERT INTO kingcong_transactions \
             (wallet, number, type, amount, balance_after, debt_change, debt_after, reference, user_id, created_at) \
             SELECT wallet, number, type, amount, balance_after, debt_change, debt_after, reference, user_id, \
             created_at + 1 FROM kingcong_transactions WHERE number = {number}"
        );
        run_beside(&url, &[&twice]).await;
        assert!(!verify_rows(&store).await.unwrap().is_sound(), "entry {number}");
    }
}

macro_rules! on_each_server {
    ($($rule:ident)*) => {
        #[cfg(feature = "mysql")]
        mod on_mariadb {
            #[tokio::test(flavor = "multi_thread")]
            async fn a_server_that_is_killed_loses_and_doubles_no_purchase() {
                super::no_purchase_is_lost_or_doubled_by_a_kill(super::Server::mariadb().unwrap()).await;
            }

            $(#[tokio::test(flavor = "multi_thread")]
            async fn $rule() {
                super::$rule(crate::databases::mariadb()).await;
            })*
        }

        #[cfg(feature = "postgres")]
        mod on_postgresql {
            #[tokio::test(flavor = "multi_thread")]
            async fn a_server_that_is_killed_loses_and_doubles_no_purchase() {
                super::no_purchase_is_lost_or_doubled_by_a_kill(super::Server::postgres().unwrap()).await;
            }

            $(#[tokio::test(flavor = "multi_thread")]
            async fn $rule() {
                super::$rule(crate::databases::postgres()).await;
            })*
        }
    };
}

on_each_server! {
    every_law_is_kept_by_several_processes_on_one_database
    a_job_lives_through_on_the_servers_own_time
    of_many_that_start_at_once_one_makes_the_tables
    processes_that_share_every_row_work_off_one_queue
    rows_that_stay_locked_are_waited_for_and_then_told
    a_claim_waits_for_nobodys_tasks
    changes_of_keys_become_visible_in_the_order_of_their_revisions
    an_entry_that_stands_twice_is_found
}
