//! Moves what ended long ago out of a database into a file; see [`SqlStore::archive`].
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool talks to its terminal")]

use std::{env, error::Error, path::PathBuf, process::ExitCode, time::Duration};

use kingcong_core::store::Store as _;
use kingcong_sqlx::SqlStore;

const HELP: &str = "\
Moves attempts of jobs that ended long ago, and ledger entries that were made then, out of a database into a new file
of JSON lines. Work may go on meanwhile; an interrupted run is run again.

Usage: kingcong-archive --database URL --keep-days N --to FOLDER

  --database URL   sqlite://…, postgres://… or mysql://…, as this program was built with
  --keep-days N    what is younger than N days stays; at least 1
  --to FOLDER      where the file is made
";

const DAY: Duration = Duration::from_secs(24 * 3600);

struct Options {
    database: String,
    keep: Duration,
    folder: PathBuf,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let options = match read(arguments.into_iter()) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("kingcong-archive: {error}; try --help");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kingcong-archive: {error}");
            ExitCode::FAILURE
        }
    }
}

fn read(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let (mut database, mut days, mut folder) = (None, None, None);
    while let Some(option) = arguments.next() {
        let place = match option.as_str() {
            "--database" => &mut database,
            "--keep-days" => &mut days,
            "--to" => &mut folder,
            _ => return Err(format!("no option {option:?}")),
        };
        *place = Some(arguments.next().ok_or_else(|| format!("{option} needs a value"))?);
    }
    let days = days.ok_or("--keep-days is missing")?;
    let keep = days.parse().ok().filter(|days| *days >= 1).and_then(|days| DAY.checked_mul(days));
    Ok(Options {
        database: database.ok_or("--database is missing")?,
        keep: keep.ok_or_else(|| format!("--keep-days {days} must be a number of days, at least 1"))?,
        folder: folder.ok_or("--to is missing")?.into(),
    })
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = SqlStore::connect(&options.database).await?;
        let before = store.pulse().await?.now.minus(options.keep);
        let archived = store.archive(before, &options.folder).await;
        store.close().await;
        let archived = archived?;
        match archived.file {
            Some(file) => println!(
                "archived {} attempts and {} entries from before {before} into {}",
                archived.attempts,
                archived.entries,
                file.display()
            ),
            None => println!("nothing from before {before} is left to archive"),
        }
        Ok(())
    })
}
