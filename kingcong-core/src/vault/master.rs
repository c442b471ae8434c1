//! Port: the master key, which wraps data keys and nothing else. A host with a KMS or an HSM implements
//! [`MasterKey`] and its key never enters this process; [`StaticMasterKey`] holds one read from the environment or
//! a file. It is never kept in the database.

use std::{
    env::VarError,
    error::Error,
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use super::{
    cipher::{KEY_BYTES, KeyBytes, NONCE_BYTES, decrypt, derive, encrypt, mac},
    context::DataKeyContext,
};
use crate::{
    id::Entropy,
    label::{InvalidLabel, Label},
};

/// Longest [`MasterKeyId`] in bytes: cloud key resource names fit.
pub const MASTER_KEY_ID_BYTES_MAX: usize = 512;
/// Longest wrapped data key in bytes: what cloud key services return fits.
pub const WRAPPED_BYTES_MAX: usize = 8192;
/// Longest file that [`StaticMasterKey::from_file`] reads, in bytes: the longest key and a line end fit.
pub const MASTER_KEY_FILE_BYTES_MAX: usize = 128;

/// What a data key is wrapped with, such as `local-6c1f0a9b2d3e4f50` or a cloud key's resource name. Not secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MasterKeyId(Label<MASTER_KEY_ID_BYTES_MAX>);

impl MasterKeyId {
    /// The id with this text.
    ///
    /// # Errors
    /// When it is no [`Label`] of at most [`MASTER_KEY_ID_BYTES_MAX`].
    pub fn new(text: impl Into<String>) -> Result<Self, MasterKeyError> {
        Ok(Self(Label::new("master key id", text)?))
    }

    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for MasterKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A data key as it is stored: encrypted by a master key.
#[derive(Clone, PartialEq, Eq)]
pub struct Wrapped {
    master_key: MasterKeyId,
    bytes: Vec<u8>,
}

impl Wrapped {
    /// The bytes that `master_key` made of a data key.
    ///
    /// # Errors
    /// When there are none, or more than [`WRAPPED_BYTES_MAX`].
    pub fn new(master_key: MasterKeyId, bytes: Vec<u8>) -> Result<Self, MasterKeyError> {
        if (1..=WRAPPED_BYTES_MAX).contains(&bytes.len()) {
            Ok(Self { master_key, bytes })
        } else {
            Err(MasterKeyError::WrappedLength { master_key, bytes: bytes.len() })
        }
    }

    /// The master key that wrapped it.
    #[must_use]
    pub const fn master_key(&self) -> &MasterKeyId {
        &self.master_key
    }

    /// The wrapped bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wrapped({} bytes by {})", self.bytes.len(), self.master_key)
    }
}

/// Port: the key that wraps data keys.
///
/// # Behavior
/// * `unwrap` gives back exactly what `wrap` was given, and only for the same context: a provider binds it as
///   associated data ([`DataKeyContext::associated_data`]) or as a key service's encryption context.
/// * `unwrap` of a key that an earlier master key wrapped either works or is [`MasterKeyError::WrongMasterKey`].
/// * A passing trouble, such as a key service out of reach, is [`MasterKeyError::Unavailable`] and may be tried
///   again; waits are bounded.
/// * No key appears in a message, error, trace or `Debug` output.
#[async_trait]
pub trait MasterKey: Send + Sync + fmt::Debug + 'static {
    /// The master key that new data keys are wrapped with.
    fn id(&self) -> MasterKeyId;

    /// Encrypts a data key.
    async fn wrap(&self, plain: &KeyBytes, context: &DataKeyContext) -> Result<Wrapped, MasterKeyError>;

    /// Decrypts a data key.
    async fn unwrap(&self, wrapped: &Wrapped, context: &DataKeyContext) -> Result<KeyBytes, MasterKeyError>;
}

const _: fn(&dyn MasterKey) = |_| {};

