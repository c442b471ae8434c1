//! The command line.

use std::{
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail, ensure};
use kingcong_core::work::Text;

pub(crate) const HELP: &str = "\
Speaks a long text over two upstream servers, simulated on this machine.

  --requests N      requests to make, of 10 tasks each: 1 to 100 (1); from 4 on, some tasks wait a minute for the
                    limits of AI84
  --text FILE       the text to speak, in UTF-8 (a Vietnamese story of 12,000 characters)
  --database URL    such as sqlite://kingcong.db, postgres://user:password@host/database or mysql://…; what an earlier
                    run left unfinished there is finished first (a fresh file in the system's temporary folder)
  --faults          a bad day: busy servers, dying keys, lost answers, and one server switched off half-way
  --json            print one JSON object and nothing else

Servers whose keys are in AI33_API_KEY or AI84_API_KEY (separated by commas) are the real ones.
";

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) requests: u32,
    pub(crate) text: String,
    pub(crate) database: String,
    /// The same without user and password, to be shown.
    pub(crate) place: String,
    /// The database's file, or one of its name in the current folder; the master key and the audio lie beside it.
    pub(crate) file: PathBuf,
    pub(crate) faults: bool,
    pub(crate) json: bool,
    /// A name for this run that no other has.
    pub(crate) run: String,
}

impl Options {
    /// Reads the command line; `None` when help is asked for.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let (mut requests, mut text, mut database, mut faults, mut json) = (1, None, None, false, false);
        while let Some(option) = arguments.next() {
            let mut value =
                || arguments.next().with_context(|| format!("{option} needs a value: see --help"));
            match option.as_str() {
                "--requests" => {
                    let value = value()?;
                    requests =
                        value.parse().with_context(|| format!("--requests {value:?}: give 1 to 100"))?;
                    ensure!((1..=100).contains(&requests), "--requests {value}: give 1 to 100");
                }
                "--text" => text = Some(read_text(Path::new(&value()?))?),
                "--database" => database = Some(value()?),
                "--faults" => faults = true,
                "--json" => json = true,
                "--help" | "-h" => return Ok(None),
                _ => bail!("there is no option {option:?}: see --help"),
            }
        }
        let micros = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
        let run = format!("quickstart-{micros}-{}", std::process::id());
        let database = match database {
            Some(url) => url,
            None => format!("sqlite://{}", std::env::temp_dir().join(&run).with_extension("db").display()),
        };
        let (place, file) = place_and_file(&database)?;
        let text = text.unwrap_or_else(crate::story::story);
        Ok(Some(Self { requests, text, database, place, file, faults, json, run }))
    }
}

/// A database's URL without user and password, and the file that others are named after.
fn place_and_file(database: &str) -> Result<(String, PathBuf)> {
    let (scheme, rest) = database.split_once("://").unwrap_or_default();
    let (place, file) = match scheme {
        "sqlite" => (database.to_owned(), rest),
        "postgres" | "postgresql" | "mysql" | "mariadb" => {
            let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
            let place = place.split('?').next().unwrap_or_default();
            let name = place.split_once('/').map_or("", |(_, name)| name);
            (format!("{scheme}://{place}"), name)
        }
        _ => ("".to_owned(), ""),
    };
    // The rest of a URL may hold a password: only its beginning is repeated.
    ensure!(
        !file.is_empty(),
        "database {:?}: write it as sqlite://kingcong.db, postgres://user:password@host/database or mysql://…",
        database.split(':').next().unwrap_or_default()
    );
    Ok((place, file.into()))
}

fn read_text(path: &Path) -> Result<String> {
    let read = || -> Result<Text> { Ok(Text::from_bytes(&std::fs::read(path)?)?) };
    Ok(read().with_context(|| format!("text file {}", path.display()))?.as_str().to_owned())
}
