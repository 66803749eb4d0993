//! Log files in CRI's format: `TIME STREAM TAG LINE`, one line of output a line, `F` for a whole line
//! and `P` for a part of a longer one (kubernetes/design-proposals-archive `node/kubelet-cri-logging.md`).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Output without a line's end is written in parts of this many bytes, as containerd does.
const PART_BYTES_MAX: usize = 16 * 1024;

/// Which stream a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

/// A container's log file.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
}

impl LogFile {
    /// Opens the file to append to, making its directory.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let file = append(&path)?;
        Ok(Self { path, file })
    }

    /// Opens the file at the same path again.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        self.file = append(&self.path)?;
        Ok(())
    }
}

fn append(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Cuts one stream of output into lines.
#[derive(Debug)]
pub(super) struct Lines {
    stream: Stream,
    pending: Vec<u8>,
}

impl Lines {
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            stream,
            pending: Vec::new(),
        }
    }

    /// Takes output as it comes and writes the lines that are whole to `log`.
    pub(super) fn push(&mut self, output: &[u8], log: &mut LogFile) -> io::Result<()> {
        self.pending.extend_from_slice(output);
        let time = SystemTime::now();
        let mut records = Vec::with_capacity(output.len() + 64);
        let mut rest = self.pending.as_slice();
        loop {
            let window = &rest[..rest.len().min(PART_BYTES_MAX)];
            if let Some(end) = window.iter().position(|byte| *byte == b'\n') {
                record(&mut records, time, self.stream, 'F', &rest[..end]);
                rest = &rest[end + 1..];
            } else if window.len() == PART_BYTES_MAX {
                record(&mut records, time, self.stream, 'P', window);
                rest = &rest[PART_BYTES_MAX..];
            } else {
                break;
            }
        }
        self.pending = rest.to_vec();
        log.file.write_all(&records)
    }

    /// Writes what is left when the stream ends without a line's end.
    pub(super) fn finish(&mut self, log: &mut LogFile) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let mut records = Vec::new();
        record(
            &mut records,
            SystemTime::now(),
            self.stream,
            'F',
            &self.pending,
        );
        self.pending.clear();
        log.file.write_all(&records)
    }
}

fn record(out: &mut Vec<u8>, time: SystemTime, stream: Stream, tag: char, line: &[u8]) {
    let name = match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    };
    out.extend_from_slice(timestamp(time).as_bytes());
    out.extend_from_slice(format!(" {name} {tag} ").as_bytes());
    out.extend_from_slice(line);
    out.push(b'\n');
}

/// RFC 3339 in UTC with nanoseconds. The date comes from the days since the epoch by Howard Hinnant's
/// `civil_from_days`, so that the shim needs no calendar crate.
fn timestamp(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, nanos) = (since.as_secs(), since.subsec_nanos());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_rfc3339_with_nanoseconds() {
        let at = |seconds, nanos| timestamp(UNIX_EPOCH + Duration::new(seconds, nanos));
        assert_eq!(at(0, 0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(at(951_782_400, 5), "2000-02-29T00:00:00.000000005Z");
        assert_eq!(
            at(1_709_251_199, 999_999_999),
            "2024-02-29T23:59:59.999999999Z"
        );
        assert_eq!(at(4_107_542_400, 1), "2100-03-01T00:00:00.000000001Z");
    }

    fn logged(stream: Stream, outputs: &[&[u8]]) -> Vec<(String, usize)> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("pod/0.log");
        let mut log = LogFile::open(path.clone()).expect("open");
        let mut lines = Lines::new(stream);
        for output in outputs {
            lines.push(output, &mut log).expect("push");
        }
        lines.finish(&mut log).expect("finish");
        let text = fs::read_to_string(path).expect("the log");
        let after_time = |line: &str| {
            let (_, rest) = line.split_once(' ').expect("a time");
            (
                rest[..8.min(rest.len())].to_owned(),
                rest.len() - "stdout F ".len(),
            )
        };
        text.lines().map(after_time).collect()
    }

    #[test]
    fn lines_are_cut_and_long_ones_split() {
        let long = vec![b'x'; PART_BYTES_MAX * 2 + 3];
        let found = logged(Stream::Stdout, &[b"a\nbc", b"d\n\n", &long, b"\nend"]);
        let expected = [
            ("stdout F", 1),
            ("stdout F", 3),
            ("stdout F", 0),
            ("stdout P", PART_BYTES_MAX),
            ("stdout P", PART_BYTES_MAX),
            ("stdout F", 3),
            ("stdout F", 3),
        ];
        let expected: Vec<_> = expected
            .iter()
            .map(|(tag, length)| ((*tag).to_owned(), *length))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_other_stream_is_named() {
        assert_eq!(
            logged(Stream::Stderr, &[b"e\n"]),
            [("stderr F".to_owned(), 1)]
        );
    }
}
