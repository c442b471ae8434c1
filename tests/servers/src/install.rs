//! Where a server's programs are, and how they come there.

use std::{
    env,
    fs::File,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::keeper::{is_root, run};

/// Debian asks this file whether an installed service may be started.
const SERVICE_POLICY: &str = "/usr/sbin/policy-rc.d";
/// It may not.
const NO_SERVICE: &str = "#!/bin/sh\nexit 101\n";
/// Of those who miss a server at the same time, one installs it, and the others wait.
const LOCK: &str = "kingcong-servers-install.lock";

/// The folder of the program `name`: of `versions`' newest, else on the path. Where it is not, Debian's package is
/// installed.
pub(crate) fn programs(name: &str, versions: &str, package: &str) -> Result<PathBuf> {
    if let Some(found) = find(name, versions) {
        return Ok(found);
    }
    if !is_root() || !Path::new("/etc/debian_version").exists() {
        bail!(
            "no {name} on the path: install it (on Debian: apt-get install {package}), or run this as root"
        );
    }
    let lock = File::create(env::temp_dir().join(LOCK))?;
    lock.lock()?;
    if let Some(found) = find(name, versions) {
        return Ok(found);
    }
    run(Command::new("apt-get").arg("update"))?;
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive");
    without_services(|| run(install.args(["install", "--yes", "--no-install-recommends", package])))?;
    find(name, versions).with_context(|| format!("{package} was installed, and yet there is no {name}"))
}

/// Installs without starting what was installed; where the machine has a policy of its own, by that.
fn without_services(install: impl FnOnce() -> Result<()>) -> Result<()> {
    let policy = Path::new(SERVICE_POLICY);
    if policy.exists() {
        return install();
    }
    std::fs::write(policy, NO_SERVICE)?;
    std::fs::set_permissions(policy, std::fs::Permissions::from_mode(0o755))?;
    let installed = install();
    std::fs::remove_file(policy)?;
    installed
}

fn find(name: &str, versions: &str) -> Option<PathBuf> {
    let is_there = |folder: &PathBuf| folder.join(name).is_file();
    let mut numbered: Vec<(u32, PathBuf)> = std::fs::read_dir(versions)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, folder)| is_there(folder))
        .collect();
    numbered.sort_unstable();
    let newest = numbered.pop().map(|(_, folder)| folder);
    newest.or_else(|| env::split_paths(&env::var_os("PATH")?).find(is_there))
}
