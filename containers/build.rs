//! Builds the guest as a separate static binary, so that the daemon carries it and any image can
//! run it: with glibc linked in, no musl target is needed.
//!
//! It is carried compressed: half of it is zeros, names and repetition.
//!
//! Not an artifact dependency: those are unstable, and would be linked dynamically.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use miniz_oxide::deflate::compress_to_vec_zlib;

/// Higher levels save little more, and take long where this script is not optimised.
const LEVEL: u8 = 7;

fn main() {
    println!("cargo::rerun-if-changed=guest/src");
    println!("cargo::rerun-if-changed=guest/Cargo.toml");
    println!("cargo::rerun-if-changed=../desk/lines");
    println!("cargo::rerun-if-changed=build.rs");
    if let Err(why) = build() {
        println!("cargo::error=the guest could not be built: {why}");
    }
}

#[expect(clippy::disallowed_methods, reason = "cargo, which builds the guest")]
fn build() -> Result<(), String> {
    let target = variable("TARGET")?;
    // Small where it is shipped, soon built where it is tested.
    let is_released = variable("PROFILE")? == "release";
    let out = PathBuf::from(variable("OUT_DIR")?);
    let manifest = Path::new(&variable("CARGO_MANIFEST_DIR")?).join("guest/Cargo.toml");
    // Where all builds of a profile meet: checks, tests and copies of this tree have scripts of their own, and one guest.
    let target_dir = out.ancestors().find(|folder| folder.ends_with("build")).unwrap_or(&out).with_file_name("guest");
    let mut cargo = Command::new(variable("CARGO")?);
    forget_outer_build(&mut cargo);
    // The outer build has read the lock file and fetched everything in it, so neither may change here.
    cargo
        .args(["build", "--release", "--locked", "--offline", "--bin", "doorward-guest", "--target", &target])
        .arg("--manifest-path")
        .arg(&manifest)
        .arg("--target-dir")
        .arg(&target_dir)
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s")
        .env("CARGO_PROFILE_RELEASE_LTO", if is_released { "fat" } else { "off" })
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", if is_released { "1" } else { "16" })
        .env("CARGO_PROFILE_RELEASE_STRIP", "symbols")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "none")
        .env("CARGO_PROFILE_RELEASE_PANIC", "abort");
    let status = cargo.status().map_err(|error| format!("cargo does not start: {error}"))?;
    if !status.success() {
        return Err(format!("cargo ended with {status}"));
    }
    let built = target_dir.join(&target).join("release/doorward-guest");
    let guest = fs::read(&built).map_err(|error| format!("{}: {error}", built.display()))?;
    let packed = out.join("doorward-guest.zlib");
    fs::write(&packed, compress_to_vec_zlib(&guest, LEVEL)).map_err(|error| format!("{}: {error}", packed.display()))
}

/// Cargo passes its own settings on through the environment: wrappers (clippy's among them), flags,
/// profiles and target directories of the outer build do not fit the inner one.
fn forget_outer_build(cargo: &mut Command) {
    for (name, _) in env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        let kept = ["CARGO_HOME", "CARGO_MAKEFLAGS"].contains(&name)
            || ["CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTRIES_", "CARGO_REGISTRY_", "CARGO_SOURCE_"]
                .iter()
                .any(|prefix| name.starts_with(prefix));
        let cargos = ["CARGO", "RUSTC", "CLIPPY_", "RUSTDOC", "DEP_"].iter().any(|prefix| name.starts_with(prefix))
            || ["RUSTFLAGS", "TARGET", "HOST", "OUT_DIR", "PROFILE", "OPT_LEVEL", "DEBUG", "NUM_JOBS", "RUST_LOG"]
                .contains(&name);
        if cargos && !kept {
            cargo.env_remove(name);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "what cargo tells a build script")]
fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|_| format!("cargo did not set {name}"))
}
