//! The little protobuf that `helm` writes: its typed client sends releases, which are secrets, and what it asks of their deletion.
//!
//! An object is an envelope behind four bytes, as `k8s.io/apimachinery/pkg/runtime/generated.proto` has it; the numbers of the
//! fields are those of `meta/v1` and `core/v1`. Answers are JSON, which clients take as well.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// Reads an object that came as `application/vnd.kubernetes.protobuf`.
///
/// # Errors
/// What is wrong with it; also when it is of a kind that is not known here.
pub(super) fn read(bytes: &[u8]) -> Result<Value, String> {
    let envelope = bytes
        .strip_prefix(b"k8s\0")
        .ok_or("it does not begin like protobuf of Kubernetes")?;
    let envelope = Message::read(envelope)?;
    let kind = Message::read(envelope.bytes(1).unwrap_or_default())?;
    let (api_version, kind) = (kind.text(1), kind.text(2));
    let raw = Message::read(envelope.bytes(2).unwrap_or_default())?;
    let mut object = match kind.as_deref() {
        Some("Secret") => secret(&raw)?,
        Some("DeleteOptions") => delete_options(&raw)?,
        other => return Err(format!("protobuf of the kind {other:?} is not known here")),
    };
    object.insert("apiVersion".to_owned(), json!(api_version));
    object.insert("kind".to_owned(), json!(kind));
    Ok(Value::Object(object))
}

fn secret(raw: &Message) -> Result<Map<String, Value>, String> {
    let mut object = Map::new();
    let metadata = Message::read(raw.bytes(1).unwrap_or_default())?;
    object.insert(
        "metadata".to_owned(),
        Value::Object(object_meta(&metadata)?),
    );
    let encoded = |value: &[u8]| json!(STANDARD.encode(value));
    insert_map(&mut object, "data", raw, 2, encoded)?;
    insert(&mut object, "type", raw.text(3));
    insert_map(&mut object, "stringData", raw, 4, text)?;
    insert(&mut object, "immutable", raw.number(5).map(|it| it != 0));
    Ok(object)
}

fn object_meta(raw: &Message) -> Result<Map<String, Value>, String> {
    let mut metadata = Map::new();
    let texts = [
        ("name", 1),
        ("generateName", 2),
        ("namespace", 3),
        ("uid", 5),
        ("resourceVersion", 6),
    ];
    for (name, number) in texts {
        // An empty text is none.
        insert(
            &mut metadata,
            name,
            raw.text(number).filter(|it| !it.is_empty()),
        );
    }
    insert_map(&mut metadata, "labels", raw, 11, text)?;
    insert_map(&mut metadata, "annotations", raw, 12, text)?;
    let finalizers: Vec<_> = raw.all(14).map(text).collect();
    insert(
        &mut metadata,
        "finalizers",
        (!finalizers.is_empty()).then_some(finalizers),
    );
    Ok(metadata)
}

fn delete_options(raw: &Message) -> Result<Map<String, Value>, String> {
    let mut options = Map::new();
    insert(&mut options, "gracePeriodSeconds", raw.number(1));
    if let Some(preconditions) = raw.bytes(2) {
        let raw = Message::read(preconditions)?;
        let mut preconditions = Map::new();
        insert(&mut preconditions, "uid", raw.text(1));
        insert(&mut preconditions, "resourceVersion", raw.text(2));
        insert(&mut options, "preconditions", Some(preconditions));
    }
    insert(
        &mut options,
        "orphanDependents",
        raw.number(3).map(|it| it != 0),
    );
    insert(&mut options, "propagationPolicy", raw.text(4));
    let dry_run: Vec<_> = raw.all(5).map(text).collect();
    insert(
        &mut options,
        "dryRun",
        (!dry_run.is_empty()).then_some(dry_run),
    );
    Ok(options)
}

fn insert(object: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        object.insert(name.to_owned(), value.into());
    }
}

/// A map is a repeated message of key and value.
fn insert_map(
    object: &mut Map<String, Value>,
    name: &str,
    raw: &Message,
    number: u64,
    value: impl Fn(&[u8]) -> Value,
) -> Result<(), String> {
    let mut map = Map::new();
    for entry in raw.all(number) {
        let entry = Message::read(entry)?;
        let key = entry.text(1).unwrap_or_default();
        map.insert(key, value(entry.bytes(2).unwrap_or_default()));
    }
    insert(object, name, (!map.is_empty()).then_some(map));
    Ok(())
}

