//! Archiving leaves a store that still explains every balance, and files that have everything that left it.

use std::{collections::BTreeSet, fs, path::Path, process, sync::Arc, time::Duration};

use kingcong_core::{
    access::Scope,
    clock::{Clock as _, Timestamp},
    ledger::Entry,
    store::{AttemptFilter, Command, JobReads, PAGE_MAX, Store, StoreErrorKind, WalletReads, conformance},
    work::Attempt,
};
use kingcong_sqlx::{Archived, Options, SqlStore};
use serde_json::Value;

use crate::{
    databases::on_every_database,
    world::{
        Ids, StandingClock, Writer, admit, claim, claimed, done, furnish, purchase, route, settle, wallet,
    },
};

/// The command.
const PROGRAM: &str = env!("CARGO_BIN_EXE_kingcong-archive");
/// Longer than the ids of the test, which have a time in them, are behind its clock.
const LONG: Duration = Duration::from_secs(800 * 24 * 3600);

async fn open(url: &str, clock: &Arc<StandingClock>) -> SqlStore {
    let mut options = Options::default();
    options.clock = Some(Arc::<StandingClock>::clone(clock));
    SqlStore::connect_with(url, options).await.unwrap()
}

/// A job of two tasks that is done and charged.
async fn live(store: &SqlStore, writer: &mut Writer, ids: &mut Ids) {
    let order = admit(ids, 1, &["Xin chào", "你好"], None);
    writer.write(store, vec![Command::Admit(Box::new(order))]).await;
    for server in ["ai33", "ai84"] {
        let outcomes = writer.write(store, vec![claim(ids, &route(server), 8)]).await;
        let results = claimed(outcomes).leases.iter().map(|lease| settle(lease, done(10))).collect();
        writer.write(store, results).await;
    }
}

async fn entries(store: &SqlStore) -> Vec<Entry> {
    let wallet = store.wallet(&wallet(1)).await.unwrap().unwrap();
    store.entries(wallet.id, None, PAGE_MAX).await.unwrap()
}

async fn attempts(store: &SqlStore) -> Vec<Attempt> {
    store.attempts(&Scope::All, &AttemptFilter { limit: PAGE_MAX, ..AttemptFilter::default() }).await.unwrap()
}

/// Whether nobody but its owner may do anything with a file.
#[cfg(unix)]
fn is_private(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(file).unwrap().permissions().mode() & 0o077 == 0
}

#[cfg(unix)]
#[tokio::test]
async fn files_that_are_made_are_their_owners_alone() {
    let (clock, folder) = (StandingClock::new(), tempfile::tempdir().unwrap());
    let database = folder.path().join("kingcong.db");
    let store = open(&format!("sqlite://{}", database.display()), &clock).await;
    let mut ids = Ids::default();
    furnish(&store, &mut ids, 1, 1).await;
    store.backup(folder.path().join("copy.db")).await.unwrap();
    let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() >= 4, "the database, what SQLite and we keep beside it, and the copy: {files:?}");
    for file in files {
        assert!(is_private(&file), "{}", file.display());
    }
    // Rights that somebody gave are kept.
    store.close().await;
    fs::set_permissions(&database, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    open(&format!("sqlite://{}", database.display()), &clock).await.close().await;
    assert!(!is_private(&database));
}

/// The rows of a table in a folder's files, by one of their columns.
fn archived(folder: &Path, table: &str, column: &str) -> BTreeSet<String> {
    let files = fs::read_dir(folder).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let lines: Vec<String> =
        files.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    let rows = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.filter(|row| row["table"] == table).map(|row| row[column].to_string()).collect()
}

fn instant_of(entry: &Entry) -> String {
    format!("{}", entry.number)
}

