//! The quickstart as its users start it: its words, its JSON, its audio, and what it says to bad input.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use kingcong_tests::upstreams::audio::{digest, texts_in_mp3};
use serde_json::Value;

/// Milliseconds of audio that the simulated servers make of a character.
const MS_PER_CHARACTER: u64 = 5;
/// Milliseconds of an MP3 frame: every task's audio ends with a whole one.
const FRAME_MS: u64 = 27;

/// A folder of its own, and the program to be run in it.
struct Quickstart {
    folder: tempfile::TempDir,
}

impl Quickstart {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        // Examples lie beside the folder of the tests.
        let tests = std::env::current_exe().unwrap();
        let program = tests.parent().unwrap().parent().unwrap().join("examples/quickstart");
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("TMPDIR", self.folder.path())
            .env_remove("AI33_API_KEY")
            .env_remove("AI84_API_KEY");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs it with `--json` and more; its one line of output.
    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[&["--json"], arguments].concat());
        assert!(output.status.success(), "{output:?}");
        assert_eq!(output.stderr, b"", "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        serde_json::from_str(&text).unwrap()
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// Checks what must hold of every run, whatever went wrong on the way.
fn check_sums(result: &Value, runs_before: u64) {
    let tasks = result["tasks"].as_array().unwrap();
    let sum = |field: &str| tasks.iter().map(|task| number(&task[field])).sum::<u64>();
    let credits = &result["credits"];
    let charged = number(&credits["charged"]);
    assert_eq!(charged, sum("credits"), "{result}");
    assert_eq!(number(&credits["held"]), charged + number(&credits["released"]), "{result}");
    assert_eq!(
        number(&credits["balance"]) + charged * (runs_before + 1),
        number(&credits["purchased"]),
        "{result}"
    );
    assert_eq!(result["violations"], 0, "{result}");
    assert_eq!(result["verified"], true, "{result}");
    for (place, task) in (1..).zip(tasks) {
        assert_eq!(task["task"], place);
        assert_eq!(task["service"], "elevenlabs");
        let paid = if task["state"] == "completed" { number(&task["characters"]) } else { 0 };
        assert_eq!(number(&task["credits"]), paid, "one credit a character, none for a failure: {task}");
    }
}

/// Checks that the file plays, for as long as so many characters are spoken in so many tasks.
fn check_audio(path: &Path, characters: u64, tasks: u64) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    let decoded = nanomp3::decode_all::<i16>(&bytes);
    let ms = decoded.samples.len() as u64 * 1000 / u64::from(decoded.sample_rate);
    let expected = characters * MS_PER_CHARACTER;
    assert!((expected..=expected + tasks * FRAME_MS).contains(&ms), "{ms} ms for {characters} characters");
    bytes
}

#[test]
fn ten_tasks_are_split_seven_to_three_and_joined_in_order_for_exactly_their_price() {
    let quickstart = Quickstart::new();
    let text: String =
        (1..=300).map(|number| format!("Câu thứ {number} của một câu chuyện dài.\n")).collect();
    fs::write(quickstart.path("story.txt"), &text).unwrap();
    let result = quickstart.json(&["--text", "story.txt"]);
    check_sums(&result, 0);

    let tasks = result["tasks"].as_array().unwrap();
    assert_eq!(tasks.len(), 10);
    assert_eq!(result["split"], serde_json::json!({ "ai33": 7, "ai84": 3 }));
    for server in ["ai33", "ai84"] {
        let count = tasks.iter().filter(|task| task["server"] == server).count() as u64;
        assert_eq!(number(&result["split"][server]), count);
    }
    for task in tasks {
        assert_eq!((&task["state"], &task["attempts"]), (&"completed".into(), &1.into()), "{task}");
        let key = task["key"].as_str().unwrap();
        assert!(key.contains('…') && key.chars().count() == 9, "masked: {key}");
    }
    let characters = text.chars().count() as u64;
    assert_eq!(number(&result["credits"]["charged"]), characters);
    assert_eq!(result["credits"]["purchased"], 1_000_000);
    assert_eq!(result["credits"]["released"], 0);

    let audio = check_audio(Path::new(result["audio"].as_str().unwrap()), characters, 10);
    let mut rest: Vec<char> = text.chars().collect();
    let pieces = tasks.iter().map(|task| {
        let piece: String = rest.drain(..usize::try_from(number(&task["characters"])).unwrap()).collect();
        digest(&piece)
    });
    let mut heard = texts_in_mp3(&audio);
    heard.dedup();
    assert_eq!(heard, pieces.collect::<Vec<_>>(), "the pieces of the text, in order");
    assert!(rest.is_empty());
}

