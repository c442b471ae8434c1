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
  --database URL    such as sqlite://kingcong.db; what an earlier run left unfinished there is finished first (a fresh
                    file in the system's temporary folder)
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
    /// The database's file; the master key and the audio lie beside it.
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
        // The rest of a URL may hold a password: only its beginning is repeated.
        let scheme = database.split(':').next().unwrap_or_default();
        let file = database.strip_prefix("sqlite://").filter(|file| !file.is_empty());
        let file =
            file.with_context(|| format!("database {scheme:?}: write it as sqlite://kingcong.db"))?.into();
        let text = text.unwrap_or_else(crate::story::story);
        Ok(Some(Self { requests, text, database, file, faults, json, run }))
    }
}

fn read_text(path: &Path) -> Result<String> {
    let read = || -> Result<Text> { Ok(Text::from_bytes(&std::fs::read(path)?)?) };
    Ok(read().with_context(|| format!("text file {}", path.display()))?.as_str().to_owned())
}
