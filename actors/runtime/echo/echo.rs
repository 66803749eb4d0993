//! The program of the image `plimsoll/echo`: an HTTP server that tells who answers, and small
//! commands to look at a container from inside. Only the standard library, linked statically.

mod http;
mod look;
mod signals;

use std::env;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

const HELP: &str = "\
echo: a test workload for containers

Usage: /echo [COMMAND]

  (none)                           HTTP server on PORT (8080): answers with pod, node and request
  env                              prints the environment
  exit CODE                        ends with CODE
  alloc MIB                        touches MIB of memory, then waits
  ignore-term                      ignores SIGTERM and waits
  lines N [--interval MS] [--stderr] [--width BYTES]
                                   prints N lines
  namespaces                       prints the links of /proc/self/ns
  cat FILE, ls DIR, write FILE TEXT
                                   files
  sleep SECONDS                    waits, then ends with 0
  id                               prints user, groups, capabilities
  get URL                          HTTP GET, prints the body; ends with 1 if the status is not 2xx
  repl                             repeats lines of standard input until `exit [CODE]`
  tty                              tells whether standard input is a terminal
";

/// Widest line of `lines` in bytes.
const WIDTH_BYTES_MAX: usize = 1 << 20;

type Outcome = Result<u8, String>;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(code) => ExitCode::from(code),
        Err(message) => {
            eprintln!("echo: {message}");
            ExitCode::from(2)
        }
    }
}

fn run(words: &[&str]) -> Outcome {
    match words {
        [] => http::serve(),
        ["env"] => look::environment(),
        ["exit", code] => number(code),
        ["alloc", mib] => allocate(number(mib)?),
        ["ignore-term"] => {
            signals::ignore_term();
            println!("ignoring SIGTERM");
            signals::wait_forever()
        }
        ["lines", count, options @ ..] => lines(number(count)?, options),
        ["namespaces"] => look::namespaces(),
        ["cat", file] => look::cat(file),
        ["ls", directory] => look::list(directory),
        ["write", file, text] => look::write(file, text),
        ["sleep", seconds] => {
            signals::end_on_term();
            thread::sleep(Duration::from_secs(number(seconds)?));
            Ok(0)
        }
        ["id"] => look::identity(),
        ["get", url] => http::get(url),
        ["repl"] => repl(),
        ["tty"] => look::terminal(),
        ["--help" | "-h" | "help"] => {
            print!("{HELP}");
            Ok(0)
        }
        other => Err(format!("unknown command {:?}; see /echo --help", other.join(" "))),
    }
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("{text:?} is not a number that fits"))
}

/// Touches every page, so that the memory is really the container's.
fn allocate(mib: usize) -> Outcome {
    const PAGE: usize = 4096;
    const MIB: usize = 1 << 20;
    let mut held = Vec::new();
    for _ in 0..mib {
        let mut block = vec![0u8; MIB];
        for page in block.chunks_mut(PAGE) {
            page[0] = 1;
        }
        held.push(std::hint::black_box(block));
    }
    println!("holding {mib} MiB");
    signals::end_on_term();
    signals::wait_forever()
}

fn lines(count: u64, options: &[&str]) -> Outcome {
    let (mut interval, mut stderr, mut width) = (Duration::ZERO, false, 0);
    let mut rest = options;
    loop {
        rest = match rest {
            [] => break,
            ["--interval", ms, more @ ..] => {
                interval = Duration::from_millis(number(ms)?);
                more
            }
            ["--width", bytes, more @ ..] => {
                width = number(bytes)?;
                if width > WIDTH_BYTES_MAX {
                    return Err(format!("--width is at most {WIDTH_BYTES_MAX}"));
                }
                more
            }
            ["--stderr", more @ ..] => {
                stderr = true;
                more
            }
            [other, ..] => return Err(format!("unknown option {other:?}")),
        };
    }
    signals::end_on_term();
    // Not a width of a format, which has 16 bits.
    let fill = "x".repeat(width);
    for n in 1..=count {
        let line = format!("line {n}{fill}\n");
        let written = if stderr {
            io::stderr().write_all(line.as_bytes())
        } else {
            io::stdout().write_all(line.as_bytes())
        };
        written.map_err(|e| e.to_string())?;
        thread::sleep(interval);
    }
    Ok(0)
}

fn repl() -> Outcome {
    for line in io::stdin().lock().lines() {
        let line = line.map_err(|e| e.to_string())?;
        match line.trim().split_whitespace().collect::<Vec<_>>().as_slice() {
            ["exit"] => return Ok(0),
            ["exit", code] => return number(code),
            _ => println!("you said: {line}"),
        }
    }
    Ok(0)
}
