//! How versions and revisions are laid out in a row: a length, a bincode header, and the values behind it.

use bincode::config::{self, Config};
use bincode::{Decode, Encode};
use model::machines::store::{Change, Version};
use model::messages::store::Key;
use model::objects::bytes::Bytes;

/// A row's header is no longer than this, in bytes: a damaged length must not reserve memory.
const HEADER_LIMIT: usize = 1 << 20;

fn configuration() -> impl Config {
    config::standard().with_limit::<HEADER_LIMIT>()
}

/// One state of one key, its value taken out.
#[derive(Encode, Decode)]
struct Head {
    key: Key,
    mod_revision: u64,
    create_revision: u64,
    version: u64,
    lease: u64,
    /// Length of the value; `None` for a deletion.
    length: Option<u32>,
}

/// Why a row cannot be read, or a change not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum RowError {
    /// The bytes end early, go on too long or are no header.
    #[error("a row of {length} bytes does not read as states of keys")]
    Malformed { length: usize },
    /// A value or header is larger than a row can hold. The machine's limits are far below.
    #[error("a change is too large for a row")]
    TooLarge,
}

/// Appends a row with these changes to `row`.
pub(super) fn encode(changes: &[Change<Bytes>], row: &mut Vec<u8>) -> Result<(), RowError> {
    let heads = changes
        .iter()
        .map(|Change { key, now }| head(key, now))
        .collect::<Result<Vec<Head>, RowError>>()?;
    encode_heads(&heads, row)?;
    for change in changes {
        row.extend_from_slice(change.now.value.as_deref().unwrap_or_default());
    }
    Ok(())
}

fn encode_heads(heads: &[Head], row: &mut Vec<u8>) -> Result<(), RowError> {
    let start = row.len();
    row.extend_from_slice(&[0; 4]);
    let written = bincode::encode_into_std_write(heads, row, configuration())
        .map_err(|_| RowError::TooLarge)?;
    let length = u32::try_from(written)
        .ok()
        .filter(|_| written <= HEADER_LIMIT);
    let length = length.ok_or(RowError::TooLarge)?;
    row[start..start + 4].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

fn head(key: &Key, version: &Version<Bytes>) -> Result<Head, RowError> {
    let length = version
        .value
        .as_ref()
        .map(|value| u32::try_from(value.len()));
    Ok(Head {
        key: key.clone(),
        mod_revision: version.mod_revision,
        create_revision: version.create_revision,
        version: version.version,
        lease: version.lease,
        length: length.transpose().map_err(|_| RowError::TooLarge)?,
    })
}

/// Reads what [`encode`] wrote.
pub(super) fn decode(row: &[u8]) -> Result<Vec<Change<Bytes>>, RowError> {
    let malformed = || RowError::Malformed { length: row.len() };
    let (length, rest) = row.split_first_chunk::<4>().ok_or_else(malformed)?;
    let (header, mut values) = rest
        .split_at_checked(u32::from_le_bytes(*length) as usize)
        .ok_or_else(malformed)?;
    let (heads, used): (Vec<Head>, usize) =
        bincode::decode_from_slice(header, configuration()).map_err(|_| malformed())?;
    if used != header.len() {
        return Err(malformed());
    }
    let mut changes = Vec::with_capacity(heads.len());
    for head in heads {
        let value = match head.length {
            Some(length) => {
                let (value, tail) = values
                    .split_at_checked(length as usize)
                    .ok_or_else(malformed)?;
                values = tail;
                Some(Bytes::from(value))
            }
            None => None,
        };
        changes.push(Change {
            key: head.key,
            now: Version {
                mod_revision: head.mod_revision,
                create_revision: head.create_revision,
                version: head.version,
                lease: head.lease,
                value,
            },
        });
    }
    if values.is_empty() {
        Ok(changes)
    } else {
        Err(malformed())
    }
}
