//! Compiles the program of the image `plimsoll/echo` and tells whether tests may use root's rights.
//!
//! The program is linked statically, so that it runs in an empty root file system. Only this one
//! program is: a whole workspace built with `crt-static` cannot load procedural macros.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = "echo/echo.rs";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=echo");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(root)");
    if is_root()? {
        println!("cargo::rustc-cfg=root");
    }
    let program = PathBuf::from(env::var("OUT_DIR")?).join("echo");
    compile(&program)?;
    println!("cargo::rustc-env=PLIMSOLL_ECHO={}", program.display());
    Ok(())
}

fn compile(program: &Path) -> Result<(), Box<dyn Error>> {
    let mut rustc = Command::new(env::var("RUSTC")?);
    rustc.args([
        "--edition",
        "2024",
        "--crate-name",
        "echo",
        "--crate-type",
        "bin",
    ]);
    rustc.args(["--target", &env::var("TARGET")?]);
    rustc.args([
        "-O",
        "-C",
        "target-feature=+crt-static",
        "-C",
        "panic=abort",
        "-C",
        "strip=symbols",
    ]);
    rustc.args(["-C", "link-arg=-Wl,--gc-sections"]);
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.args(["-C", &format!("linker={linker}")]);
    }
    let status = rustc.arg(SOURCE).arg("-o").arg(program).status()?;
    if status.success() {
        Ok(())
    } else {
        Err(
            format!("{SOURCE} did not compile: {status}; a static C library (libc6-dev) is needed")
                .into(),
        )
    }
}

/// Whether the build runs as root: containers need it, so their tests are named and ignored without.
fn is_root() -> Result<bool, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .and_then(|ids| ids.split_whitespace().nth(1));
    Ok(effective == Some("0"))
}