/// Why a master key could not be had, or did not wrap or unwrap.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MasterKeyError {
    /// The environment has no such variable.
    #[error("environment variable {variable} is not set: set it to what `openssl rand -base64 32` prints")]
    VariableMissing {
        /// The variable.
        variable: String,
    },
    /// The text is no key.
    #[error(
        "the master key in {place} is not a key: it must be 32 random bytes as 44 characters of base64 (what \
         `openssl rand -base64 32` prints) or 64 of hexadecimal"
    )]
    NotAKey {
        /// Where the text was found.
        place: String,
    },
    /// The file could not be read or written.
    #[error(
        "master key file {path} cannot be {action}: check that its directory exists and its owner runs this"
    )]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried: `read` or `created`.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Others than its owner may use the file.
    #[error(
        "master key file {path} is open to others than its owner (mode {mode:03o}): run `chmod 600` on it, and \
         replace the key if someone may have read it"
    )]
    FileOpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// An id that breaks its rule.
    #[error("{0}: give the name by which the key service knows the key")]
    InvalidId(#[from] InvalidLabel),
    /// Wrapped bytes of an impossible length.
    #[error(
        "master key {master_key} wrapped a data key into {bytes} bytes, and 1 to {WRAPPED_BYTES_MAX} can be \
         kept: check the master key provider"
    )]
    WrappedLength {
        /// The master key.
        master_key: MasterKeyId,
        /// The length in bytes.
        bytes: usize,
    },
    /// Another master key wrapped this data key.
    #[error(
        "{context} was wrapped by master key {wrapped_by}, and this is {this}: start with the master key that \
         this database was made with"
    )]
    WrongMasterKey {
        /// The data key.
        context: DataKeyContext,
        /// The master key that is needed.
        wrapped_by: MasterKeyId,
        /// The one that was asked.
        this: MasterKeyId,
    },
    /// The right master key, and yet the data key does not come out.
    #[error("{context} does not unwrap: its row was altered or moved; restore the row from a backup")]
    Damaged {
        /// The data key.
        context: DataKeyContext,
    },
    /// The provider cannot answer for now.
    #[error("the master key provider is out of reach: try again, and check its network and status")]
    Unavailable {
        /// What the provider said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The provider refuses.
    #[error("the master key provider refuses: check this service's rights on the key")]
    Refused {
        /// What the provider said.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// A master key held in this process.
///
/// Its id is a function of its bytes, so that a key that moves from the environment into a file stays the same key,
/// and a wrong one is recognised before anything is decrypted with it.
///
/// ```
/// use kingcong_core::vault::{MasterKey, StaticMasterKey};
///
/// let text = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="; // yours comes from `openssl rand -base64 32`
/// let key = StaticMasterKey::parse(text)?;
/// let same = StaticMasterKey::parse("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")?;
/// assert_eq!(key.id(), same.id());
/// assert!(StaticMasterKey::parse("correct horse battery staple").is_err());
/// # Ok::<(), kingcong_core::vault::MasterKeyError>(())
/// ```
#[derive(Debug)]
pub struct StaticMasterKey {
    key: KeyBytes,
    id: MasterKeyId,
}

/// Format of what [`StaticMasterKey`] wraps; the first byte of it.
const WRAP_FORMAT: u8 = 1;

impl StaticMasterKey {
    /// The environment variable that hosts use by custom.
    pub const VARIABLE: &str = "KINGCONG_MASTER_KEY";

    /// The master key with these bytes, which must be random: a password is not a key.
    #[must_use]
    pub fn new(key: KeyBytes) -> Self {
        let check = derive(&key, b"", "kingcong/v1/master-key-id");
        let id = MasterKeyId::new(format!("local-{}", hex(&check.expose()[..8])));
        let id = id.expect("a word and hexadecimal digits are one clean line");
        Self { key, id }
    }

    /// The master key written as base64 (44 characters) or hexadecimal (64).
    ///
    /// # Errors
    /// [`MasterKeyError::NotAKey`].
    pub fn parse(text: &str) -> Result<Self, MasterKeyError> {
        Self::parse_from(text, "the given text")
    }

    /// The master key in an environment variable, usually [`StaticMasterKey::VARIABLE`], written as for
    /// [`StaticMasterKey::parse`]; white space around it is ignored.
    ///
    /// # Errors
    /// [`MasterKeyError::VariableMissing`], [`MasterKeyError::NotAKey`].
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    pub fn from_env(variable: &str) -> Result<Self, MasterKeyError> {
        let place = format!("environment variable {variable}");
        match std::env::var(variable) {
            Ok(text) => Self::parse_from(Zeroizing::new(text).trim(), &place),
            Err(VarError::NotPresent) => {
                Err(MasterKeyError::VariableMissing { variable: variable.to_owned() })
            }
            Err(VarError::NotUnicode(_)) => Err(MasterKeyError::NotAKey { place }),
        }
    }

    /// The master key in a file, written as for [`StaticMasterKey::parse`]; white space around it is ignored. On
    /// Unix the file must be closed to everyone but its owner.
    ///
    /// # Errors
    /// [`MasterKeyError::File`], [`MasterKeyError::FileOpenToOthers`], [`MasterKeyError::NotAKey`].
    pub fn from_file(path: &Path) -> Result<Self, MasterKeyError> {
        let failed = |source| MasterKeyError::File { path: path.to_owned(), action: "read", source };
        let file = File::open(path).map_err(failed)?;
        refuse_if_open_to_others(&file, path)?;
        // With room for more than is read, the buffer never moves and leaves no copy behind.
        let mut text = Zeroizing::new(String::with_capacity(2 * MASTER_KEY_FILE_BYTES_MAX));
        file.take(MASTER_KEY_FILE_BYTES_MAX as u64).read_to_string(&mut text).map_err(failed)?;
        Self::parse_from(text.trim(), &format!("file {}", path.display()))
    }

    /// The master key in a file, as for [`StaticMasterKey::from_file`]; a file that does not exist is created with
    /// a new random key. Of several processes that create it at once one wins and all use its key. Keep a copy of
    /// the file apart from the database: without it no secret can be read again.
    ///
    /// # Errors
    /// [`MasterKeyError::File`], [`MasterKeyError::FileOpenToOthers`], [`MasterKeyError::NotAKey`].
    pub fn from_file_or_create(path: &Path, entropy: &dyn Entropy) -> Result<Self, MasterKeyError> {
        match Self::from_file(path) {
            Err(MasterKeyError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                create_key_file(path, entropy).map_err(|source| MasterKeyError::File {
                    path: path.to_owned(),
                    action: "created",
                    source,
                })?;
                Self::from_file(path)
            }
            result => result,
        }
    }

    fn parse_from(text: &str, place: &str) -> Result<Self, MasterKeyError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        let decoded = match text.len() {
            44 => Base64::decode(text, &mut *bytes).is_ok_and(|decoded| decoded.len() == KEY_BYTES),
            64 => base16ct::mixed::decode(text, &mut *bytes).is_ok(),
            _ => false,
        };
        if decoded {
            Ok(Self::new(KeyBytes::new(&bytes)))
        } else {
            Err(MasterKeyError::NotAKey { place: place.to_owned() })
        }
    }

    /// The key that wraps this one data key, and the nonce for it. The key is a function of the context, the nonce
    /// of the data key too: two data keys meet the same pair only by a chance of 2^-96, even under one context by
    /// mistake, and wrapping needs no randomness.
    fn wrapping(&self, plain: &KeyBytes, context: &[u8]) -> (KeyBytes, [u8; NONCE_BYTES]) {
        let digest = mac(&derive(&self.key, context, "kingcong/v1/wrap-nonce"), plain.expose());
        let mut nonce = [0; NONCE_BYTES];
        nonce.copy_from_slice(&digest[..NONCE_BYTES]);
        (self.wrap_key(context), nonce)
    }

    fn wrap_key(&self, context: &[u8]) -> KeyBytes {
        derive(&self.key, context, "kingcong/v1/wrap")
    }
}

#[async_trait]
impl MasterKey for StaticMasterKey {
    fn id(&self) -> MasterKeyId {
        self.id.clone()
    }

    async fn wrap(&self, plain: &KeyBytes, context: &DataKeyContext) -> Result<Wrapped, MasterKeyError> {
        let context = context.associated_data();
        let (key, nonce) = self.wrapping(plain, &context);
        let mut bytes = vec![WRAP_FORMAT];
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&encrypt(&key, &nonce, &context, plain.expose()));
        Wrapped::new(self.id(), bytes)
    }

    async fn unwrap(&self, wrapped: &Wrapped, context: &DataKeyContext) -> Result<KeyBytes, MasterKeyError> {
        if wrapped.master_key != self.id {
            return Err(MasterKeyError::WrongMasterKey {
                context: context.clone(),
                wrapped_by: wrapped.master_key.clone(),
                this: self.id(),
            });
        }
        let open = || {
            let [WRAP_FORMAT, rest @ ..] = wrapped.as_bytes() else { return None };
            let (nonce, encrypted) = rest.split_first_chunk()?;
            let associated = context.associated_data();
            let plain = decrypt(&self.wrap_key(&associated), nonce, &associated, encrypted)?;
            Some(KeyBytes::new(plain.as_slice().try_into().ok()?))
        };
        open().ok_or_else(|| MasterKeyError::Damaged { context: context.clone() })
    }
}