/// A store with two jobs and an open one before the instant that comes back, and a job after it.
async fn history(store: &SqlStore, clock: &StandingClock, ids: &mut Ids) -> (Writer, Timestamp) {
    let mut writer = furnish(store, ids, 2, 2).await;
    live(store, &mut writer, ids).await;
    live(store, &mut writer, ids).await;
    let waits = admit(ids, 1, &["nobody claims this"], None);
    writer.write(store, vec![Command::Admit(Box::new(waits))]).await;
    writer.write(store, vec![claim(ids, &route("ai33"), 1), claim(ids, &route("ai84"), 1)]).await;
    clock.advance(LONG);
    let before = clock.now();
    live(store, &mut writer, ids).await;
    (writer, before)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ended_long_ago_leaves_for_a_file_and_the_books_stay_sound() {
    on_every_database(async |url| {
        let (clock, folder) = (StandingClock::new(), tempfile::tempdir().unwrap());
        let store = open(url, &clock).await;
        let mut ids = Ids::default();
        let (mut writer, before) = history(&store, &clock, &mut ids).await;
        let (all_entries, all_attempts) = (entries(&store).await, attempts(&store).await);
        let purse = store.wallet(&wallet(1)).await.unwrap();

        let first = store.archive(before, folder.path()).await.unwrap();
        // Another user has an entry of that time, a purchase.
        assert_eq!((first.attempts, first.entries), (4, 5 + 1), "{url}");
        conformance::recount(&store).await;
        assert_eq!(store.wallet(&wallet(1)).await.unwrap(), purse);
        let kept: Vec<Entry> = all_entries.iter().filter(|entry| entry.at >= before).cloned().collect();
        assert_eq!((kept.len(), entries(&store).await), (2, kept));
        let numbers: BTreeSet<String> = all_entries[2..].iter().map(instant_of).collect();
        assert_eq!(archived(folder.path(), "kingcong_transactions", "number"), numbers);
        let left = attempts(&store).await;
        assert_eq!(left.len(), all_attempts.len() - 4);
        assert!(left.iter().any(|attempt| attempt.leased_at < before), "of a job that is open");
        let gone = all_attempts.iter().filter(|attempt| !left.contains(attempt));
        let gone: BTreeSet<String> = gone.map(|attempt| format!("\"{}\"", attempt.id)).collect();
        assert_eq!(archived(folder.path(), "kingcong_attempts", "id"), gone);

        assert_eq!(store.archive(before, folder.path()).await.unwrap(), Archived::default());
        live(&store, &mut writer, &mut ids).await;
        writer.write(&store, vec![purchase(&mut ids, 1, 5, None)]).await;
        clock.advance(Duration::from_secs(1));
        let rest = store.archive(clock.now(), folder.path()).await.unwrap();
        assert_eq!((rest.attempts, rest.entries), (4, 2 + 3));
        assert_eq!(entries(&store).await, []);
        conformance::recount(&store).await;
        writer.write(&store, vec![purchase(&mut ids, 1, 5, None)]).await;
        conformance::recount(&store).await;
        let total = all_entries.len() + 3 + 1;
        let numbers = archived(folder.path(), "kingcong_transactions", "number");
        assert_eq!(numbers.len(), total - 1);
        assert_eq!(entries(&store).await[0].number, total as u64);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaves_before_it_is_in_a_file() {
    on_every_database(async |url| {
        let (clock, folder) = (StandingClock::new(), tempfile::tempdir().unwrap());
        let store = open(url, &clock).await;
        let (_, before) = history(&store, &clock, &mut Ids::default()).await;
        let found = (entries(&store).await, attempts(&store).await);
        let occupied = folder.path().join("occupied");
        fs::write(&occupied, "a file").unwrap();
        let refused = store.archive(before, &occupied).await.unwrap_err();
        assert_eq!(refused.kind, StoreErrorKind::Unusable);
        assert!(refused.message.contains("occupied"), "{refused}");
        assert_eq!((entries(&store).await, attempts(&store).await), found);
        conformance::recount(&store).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_archive_at_once_neither_loses_anything() {
    on_every_database(async |url| {
        let (clock, folder) = (StandingClock::new(), tempfile::tempdir().unwrap());
        let (one, other) = (open(url, &clock).await, open(url, &clock).await);
        let (_, before) = history(&one, &clock, &mut Ids::default()).await;
        let old: BTreeSet<String> =
            entries(&one).await.iter().filter(|entry| entry.at < before).map(instant_of).collect();
        let (first, second) =
            tokio::join!(one.archive(before, folder.path()), other.archive(before, folder.path()));
        for failed in [first, second].into_iter().filter_map(Result::err) {
            assert!(failed.is_retryable(), "{failed}");
        }
        one.archive(before, folder.path()).await.unwrap();
        assert_eq!(archived(folder.path(), "kingcong_transactions", "number"), old);
        assert!(entries(&one).await.iter().all(|entry| entry.at >= before));
        conformance::recount(&one).await;
    })
    .await;
}

#[test]
fn the_command_refuses_what_it_does_not_understand() {
    let run = |arguments: &[&str]| process::Command::new(PROGRAM).args(arguments).output().unwrap();
    for (arguments, told) in [
        (&["--databse", "x"][..], "no option \"--databse\""),
        (&["--database"], "--database needs a value"),
        (&["--keep-days", "30", "--to", "x"], "--database is missing"),
        (&["--database", "sqlite::memory:", "--to", "x"], "--keep-days is missing"),
        (&["--database", "sqlite::memory:", "--keep-days", "30"], "--to is missing"),
        (&["--database", "sqlite::memory:", "--keep-days", "0", "--to", "x"], "--keep-days 0 must be"),
        (&["--database", "sqlite::memory:", "--keep-days", "-1", "--to", "x"], "--keep-days -1 must be"),
    ] {
        let output = run(arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(error.contains(told) && error.lines().count() == 1, "{arguments:?}: {error}");
    }
    let nowhere = run(&["--database", "oracle://x", "--keep-days", "1", "--to", "x"]);
    assert_eq!(nowhere.status.code(), Some(1));
    let nothing = run(&["--database", "sqlite::memory:", "--keep-days", "1", "--to", "x"]);
    assert!(nothing.status.success() && String::from_utf8(nothing.stdout).unwrap().contains("nothing"));
    assert!(run(&["--help"]).status.success());
}
