//! The npm package: it is built, packed, and tested as it is installed.
//!
//! Its tools are those of `kingcong-node/package-lock.json`; the tarball, and a project that has nothing else, are made
//! in `target/npm`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    npm,
    project::{self, PUBLISHED, Project},
};

/// The package's folder.
const PACKAGE: &str = "kingcong-node";

/// How the native half is built.
#[derive(Clone, Copy)]
enum Profile {
    Debug,
    Published,
}

/// Builds the package that is published, and tries it in a project that has nothing else: as an ES module, as CommonJS
/// and by its types.
pub(crate) fn npm(project: &Project) -> Result<()> {
    build(project, Profile::Published)?;
    let tarball = pack(project)?;
    let installed = install(project, &tarball)?;
    try_out(project, &installed)?;
    let native = installed.join("node_modules/kingcong/native").join(native_name()?);
    println!("{} ({}, with a native half of {})", tarball.display(), size(&tarball)?, size(&native)?);
    Ok(())
}

/// Installs the package that was packed, checks its types and runs its tests.
pub(crate) fn test(project: &Project, tarball: &Path) -> Result<()> {
    let installed = install(project, tarball)?;
    try_out(project, &installed)?;
    npm::run(project, PACKAGE, &["run", "--silent", "check"])?;
    let mut vitest = program(project, "vitest");
    vitest.arg("run").env("NO_COLOR", "1");
    vitest.env("KINGCONG_PACKAGE", installed.join("node_modules").join("kingcong"));
    vitest.env("KINGCONG_UPSTREAMS", project.upstreams()?);
    project::run(vitest)
}

/// The package, built as quickly as can be and packed.
pub(crate) fn package(project: &Project) -> Result<PathBuf> {
    build(project, Profile::Debug)?;
    pack(project)
}

/// Measures the package, built as it is published, beside its peers.
pub(crate) fn bench(project: &Project, arguments: &[String]) -> Result<()> {
    build(project, Profile::Published)?;
    let mut measure = Command::new("node");
    measure.arg("bench/measure.mjs").args(arguments).current_dir(project.root().join(PACKAGE));
    project::run(measure)
}

/// Builds both halves into the package's folder.
fn build(project: &Project, profile: Profile) -> Result<()> {
    npm::install(project, PACKAGE)?;
    let folder = project.root().join(PACKAGE);
    let library = format!("{}kingcong_node{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
    let library = match profile {
        Profile::Debug => project.built(&library)?,
        Profile::Published => {
            project::run(project.cargo(&[
                "build",
                "--locked",
                "--quiet",
                "--package",
                PACKAGE,
                "--profile",
                PUBLISHED,
            ]))?;
            project.target().join(PUBLISHED).join(library)
        }
    };
    let native = folder.join("native");
    remove(&native)?;
    fs::create_dir_all(&native)?;
    let packed = native.join(native_name()?);
    fs::copy(&library, &packed).with_context(|| format!("cargo built no {}", library.display()))?;
    // The copy alone: what was built is the same as everybody's.
    let mut strip = Command::new("strip");
    strip.args(["-S", "-x"]).arg(&packed);
    project::run(strip)?;
    remove(&folder.join("dist"))?;
    npm::run(project, PACKAGE, &["run", "--silent", "build"])
}

/// The name of the native half, as the package looks for it.
fn native_name() -> Result<String> {
    let (system, abi) = match env::consts::OS {
        "linux" => ("linux", "-gnu"),
        "macos" => ("darwin", ""),
        other => bail!("the package has no native half for {other} yet"),
    };
    let processor = match env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => bail!("the package has no native half for {other} yet"),
    };
    Ok(format!("kingcong.{system}-{processor}{abi}.node"))
}

/// One of the tools.
fn program(project: &Project, name: &str) -> Command {
    let folder = project.root().join(PACKAGE);
    let mut command = Command::new(folder.join("node_modules").join(".bin").join(name));
    command.current_dir(folder);
    command
}

fn folder(project: &Project) -> PathBuf {
    project.target().join("npm")
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

/// Packs the package, into a folder that has no other.
fn pack(project: &Project) -> Result<PathBuf> {
    let tarballs = tarballs(project);
    remove(&tarballs)?;
    fs::create_dir_all(&tarballs)?;
    let to = tarballs.to_str().context("the build folder's name must be UTF-8")?;
    npm::run(project, PACKAGE, &["pack", "--silent", "--pack-destination", to])?;
    packed(project)
}

fn tarballs(project: &Project) -> PathBuf {
    folder(project).join("tarballs")
}

/// The package that was packed last.
pub(crate) fn packed(project: &Project) -> Result<PathBuf> {
    let tarballs = tarballs(project);
    let packed: Vec<PathBuf> =
        fs::read_dir(&tarballs)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    match packed.as_slice() {
        [tarball] => Ok(tarball.clone()),
        others => bail!("npm made {} files in {}, and one was expected", others.len(), tarballs.display()),
    }
}

/// Installs a tarball in a project that has nothing else, without the network.
fn install(project: &Project, tarball: &Path) -> Result<PathBuf> {
    let installed = folder(project).join("installed");
    remove(&installed)?;
    fs::create_dir_all(&installed)?;
    fs::write(installed.join("package.json"), "{ \"private\": true }\n")?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--silent", "--offline", "--no-audit", "--no-fund"]).arg(tarball);
    npm.current_dir(&installed);
    project::run(npm)?;
    Ok(installed)
}

/// Opens a library in memory, which needs every part of the package.
const TRIAL: &str = "\
async function main(): Promise<void> {
  const kc: KingCong = await KingCong.open('memory:', { preset: 'kingcong' });
  const { balanceAfter } = await kc.wallets.purchase('user-1', 'package-1', 'order-1');
  if (balanceAfter !== 1_000_000 || !(await kc.verify()).isSound) throw new Error('it does not count');
  if (!(new Busy('later') instanceof Error)) throw new Error('it does not fail');
  await kc.close();
}
main();
";

/// Compiles the same program strictly as both kinds of module, and runs it.
fn try_out(project: &Project, installed: &Path) -> Result<()> {
    for (name, built) in [("trial.mts", "trial.mjs"), ("trial.cts", "trial.cjs")] {
        let imports = "import { KingCong } from 'kingcong';\nimport { Busy } from 'kingcong/providers';\n";
        fs::write(installed.join(name), format!("{imports}\n{TRIAL}"))?;
        let mut tsc = program(project, "tsc");
        tsc.current_dir(installed).arg("--strict").arg(name);
        tsc.args([
            "--target",
            "es2022",
            "--module",
            "node16",
            "--lib",
            "es2023,esnext.disposable",
            "--types",
            "node",
        ]);
        tsc.arg("--typeRoots").arg(project.root().join(PACKAGE).join("node_modules").join("@types"));
        project::run(tsc)?;
        let mut node = Command::new("node");
        node.args(["--throw-deprecation", built]).current_dir(installed);
        project::run(node)?;
    }
    Ok(())
}

/// How large a file is, for people.
fn size(file: &Path) -> Result<String> {
    let bytes = fs::metadata(file).with_context(|| format!("there is no {}", file.display()))?.len();
    Ok(format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10))
}