/// Creates the file whole or not at all, and never over another: it is written under a name of its own, and then
/// gets its name too, unless another process was quicker.
fn create_key_file(path: &Path, entropy: &dyn Entropy) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut suffix = [0; 8];
    entropy.fill(&mut suffix);
    let draft = directory.join(format!(".master-key-{}.tmp", hex(&suffix)));
    let result = write_key_file(&draft, entropy).and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    });
    fs::remove_file(&draft)?;
    result?;
    // On Unix a new name outlasts a power cut only once its directory is synced.
    #[cfg(unix)]
    File::open(directory)?.sync_all()?;
    Ok(())
}

fn write_key_file(path: &Path, entropy: &dyn Entropy) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let mut text = Zeroizing::new([0; 2 * KEY_BYTES]);
    base16ct::lower::encode(KeyBytes::generate(entropy).expose(), &mut *text)
        .expect("the buffer is as long as the text");
    file.write_all(&*text)?;
    file.write_all(b"\n")?;
    file.sync_all()
}

#[cfg(unix)]
fn refuse_if_open_to_others(file: &File, path: &Path) -> Result<(), MasterKeyError> {
    use std::os::unix::fs::PermissionsExt;

    let failed = |source| MasterKeyError::File { path: path.to_owned(), action: "read", source };
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(MasterKeyError::FileOpenToOthers { path: path.to_owned(), mode })
    }
}

