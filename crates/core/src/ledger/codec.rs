//! The bytes of an entry: one header line, then one line of JSON.
//!
//! `landfall-ledger {format} {sha256}`: the hash covers the format and everything after the header line, so that any
//! damage is found before anything is understood. The next entry carries it, so that no entry can be put in another's place.
//! Within a format, readers pass over fields they do not know; a record of an unknown kind is [`Code::LedgerNewer`], because a
//! fact that is passed over would make the state wrong.

use bytes::Bytes;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Entry, FORMAT, Record, same_stack};
use crate::graph::hex;
use crate::resource::StackId;
use crate::{Code, Error, Result};

const MAGIC: &str = "landfall-ledger";
/// What encrypted entries begin with.
pub(super) const SEALED: &str = "landfall-ledger-sealed";
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
    if let Some(deepest) = too_deep(&body) {
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
    // Text that is known to be UTF-8 is read faster than bytes.
    let text = std::str::from_utf8(body).map_err(|error| damaged(number, "it is not UTF-8").because(error))?;
    let entry: Entry = serde_json::from_str(text).map_err(|error| unreadable(body, number, error))?;
    same_stack(&entry, stack)?;
    if entry.number != number {
        return Err(damaged(number, format!("it says it is entry: {}", entry.number)));
    }
    if entry.checkpoint > number {
        return Err(damaged(number, format!("its checkpoint is in a later entry: {}", entry.checkpoint)));
    }
    Ok(entry)
}

/// What the next entry carries to be chained to this one, whose bytes were made or checked here: the hash in its header, 64
/// hexadecimal digits.
pub(super) fn hash(bytes: &[u8]) -> String {
    let header = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let hash = header.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    String::from_utf8_lossy(hash).into_owned()
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
    if header.starts_with(SEALED.as_bytes()) {
        return Err(Error::new(Code::LedgerSealed, format!("an entry is encrypted, and no key is given: {number}"))
            .hint("give the key that it was written with: Ledger::encrypted, with the feature `encryption`"));
    }
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
    hex(&Sha256::new().chain_update(format).chain_update(b"\n").chain_update(body).finalize())
}

