//! The program, built.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where the program `console` is. The first call builds it, because cargo
/// builds the programs of a test's own package only, and where somebody else
/// has built it, it may be old.
///
/// # Panics
///
/// - It does not build. Cargo has said why on stderr.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(build)
}

fn build() -> PathBuf {
    // TARGET/PROFILE/deps/TEST
    let test = env::current_exe().expect("the path of this test");
    let profile = test.ancestors().nth(2).expect("cargo's directories");
    let target = profile.parent().expect("cargo's directories");
    let name = match profile.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let status = Command::new(env::var_os("CARGO").expect("run by cargo"))
        .args(["build", "--quiet", "--locked", "--profile", name])
        .args(["--package", "virt-event-examples", "--bin", "console"])
        .arg("--target-dir")
        .arg(target)
        .status()
        .expect("cargo build");
    assert!(status.success(), "cargo build: {status}");
    profile.join("console")
}
