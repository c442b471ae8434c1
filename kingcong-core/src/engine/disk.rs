//! Files of results. What a row of the store names must be there after a power cut too, so a file and its name are on
//! the disk before the store is told of it, whichever provider gave it.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

/// Puts a file that was written as a whole, and its name, on the disk. Blocks the thread.
pub(super) fn sync(file: &File, path: &Path) -> io::Result<()> {
    file.sync_data()?;
    // On Unix a new name outlasts a power cut only once its folder is synced.
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        match File::open(folder)?.sync_all() {
            // Some file systems of networks have no such thing.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {}
            synced => synced?,
        }
    }
    Ok(())
}

/// Puts other bytes into a file, and on the disk: all of them, or none. Blocks the thread.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = path.with_added_extension("part");
    let write = || {
        let mut file = File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        fs::rename(&partial, path)?;
        sync(&file, path)
    };
    write().inspect_err(|_| {
        // What is left of it is found by nobody.
        let _ = fs::remove_file(&partial);
    })
}
