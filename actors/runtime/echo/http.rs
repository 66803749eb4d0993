//! A small HTTP/1.1 server and client.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::signals;

type Outcome = Result<u8, String>;

const HEAD_BYTES_MAX: u64 = 64 * 1024;
const BODY_BYTES_MAX: u64 = 16 << 20;
const IDLE: Duration = Duration::from_secs(30);

/// Serves on `PORT` until SIGTERM.
pub fn serve() -> Outcome {
    signals::end_on_term();
    let port = env::var("PORT").unwrap_or_else(|_| "8080".to_owned());
    let port: u16 = port.parse().map_err(|_| format!("PORT {port:?} is not a port"))?;
    let listener = TcpListener::bind(("0.0.0.0", port)).map_err(|e| format!("port {port}: {e}"))?;
    println!("echo listens on port {port}");
    for connection in listener.incoming() {
        let Ok(connection) = connection else { continue };
        let spawned = thread::Builder::new().spawn(move || converse(connection));
        if let Err(error) = spawned {
            eprintln!("echo: {error}");
        }
    }
    Ok(0)
}

/// Answers requests on one connection. What goes wrong on it ends it and nothing else.
fn converse(connection: TcpStream) {
    let _ = connection.set_read_timeout(Some(IDLE));
    let Ok(writer) = connection.try_clone() else { return };
    let mut reader = BufReader::new(connection);
    while let Ok(true) = answer(&mut reader, &writer) {}
}

/// Reads one request and answers it; false at the end of the connection.
fn answer(reader: &mut BufReader<TcpStream>, mut writer: &TcpStream) -> io::Result<bool> {
    let Some(head) = read_head(reader)? else { return Ok(false) };
    let Some((request, headers)) = head.split_first() else { return Ok(false) };
    let header = |name: &str| {
        headers.iter().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    let mut words = request.split_whitespace();
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let length = header("content-length").and_then(|v| v.parse::<u64>().ok()).unwrap_or(0);
    if path.is_empty() || length > BODY_BYTES_MAX || header("transfer-encoding").is_some() {
        writer.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
        return Ok(false);
    }
    io::copy(&mut reader.by_ref().take(length), &mut io::sink())?;

    let mut body = format!("pod: {}\n", env::var("HOSTNAME").unwrap_or_default());
    if let Ok(node) = env::var("NODE_NAME") {
        body += &format!("node: {node}\n");
    }
    body += &format!("request: {method} {path}\n");
    for line in headers {
        body += &format!("header: {line}\n");
    }
    let close = header("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
    let connection = if close { "close" } else { "keep-alive" };
    let length = body.len();
    let shown = if method == "HEAD" { "" } else { &body };
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: {connection}\r\n\r\n{shown}"
    );
    writer.write_all(answer.as_bytes())?;
    Ok(!close)
}

/// The request line and header lines; none at the end of the connection.
fn read_head(reader: &mut BufReader<TcpStream>) -> io::Result<Option<Vec<String>>> {
    let mut limited = reader.by_ref().take(HEAD_BYTES_MAX);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if limited.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match line.trim_end() {
            "" if lines.is_empty() => continue,
            "" => return Ok(Some(lines)),
            text => lines.push(text.to_owned()),
        }
    }
}

/// Fetches `http://HOST[:PORT]/PATH` and prints the body.
pub fn get(url: &str) -> Outcome {
    let rest = url.strip_prefix("http://").ok_or_else(|| format!("{url:?} does not begin with http://"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let address = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let answer = fetch(&address, host, path).map_err(|e| format!("{url}: {e}"))?;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| format!("{url}: no HTTP answer"))?;
    print!("{body}");
    let success = head.split_whitespace().nth(1).is_some_and(|code| code.starts_with('2'));
    Ok(if success { 0 } else { 1 })
}

fn fetch(address: &str, host: &str, path: &str) -> io::Result<Vec<u8>> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(IDLE))?;
    write!(connection, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    connection.take(BODY_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(answer)
}
