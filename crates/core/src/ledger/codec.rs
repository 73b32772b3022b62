//! The bytes of an entry: one header line, then one line of JSON.
//!
//! `landfall-ledger {format} {sha256}`: the hash covers the format and everything after the header line, so that any
//! damage is found before anything is understood. Within a format, readers pass over fields they do not know; a record
//! of an unknown kind is [`Code::LedgerNewer`], because a fact that is passed over would make the state wrong.

use std::fmt::Write as _;

use bytes::Bytes;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Entry, FORMAT, Record, same_stack};
use crate::resource::StackId;
use crate::{Code, Error, Result};

const MAGIC: &str = "landfall-ledger";
/// JSON readers give up at 128 levels; a checkpoint wraps what a record holds in a few more.
const DEEPEST: usize = 112;

/// The bytes of an entry.
///
/// # Errors
/// [`Code::InvalidValue`] when a property is nested so deeply that no reader could read it back.
pub(super) fn encode(entry: &Entry) -> Result<Bytes> {
    let body = serde_json::to_vec(entry).map_err(|error| {
        Error::internal(format!("an entry cannot be written as JSON: {}", entry.number)).because(error)
    })?;
    let deepest = nesting(&body);
    if deepest > DEEPEST {
        return Err(Error::new(Code::InvalidValue, format!("a property is nested too deeply: {deepest} levels"))
            .hint("pass the property as JSON text, or flatten it"));
    }
    let mut bytes = format!("{MAGIC} {} {}\n", entry.format, checksum(&entry.format.to_string(), &body)).into_bytes();
    bytes.extend_from_slice(&body);
    Ok(bytes.into())
}

/// The entry that these bytes hold, when it is entry `number` of `stack`.
///
/// # Errors
/// [`Code::LedgerDamaged`], [`Code::LedgerNewer`], [`Code::LedgerForeign`].
pub(super) fn decode(bytes: &[u8], stack: &StackId, number: u64) -> Result<Entry> {
    let body = body(bytes, number)?;
    let entry: Entry = serde_json::from_slice(body).map_err(|error| unreadable(body, number, error))?;
    same_stack(&entry, stack)?;
    if entry.number != number {
        return Err(damaged(number, format!("it says it is entry: {}", entry.number)));
    }
    if entry.checkpoint > number {
        return Err(damaged(number, format!("its checkpoint is in a later entry: {}", entry.checkpoint)));
    }
    Ok(entry)
}

/// What the next entry carries to be chained to the one with these bytes: their hash, 64 hexadecimal digits.
pub(super) fn hash(bytes: &[u8]) -> String {
    hex(Sha256::new().chain_update(bytes))
}

/// [`Code::LedgerDamaged`] for one entry.
pub(super) fn damaged(number: u64, what: impl std::fmt::Display) -> Error {
    Error::new(Code::LedgerDamaged, format!("entry {number} is damaged: {what}"))
        .hint("nothing was changed; restore the ledger's store to an earlier version, or rebuild it from the cloud")
}

/// Checks the header and gives what follows it.
fn body(bytes: &[u8], number: u64) -> Result<&[u8]> {
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or_else(|| damaged(number, "it has no header line"))?;
    let (header, body) = (&bytes[..end], &bytes[end + 1..]);
    let words: Vec<_> = std::str::from_utf8(header).unwrap_or_default().split(' ').collect();
    let [MAGIC, format, sum] = words[..] else {
        return Err(damaged(number, "its header is not a ledger's"));
    };
    // The checksum comes before the format: a flipped bit must not send anybody looking for a newer version.
    if checksum(format, body) != sum {
        return Err(damaged(number, "its checksum does not match"));
    }
    let format: u32 = format.parse().map_err(|_| damaged(number, format!("its format is not a number: {format}")))?;
    if format > FORMAT {
        return Err(newer(format!("entry {number} is in format {format}, this version reads formats up to: {FORMAT}")));
    }
    Ok(body)
}

/// Says whether JSON that matches its checksum and does not read is a newer version's or nobody's.
fn unreadable(body: &[u8], number: u64, error: serde_json::Error) -> Error {
    #[derive(Deserialize)]
    struct Outline {
        records: Vec<serde_json::Value>,
    }
    let name = |record: &serde_json::Value| match record {
        serde_json::Value::String(name) => Some(name.clone()),
        serde_json::Value::Object(map) if map.len() == 1 => map.keys().next().cloned(),
        _ => None,
    };
    let outline: Option<Outline> = serde_json::from_slice(body).ok();
    let strange = outline
        .into_iter()
        .flat_map(|outline| outline.records)
        .find_map(|record| name(&record).filter(|name| !Record::KNOWN.contains(&name.as_str())));
    match strange {
        Some(name) => newer(format!("entry {number} has a record that this version does not know: {name}")),
        None => damaged(number, "its content is not an entry").because(error),
    }
}

fn newer(message: String) -> Error {
    Error::new(Code::LedgerNewer, message)
        .hint("nothing was changed; use the version of Landfall that wrote the ledger, or a newer one")
}

fn checksum(format: &str, body: &[u8]) -> String {
    hex(Sha256::new().chain_update(format).chain_update(b"\n").chain_update(body))
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// How many brackets are open at the deepest place.
fn nesting(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