/// Elsewhere a file's access is inherited from its directory.
#[cfg(not(unix))]
fn refuse_if_open_to_others(_: &File, _: &Path) -> Result<(), MasterKeyError> {
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::id::SystemEntropy;

    const BASE64: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F";

    #[test]
    fn a_key_is_32_bytes_of_base64_or_hexadecimal() {
        for text in [BASE64, HEX] {
            let master = StaticMasterKey::parse(text).unwrap();
            assert_eq!(master.key.expose().as_slice(), (0..32).collect::<Vec<u8>>());
        }
        for text in
            ["", &BASE64[1..], &HEX[2..], &"g".repeat(64), &"-".repeat(44), &format!("{}==", &BASE64[..42])]
        {
            let error = StaticMasterKey::parse(text).unwrap_err();
            assert!(matches!(error, MasterKeyError::NotAKey { .. }), "{text}");
        }
    }

    #[test]
    fn a_key_is_read_from_the_environment() {
        const VARIABLE: &str = "KINGCONG_TEST_MASTER_KEY";
        match StaticMasterKey::from_env(VARIABLE) {
            // A process cannot safely change its own environment: the test runs itself with the variable set.
            Err(MasterKeyError::VariableMissing { variable }) => {
                assert_eq!(variable, VARIABLE);
                let rerun = |value: &str| {
                    Command::new(std::env::current_exe().unwrap())
                        .args(["--exact", "vault::master::tests::a_key_is_read_from_the_environment"])
                        .env(VARIABLE, value)
                        .output()
                        .unwrap()
                };
                let good = rerun(&format!(" {BASE64}\n"));
                assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stdout));
                assert!(String::from_utf8_lossy(&good.stdout).contains("1 passed"));
                assert!(!rerun("nonsense").status.success());
            }
            result => assert_eq!(result.unwrap().id(), StaticMasterKey::parse(BASE64).unwrap().id()),
        }
    }

    #[test]
    fn a_key_file_is_created_once_and_then_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("master.key");
        let ids = std::thread::scope(|scope| {
            let open = || StaticMasterKey::from_file_or_create(&path, &SystemEntropy).unwrap().id();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        assert_eq!(StaticMasterKey::from_file(&path).unwrap().id(), ids[0]);
        let files = fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(files, 1, "no draft stays behind");
    }

    #[test]
    fn a_file_without_a_key_is_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        for content in ["", "nonsense\n", &format!("{HEX}{HEX}{HEX}"), &format!("{HEX}\n{HEX}\n")] {
            let file = tempfile::NamedTempFile::new_in(&directory).unwrap();
            fs::write(file.path(), content).unwrap();
            let error = StaticMasterKey::from_file_or_create(file.path(), &SystemEntropy).unwrap_err();
            assert!(matches!(error, MasterKeyError::NotAKey { .. }), "{error}");
            assert_eq!(fs::read_to_string(file.path()).unwrap(), content);
        }
        let nowhere = directory.path().join("missing").join("master.key");
        let error = StaticMasterKey::from_file_or_create(&nowhere, &SystemEntropy).unwrap_err();
        assert!(matches!(error, MasterKeyError::File { action: "created", .. }), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("master.key");
        StaticMasterKey::from_file_or_create(&path, &SystemEntropy).unwrap();
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        for open_mode in [0o604, 0o620, 0o640, 0o644, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(open_mode)).unwrap();
            match StaticMasterKey::from_file(&path) {
                Err(MasterKeyError::FileOpenToOthers { mode, .. }) => assert_eq!(mode, open_mode),
                result => panic!("{result:?}"),
            }
        }
        for closed_mode in [0o600, 0o400] {
            fs::set_permissions(&path, fs::Permissions::from_mode(closed_mode)).unwrap();
            assert!(StaticMasterKey::from_file(&path).is_ok());
        }
    }

    #[test]
    fn ids_and_wrapped_bytes_are_bounded() {
        for text in [String::new(), "a\nb".to_owned(), "x".repeat(MASTER_KEY_ID_BYTES_MAX + 1)] {
            assert!(matches!(MasterKeyId::new(text), Err(MasterKeyError::InvalidId { .. })));
        }
        let id = MasterKeyId::new("arn:aws:kms:eu-west-1:1:key/2").unwrap();
        for length in [0, WRAPPED_BYTES_MAX + 1] {
            let error = Wrapped::new(id.clone(), vec![0; length]).unwrap_err();
            assert!(matches!(error, MasterKeyError::WrappedLength { bytes, .. } if bytes == length));
        }
        assert_eq!(Wrapped::new(id, vec![0; WRAPPED_BYTES_MAX]).unwrap().as_bytes().len(), WRAPPED_BYTES_MAX);
    }
}
