//! Commands that show a container from inside.

use std::env;
use std::fs;
use std::io::{self, IsTerminal, Write};

type Outcome = Result<u8, String>;

/// Prints the environment, sorted.
pub fn environment() -> Outcome {
    let mut variables: Vec<_> = env::vars_os().collect();
    variables.sort();
    for (name, value) in variables {
        println!("{}={}", name.display(), value.display());
    }
    Ok(0)
}

/// Prints the identity of each namespace.
pub fn namespaces() -> Outcome {
    for name in ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"] {
        let link = format!("/proc/self/ns/{name}");
        let target = fs::read_link(&link).map_err(|e| format!("{link}: {e}"))?;
        println!("{}", target.display());
    }
    Ok(0)
}

/// Prints a file as it is.
pub fn cat(file: &str) -> Outcome {
    let contents = fs::read(file).map_err(|e| format!("{file}: {e}"))?;
    io::stdout().write_all(&contents).map_err(|e| e.to_string())?;
    Ok(0)
}

/// Prints the names in a directory, sorted.
pub fn list(directory: &str) -> Outcome {
    let entries = fs::read_dir(directory).map_err(|e| format!("{directory}: {e}"))?;
    let mut names: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.file_name()).collect();
    names.sort();
    for name in names {
        println!("{}", name.display());
    }
    Ok(0)
}

/// Writes a file.
pub fn write(file: &str, text: &str) -> Outcome {
    fs::write(file, text).map_err(|e| format!("{file}: {e}"))?;
    Ok(0)
}

/// Prints what the kernel says about this process's identity and rights.
pub fn identity() -> Outcome {
    const SHOWN: [&str; 8] =
        ["Uid:", "Gid:", "Groups:", "SigBlk:", "SigIgn:", "CapEff:", "CapBnd:", "NoNewPrivs:"];
    let status = fs::read_to_string("/proc/self/status").map_err(|e| e.to_string())?;
    for line in status.lines().filter(|line| SHOWN.iter().any(|name| line.starts_with(name))) {
        println!("{line}");
    }
    println!("Pid:\t{}", std::process::id());
    Ok(0)
}

/// Tells whether standard input is a terminal, and the terminal's size.
pub fn terminal() -> Outcome {
    println!("stdin is {}a terminal", if io::stdin().is_terminal() { "" } else { "not " });
    Ok(0)
}