#[test]
fn without_options_it_tells_what_happens_and_where_everything_is() {
    let quickstart = Quickstart::new();
    let output = quickstart.run(&[]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains('\x1b'), "plain lines where there is no terminal: {text}");
    assert_eq!(text.lines().filter(|line| line.contains("sent to ai")).count(), 10, "{text}");
    assert_eq!(text.lines().filter(|line| line.ends_with("completed")).count(), 10, "{text}");
    for line in ["split    ai33 7, ai84 3", "limits   exceeded 0 times, as the servers counted"] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    let told = |what: &str| text.lines().find_map(|line| line.strip_prefix(what)).unwrap().trim().to_owned();
    let database = told("database");
    assert!(Path::new(database.strip_prefix("sqlite://").unwrap()).starts_with(quickstart.folder.path()));
    let charged: u64 =
        told("credits").split(" held, ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!((11_000..13_000).contains(&charged), "{charged}");
    check_audio(Path::new(&told("audio")), charged, 10);
}

#[test]
fn fifty_tasks_wait_their_turn_and_break_no_limit() {
    // AI84 takes ten a minute of its two keys: five of its fifteen wait for the next window.
    let result = Quickstart::new().json(&["--requests", "5"]);
    check_sums(&result, 0);
    assert_eq!(result["tasks"].as_array().unwrap().len(), 50);
    assert_eq!(result["split"], serde_json::json!({ "ai33": 35, "ai84": 15 }));
}

#[test]
fn a_bad_day_ends_right() {
    let result = Quickstart::new().json(&["--faults"]);
    check_sums(&result, 0);
    let tasks = result["tasks"].as_array().unwrap();
    assert!(tasks.iter().any(|task| number(&task["attempts"]) > 1), "something went wrong: {result}");
    for task in tasks {
        assert!(task["state"] == "completed" || task["state"] == "failed", "{task}");
    }
}

#[test]
fn what_a_killed_run_left_is_finished_by_the_next() {
    let quickstart = Quickstart::new();
    let database = ["--database", "sqlite://kingcong.db"];
    let mut killed = quickstart.command(&database).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(killed.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("sent to")), "it got as far as sending");
    killed.kill().unwrap();
    killed.wait().unwrap();

    let next = quickstart.json(&database);
    assert_eq!(next["tasks"].as_array().unwrap().len(), 10, "its own");
    // The same text was charged for twice: once for the run that was killed, once for its own.
    check_sums(&next, 1);
}

/// Runs it on an empty database of a server.
fn check_on(url: &str) {
    let quickstart = Quickstart::new();
    let result = quickstart.json(&["--database", url]);
    check_sums(&result, 0);
    assert_eq!(result["split"], serde_json::json!({ "ai33": 7, "ai84": 3 }));
    let audio = quickstart.path(result["audio"].as_str().unwrap());
    check_audio(&audio, number(&result["credits"]["charged"]), 10);
}

#[test]
fn on_postgres_it_runs_as_on_sqlite() {
    let server = kingcong_servers::Server::postgres().unwrap();
    check_on(&server.fresh_database().unwrap());
}

#[test]
fn on_mariadb_it_runs_as_on_sqlite() {
    let server = kingcong_servers::Server::mariadb().unwrap();
    check_on(&server.fresh_database().unwrap().replacen("mariadb://", "mysql://", 1));
}

#[test]
fn bad_input_is_told_in_one_line() {
    let quickstart = Quickstart::new();
    fs::write(quickstart.path("empty.txt"), "").unwrap();
    fs::write(quickstart.path("invisible.txt"), " \u{200b}\n").unwrap();
    fs::write(quickstart.path("latin1.txt"), b"Ti\xeang Vi\xeat").unwrap();
    fs::write(quickstart.path("control.txt"), "a\u{7}b").unwrap();
    fs::write(quickstart.path("long.txt"), "dài ".repeat(250_001)).unwrap();
    for (arguments, said) in [
        (&["--requests", "0"][..], "--requests 0: give 1 to 100"),
        (&["--requests", "101"], "--requests 101: give 1 to 100"),
        (&["--requests", "many"], "--requests \"many\": give 1 to 100"),
        (&["--requests"], "--requests needs a value"),
        (&["--speed", "9"], "no option \"--speed\""),
        (&["--text", "absent.txt"], "text file absent.txt: No such file"),
        (&["--text", "empty.txt"], "text file empty.txt: the text is empty"),
        (&["--text", "invisible.txt"], "none of the text's 3 characters is visible"),
        (&["--text", "latin1.txt"], "not valid UTF-8 at byte 2"),
        (&["--text", "control.txt"], "control character '\\u{7}' at byte 1"),
        (&["--text", "long.txt"], "1000004 characters: send at most 1000000"),
        (&["--database", "oracle://me:hunter2@host/db"], "write it as sqlite://"),
        (&["--database", "postgres://me:hunter2@host"], "write it as sqlite://"),
        (&["--database", "postgres://me:hunter2@127.0.0.1:1/db"], "127.0.0.1:1"),
        (&["--database", "mysql://me:hunter2@127.0.0.1:1/db"], "127.0.0.1:1"),
        (&["--database", ""], "write it as sqlite://"),
        (&["--database", "sqlite://absent/k.db"], "let this process write in that directory"),
        (&["--database", "sqlite://control.txt"], "the file is no SQLite database"),
        (&["--database", "sqlite://."], "look at its path and rights"),
    ] {
        let output = quickstart.run(arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.starts_with("quickstart: ") && error.contains(said), "{arguments:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{arguments:?}: {error}");
        assert_eq!(output.stdout, b"", "{arguments:?}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