/// How many brackets are open at the deepest place, if these are too many.
fn too_deep(json: &[u8]) -> Option<usize> {
    let brackets = json.iter().filter(|byte| matches!(byte, b'{' | b'[')).count();
    if brackets <= DEEPEST {
        return None;
    }
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
    Some(deepest).filter(|deepest| *deepest > DEEPEST)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::SecretString;

    use super::super::testing::{converged, done, intent, slot, stack, target};
    use super::*;
    use crate::graph::Move;
    use crate::ledger::{Consent, State};
    use crate::resource::{Value, Verb};
    use crate::secret::Secret;
    use crate::{map, properties};

    fn entry(number: u64, records: Vec<Record>) -> Entry {
        Entry {
            format: FORMAT,
            stack: stack(),
            number,
            previous: "0".repeat(64),
            checkpoint: 0,
            writer: "a#1".into(),
            epoch: 1,
            records,
        }
    }

    fn every_record() -> Vec<Record> {
        vec![
            Record::Target(target()),
            Record::Lease { holder: "a".into(), epoch: 1, time_to_live: 30_000 },
            Record::Renew,
            Record::Recheck,
            Record::Generation { number: 7 },
            intent(1, 0),
            Record::Accepted { slot: slot(1), id: "subnet-1".into() },
            done(1),
            Record::Failed {
                slot: slot(2),
                verb: Verb::Update,
                code: "LF4005".into(),
                message: "no quota".into(),
                remains: true,
            },
            Record::Deleted { slot: slot(3) },
            Record::Forgotten { slot: slot(4) },
            Record::Protection { address: slot(1).address, protected: true },
            Record::Consent(Consent { address: slot(1).address, id: "subnet-1".into(), plan: "p".into() }),
            Record::Moved(Move { from: "network/core".into(), to: "network/main".into() }),
            converged("g"),
            Record::Checkpoint(Box::default()),
            Record::Release,
        ]
    }

    /// Seals any body as if a Landfall had written it.
    fn sealed(format: &str, body: &str) -> Vec<u8> {
        format!("{MAGIC} {format} {}\n{body}", checksum(format, body.as_bytes())).into_bytes()
    }

    fn code(bytes: &[u8]) -> Code {
        decode(bytes, &stack(), 7).unwrap_err().code()
    }

    #[test]
    fn every_record_comes_back() {
        let records = every_record();
        let names: Vec<_> = records.iter().map(Record::name).collect();
        for record in &records {
            let json = serde_json::to_value(record).unwrap();
            let written = json.as_str().or_else(|| json.as_object()?.keys().next().map(String::as_str));
            assert_eq!(written, Some(record.name()));
        }
        assert!(Record::KNOWN.iter().all(|known| names.contains(known)), "{names:?}");
        assert_eq!(names.len(), Record::KNOWN.len());

        let entry = entry(7, records);
        let bytes = encode(&entry).unwrap();
        assert_eq!(decode(&bytes, &stack(), 7).unwrap(), entry);
        assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 1, "one header line, one line of JSON");
    }

    #[test]
    fn bytes_are_as_published() {
        let bytes = encode(&entry(7, vec![Record::Target(target()), intent(1, 0), Record::Release])).unwrap();
        insta::assert_snapshot!(String::from_utf8(bytes.to_vec()).unwrap());
    }

    #[test]
    fn a_truncated_entry_is_damaged_at_every_length() {
        let bytes = encode(&entry(7, every_record())).unwrap();
        for length in 0..bytes.len() {
            assert_eq!(code(&bytes[..length]), Code::LedgerDamaged, "{length} of {}", bytes.len());
        }
    }

    #[test]
    fn every_flipped_bit_is_damage() {
        let bytes = encode(&entry(7, every_record())).unwrap();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.to_vec();
                flipped[at] ^= 1 << bit;
                assert_eq!(code(&flipped), Code::LedgerDamaged, "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn spliced_and_replayed_entries_are_damaged() {
        let seven = encode(&entry(7, vec![intent(1, 0)])).unwrap();
        let eight = encode(&entry(8, vec![done(1)])).unwrap();
        assert_eq!(code(&eight), Code::LedgerDamaged, "another number");
        let mut both = seven.to_vec();
        both.extend_from_slice(&eight);
        assert_eq!(code(&both), Code::LedgerDamaged);
        let middle = seven.len() / 2;
        assert_eq!(code(&[&seven[..middle], &eight[middle..]].concat()), Code::LedgerDamaged);
        let mut late = entry(7, vec![]);
        late.checkpoint = 8;
        assert_eq!(code(&encode(&late).unwrap()), Code::LedgerDamaged);
    }

    #[test]
    fn another_stacks_entry_is_foreign() {
        let mut foreign = entry(7, vec![Record::Renew]);
        foreign.stack.environment = "prod".into();
        assert_eq!(code(&encode(&foreign).unwrap()), Code::LedgerForeign);
    }

    #[test]
    fn a_newer_format_or_record_is_newer_and_a_newer_field_is_passed_over() {
        let text = serde_json::to_string(&entry(7, vec![Record::Renew])).unwrap();
        assert_eq!(code(&sealed("2", "anything at all")), Code::LedgerNewer);
        assert_eq!(code(&sealed("4294967295", &text)), Code::LedgerNewer);
        assert_eq!(code(&sealed("1", &text.replace("\"renew\"", "\"rest\""))), Code::LedgerNewer);
        assert_eq!(code(&sealed("1", &text.replace("\"renew\"", "{\"rest\":{\"for\":1}}"))), Code::LedgerNewer);
        assert_eq!(code(&sealed("1", &text.replace("\"renew\"", "{\"lease\":{}}"))), Code::LedgerDamaged);
        assert_eq!(code(&sealed("x", &text)), Code::LedgerDamaged);
        assert_eq!(code(&sealed("1", "{}")), Code::LedgerDamaged);
        assert_eq!(code(&sealed("1", "")), Code::LedgerDamaged);
        let more = sealed("1", &text.replacen('{', "{\"mood\":\"good\",", 1));
        assert_eq!(decode(&more, &stack(), 7).unwrap(), entry(7, vec![Record::Renew]));
    }

    #[test]
    fn what_no_reader_could_read_is_not_written() {
        let deep = |levels: usize| (0..levels).fold(Value::from(1_i64), |value, _| Value::List(vec![value]));
        let with = |value: Value| {
            let Record::Intent(mut intent) = intent(1, 0) else { unreachable!() };
            intent.properties = properties! { "Deep" => Value::from("[{\"\\"), "Deeper" => value };
            Record::Intent(intent)
        };
        let mut written = 0;
        for levels in 90..130 {
            let record = with(deep(levels));
            match encode(&entry(7, vec![record.clone()])) {
                Err(error) => assert_eq!(error.code(), Code::InvalidValue),
                Ok(bytes) => {
                    written += 1;
                    decode(&bytes, &stack(), 7).unwrap();
                    // Also once a checkpoint holds it, a little deeper.
                    let mut state = State::default();
                    state.record(&record).unwrap();
                    let text = serde_json::to_string(&entry(7, vec![Record::Checkpoint(Box::new(state))])).unwrap();
                    decode(&sealed("1", &text), &stack(), 7).unwrap();
                }
            }
        }
        assert!((1..40).contains(&written), "{written}");
    }

    #[test]
    fn a_secret_leaves_a_name_and_a_fingerprint_only() {
        let canary = "canary-4f1d-secret";
        let secret = Secret::new("database/password", SecretString::from(canary), &SecretString::from("canary-key"));
        let Record::Intent(mut intent) = intent(1, 0) else { unreachable!() };
        intent.properties = properties! {
            "Password" => secret.clone(),
            "Nested" => [map! { "Url" => crate::join!["postgres://", secret.clone()] }],
        };
        let outputs = properties! { "Password" => secret.clone() };
        let records = vec![Record::Intent(intent), Record::Done { slot: slot(1), id: "db".into(), outputs }];
        let mut state = State::default();
        records.iter().for_each(|record| state.record(record).unwrap());
        let mut all = records;
        all.push(Record::Checkpoint(Box::new(state)));
        let text = String::from_utf8(encode(&entry(7, all)).unwrap().to_vec()).unwrap();
        assert!(!text.contains("canary"), "{text}");
        assert!(text.matches(secret.fingerprint()).count() >= 4, "{text}");
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_entry_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(decode(&bytes, &stack(), 7).is_err());
        }

        #[test]
        fn any_sealed_text_gives_an_entry_or_an_error(format in "[0-9]{0,3}", text in "\\PC{0,200}") {
            let _ = decode(&sealed(&format, &text), &stack(), 7);
        }

        #[test]
        fn numbers_with_a_fraction_come_back(number in proptest::num::f64::NORMAL) {
            let Record::Intent(mut intent) = intent(1, 0) else { unreachable!() };
            intent.properties = properties! { "Number" => number };
            let entry = entry(7, vec![Record::Intent(intent)]);
            prop_assert_eq!(decode(&encode(&entry).unwrap(), &stack(), 7).unwrap(), entry);
        }
    }
}
