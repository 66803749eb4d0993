//! A container's log file: in CRI's format, a line `TIME STREAM TAG TEXT`, where the tag `P` says that the text goes on
//! in the next line (kubernetes `pkg/kubelet/kuberuntime/logs`).

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use bytes::{Bytes, BytesMut};
use model::machine::Now;
use model::rules::time;

/// Bytes read at a time, at most.
const CHUNK_BYTES: usize = 64 << 10;

/// A line of the file beyond this is cut there; the runtime splits lines long before.
const LINE_BYTES_MAX: usize = 1 << 20;

/// Where the last `lines` lines of a file begin.
pub(crate) fn tail(file: &mut File, lines: u64) -> io::Result<u64> {
    let mut end = file.seek(SeekFrom::End(0))?;
    let (mut seen, mut buffer) = (0_u64, vec![0; CHUNK_BYTES]);
    if lines == 0 {
        return Ok(end);
    }
    while end > 0 {
        let start = end.saturating_sub(CHUNK_BYTES as u64);
        let length = usize::try_from(end - start).unwrap_or(CHUNK_BYTES);
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut buffer[..length])?;
        for (index, byte) in buffer[..length].iter().enumerate().rev() {
            if *byte == b'\n' {
                seen += 1;
                // The first newline from the end closes the last line.
                if seen > lines {
                    return Ok(start + index as u64 + 1);
                }
            }
        }
        end = start;
    }
    Ok(0)
}

/// Reads a log file and yields what a client asked for of it.
pub(crate) struct Reader {
    file: File,
    /// Bytes read that are not a whole line yet.
    rest: BytesMut,
    /// Whether the next text begins a line of the container.
    begun: bool,
    /// Whether the present line of the container is wanted.
    passing: bool,
    since: Option<Now>,
    timestamps: bool,
    /// How many bytes may still be sent.
    left: Option<u64>,
}

impl Reader {
    /// Reads on from where the file stands: lines since a time, with their times, at most so many bytes.
    pub(crate) fn new(file: File, since: Option<Now>, timestamps: bool, left: Option<u64>) -> Self {
        Reader {
            file,
            rest: BytesMut::new(),
            begun: true,
            passing: true,
            since,
            timestamps,
            left,
        }
    }

    /// The file at `path`, if it is another than the one that is read. Between the two names of a log that is put
    /// aside there is none.
    pub(crate) fn another(&self, path: &Path) -> io::Result<Option<File>> {
        let found = match File::open(path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let (own, its) = (self.file.metadata()?, found.metadata()?);
        Ok((own.ino() != its.ino() || own.dev() != its.dev()).then_some(found))
    }

    /// Goes on in another file.
    pub(crate) fn go_on(&mut self, file: File) {
        self.file = file;
    }

    /// Whether everything that was asked for has been read.
    pub(crate) fn full(&self) -> bool {
        self.left == Some(0)
    }

    /// The next text; `None` at the end of the file (for now) or of what was asked for.
    pub(crate) fn next(&mut self) -> io::Result<Option<Bytes>> {
        let mut buffer = vec![0; CHUNK_BYTES];
        while self.left != Some(0) {
            let length = self.file.read(&mut buffer)?;
            if length == 0 {
                return Ok(None);
            }
            self.rest.extend_from_slice(&buffer[..length]);
            let text = self.lines();
            if !text.is_empty() {
                return Ok(Some(self.limit(text)));
            }
        }
        Ok(None)
    }

    fn lines(&mut self) -> BytesMut {
        let mut text = BytesMut::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line = self.rest.split_to(end + 1);
            self.line(&line[..end], &mut text);
        }
        if self.rest.len() > LINE_BYTES_MAX {
            self.rest.clear();
        }
        text
    }

    /// One line of the file. What is not in CRI's format is left out, as kubernetes does.
    fn line(&mut self, line: &[u8], text: &mut BytesMut) {
        let mut parts = line.splitn(4, |byte| *byte == b' ');
        let (Some(at), Some(_stream), Some(tag)) = (parts.next(), parts.next(), parts.next())
        else {
            return;
        };
        let content = parts.next().unwrap_or_default();
        if self.begun {
            self.passing = self.since.is_none_or(|since| {
                let at = std::str::from_utf8(at)
                    .ok()
                    .and_then(|at| time::parse(at).ok());
                at.is_some_and(|at| at >= since)
            });
        }
        let whole = tag.split(|byte| *byte == b':').next() != Some(b"P");
        if self.passing {
            if self.begun && self.timestamps {
                text.extend_from_slice(at);
                text.extend_from_slice(b" ");
            }
            text.extend_from_slice(content);
            if whole {
                text.extend_from_slice(b"\n");
            }
        }
        self.begun = whole;
    }

    fn limit(&mut self, mut text: BytesMut) -> Bytes {
        if let Some(left) = &mut self.left {
            let most = usize::try_from(*left).unwrap_or(usize::MAX);
            text.truncate(most);
            *left = left.saturating_sub(text.len() as u64);
        }
        text.freeze()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const LOG: &str = "2026-01-01T00:00:01.000000001Z stdout F one\n\
                       2026-01-01T00:00:02.000000001Z stdout P tw\n\
                       2026-01-01T00:00:02.000000002Z stdout F o\n\
                       2026-01-01T00:00:03.000000001Z stderr F three\n\
                       garbage\n\
                       2026-01-01T00:00:04.000000001Z stdout F \n";

    fn read(change: impl FnOnce(&mut Reader)) -> String {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("0.log");
        fs::write(&path, LOG).expect("a log");
        let mut reader = Reader::new(File::open(&path).expect("a log"), None, false, None);
        change(&mut reader);
        let mut all = Vec::new();
        while let Some(text) = reader.next().expect("readable") {
            all.extend_from_slice(&text);
        }
        String::from_utf8(all).expect("text")
    }

    #[test]
    fn lines_are_joined_and_stripped() {
        assert_eq!(read(|_| {}), "one\ntwo\nthree\n\n");
    }

    #[test]
    fn timestamps_begin_lines() {
        let text = read(|reader| reader.timestamps = true);
        assert!(text.starts_with(
            "2026-01-01T00:00:01.000000001Z one\n2026-01-01T00:00:02.000000001Z two\n"
        ));
    }

    #[test]
    fn only_since_a_time() {
        let since = time::parse("2026-01-01T00:00:03Z").expect("a time");
        assert_eq!(read(|reader| reader.since = Some(since)), "three\n\n");
    }

    #[test]
    fn at_most_so_many_bytes() {
        assert_eq!(read(|reader| reader.left = Some(6)), "one\ntw");
        assert_eq!(read(|reader| reader.left = Some(0)), "");
    }

    #[test]
    fn the_last_lines() {
        let last = |lines| {
            read(|reader| {
                let from = tail(&mut reader.file, lines).expect("a place");
                reader.file.seek(SeekFrom::Start(from)).expect("a place");
            })
        };
        assert_eq!(last(0), "");
        assert_eq!(last(1), "\n");
        assert_eq!(last(3), "three\n\n");
        assert_eq!(last(100), "one\ntwo\nthree\n\n");
    }
}