fn text(bytes: &[u8]) -> Value {
    json!(String::from_utf8_lossy(bytes))
}

/// The fields of a message, in their order.
struct Message<'a>(Vec<(u64, Field<'a>)>);

#[derive(Clone, Copy)]
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Message<'a> {
    fn read(mut bytes: &'a [u8]) -> Result<Self, String> {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = number(&mut bytes)?;
            let field = match key & 7 {
                0 => Field::Number(number(&mut bytes)?),
                2 => {
                    let length = usize::try_from(number(&mut bytes)?).unwrap_or(usize::MAX);
                    let (field, rest) = bytes.split_at_checked(length).ok_or(SHORT)?;
                    bytes = rest;
                    Field::Bytes(field)
                }
                other => {
                    return Err(format!(
                        "protobuf of the wire type {other} is not known here"
                    ));
                }
            };
            fields.push((key >> 3, field));
        }
        Ok(Self(fields))
    }

    fn all(&self, number: u64) -> impl Iterator<Item = &'a [u8]> {
        let fields = self.0.iter().filter(move |(it, _)| *it == number);
        fields.filter_map(|(_, field)| match *field {
            Field::Bytes(bytes) => Some(bytes),
            Field::Number(_) => None,
        })
    }

    fn bytes(&self, number: u64) -> Option<&'a [u8]> {
        self.all(number).last()
    }

    fn text(&self, number: u64) -> Option<String> {
        let bytes = self.bytes(number)?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    }

    fn number(&self, number: u64) -> Option<u64> {
        let fields = self.0.iter().filter(|(it, _)| *it == number);
        fields
            .filter_map(|(_, field)| match *field {
                Field::Number(value) => Some(value),
                Field::Bytes(_) => None,
            })
            .last()
    }
}

/// Seven bits in each byte, the lowest first.
fn number(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0;
    for place in 0..10 {
        let (byte, rest) = bytes.split_first().ok_or(SHORT)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a number in protobuf is too long".to_owned())
}

const SHORT: &str = "the protobuf ends too early";

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let length = u8::try_from(bytes.len()).unwrap();
        [&[number << 3 | 2, length][..], bytes].concat()
    }

    fn entry(number: u8, key: &str, value: &[u8]) -> Vec<u8> {
        field(
            number,
            &[field(1, key.as_bytes()), field(2, value)].concat(),
        )
    }

    fn object(kind: &str, raw: &[u8]) -> Vec<u8> {
        let types = [field(1, b"v1"), field(2, kind.as_bytes())].concat();
        [b"k8s\0".to_vec(), field(1, &types), field(2, raw)].concat()
    }

    #[test]
    fn a_secret_is_read() {
        let metadata = [
            field(1, b"sh.helm.release.v1.lamp.v1"),
            field(2, b""),
            entry(11, "status", b"deployed"),
        ]
        .concat();
        let raw = [
            field(1, &metadata),
            entry(2, "release", b"\xff\x00"),
            field(3, b"helm.sh/release.v1"),
        ]
        .concat();
        let expected = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": "sh.helm.release.v1.lamp.v1",
                "labels": {"status": "deployed"},
            },
            "data": {"release": "/wA="},
            "type": "helm.sh/release.v1",
        });
        assert_eq!(read(&object("Secret", &raw)), Ok(expected));
    }

    #[test]
    fn options_of_a_deletion_are_read() {
        let raw = [
            &[1 << 3, 0xac, 0x02][..],
            &field(2, &field(1, b"uid-1")),
            &field(4, b"Foreground"),
        ]
        .concat();
        let expected = json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "gracePeriodSeconds": 300,
            "preconditions": {"uid": "uid-1"},
            "propagationPolicy": "Foreground",
        });
        assert_eq!(read(&object("DeleteOptions", &raw)), Ok(expected));
    }

    #[test]
    fn what_is_cut_off_or_unknown_is_refused() {
        let whole = object("Secret", &field(1, &field(1, b"lamp")));
        for length in 4..whole.len() {
            let _ = read(&whole[..length]);
        }
        assert!(read(&whole[..whole.len() - 1]).is_err());
        assert!(read(b"{}").is_err());
        assert!(read(&object("Pod", b"")).is_err());
    }
}
