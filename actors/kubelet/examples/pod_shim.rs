//! The shim as a program of its own, for this crate's tests: in the product it is `plimsoll shim`.

fn main() -> std::process::ExitCode {
    runtime::shim_main(std::env::args_os().skip(1))
}
