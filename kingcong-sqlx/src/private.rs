//! Files that only who runs the process may read: they hold what users sent, and sealed keys.

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
};

/// Makes a file that is not there yet. One that is there is left as it is, its rights included.
pub(crate) fn make(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes a file where it is absent.
pub(crate) fn make_if_absent(path: &Path) -> io::Result<()> {
    match make(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}
