//! Bodies in the protobuf encoding of Kubernetes, as `helm` sends those that are about its releases.
//!
//! Only what it sends is read: secrets, config maps and options of deletions (the `generated.proto` of these API groups).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::document::{members, set};

/// Reads a body; `None` when it is malformed, or of another kind.
pub(super) fn decode(body: &[u8]) -> Option<Value> {
    let envelope = Message::read(body.strip_prefix(MAGIC)?)?;
    let kind = Message::read(envelope.bytes(1)?)?;
    let (api_version, kind) = (kind.text(1)?, kind.text(2)?);
    let content = Message::read(envelope.bytes(2).unwrap_or_default())?;
    let mut object = json!({ "apiVersion": api_version, "kind": kind });
    let fields = match kind.as_str() {
        "Secret" => json!({
            "metadata": metadata(&content)?,
            "data": content.map(2, |value| Some(STANDARD.encode(value)))?,
            "type": content.text(3),
            "stringData": content.map(4, text)?,
            "immutable": content.number(5).map(|it| it != 0),
        }),
        "ConfigMap" => json!({
            "metadata": metadata(&content)?,
            "data": content.map(2, text)?,
            "binaryData": content.map(3, |value| Some(STANDARD.encode(value)))?,
            "immutable": content.number(4).map(|it| it != 0),
        }),
        "DeleteOptions" => {
            let preconditions = Message::read(content.bytes(2).unwrap_or_default())?;
            json!({
                "preconditions": {
                    "uid": preconditions.text(1),
                    "resourceVersion": preconditions.text(2),
                },
                "propagationPolicy": content.text(4),
                "dryRun": content.texts(5)?,
            })
        }
        _ => return None,
    };
    for (name, value) in members(&fields) {
        let is_empty = value.as_object().is_some_and(Map::is_empty);
        if !value.is_null() && !is_empty {
            set(&mut object, &[], name, value.clone());
        }
    }
    Some(object)
}

fn metadata(object: &Message<'_>) -> Option<Value> {
    let content = Message::read(object.bytes(1).unwrap_or_default())?;
    let mut metadata = json!({});
    let texts = [
        ("name", 1),
        ("generateName", 2),
        ("namespace", 3),
        ("uid", 5),
        ("resourceVersion", 6),
    ];
    for (name, number) in texts {
        if let Some(text) = content.text(number).filter(|text| !text.is_empty()) {
            metadata[name] = text.into();
        }
    }
    for (name, number) in [("labels", 11), ("annotations", 12)] {
        let map = content.map(number, text)?;
        if !map.is_empty() {
            metadata[name] = Value::Object(map);
        }
    }
    let finalizers = content.texts(14)?;
    if !finalizers.is_empty() {
        metadata["finalizers"] = finalizers.into();
    }
    Some(metadata)
}

/// The fields of a message, by their numbers.
struct Message<'a>(Vec<(u64, Field<'a>)>);

#[derive(Clone, Copy)]
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Of a fixed size; nothing here needs it.
    Other,
}

impl<'a> Message<'a> {
    fn read(mut rest: &'a [u8]) -> Option<Self> {
        let mut fields = Vec::new();
        while !rest.is_empty() {
            let tag = varint(&mut rest)?;
            let field = match tag & 7 {
                0 => Field::Number(varint(&mut rest)?),
                1 => fixed(&mut rest, 8)?,
                2 => {
                    let length = usize::try_from(varint(&mut rest)?).ok()?;
                    let (bytes, after) = rest.split_at_checked(length)?;
                    rest = after;
                    Field::Bytes(bytes)
                }
                5 => fixed(&mut rest, 4)?,
                _ => return None,
            };
            fields.push((tag >> 3, field));
        }
        Some(Self(fields))
    }

    fn all(&self, number: u64) -> impl Iterator<Item = Field<'a>> {
        let all = self.0.iter().filter(move |field| field.0 == number);
        all.map(|field| field.1)
    }

    fn all_bytes(&self, number: u64) -> impl Iterator<Item = &'a [u8]> {
        self.all(number).filter_map(|field| match field {
            Field::Bytes(bytes) => Some(bytes),
            Field::Number(_) | Field::Other => None,
        })
    }

    fn bytes(&self, number: u64) -> Option<&'a [u8]> {
        self.all_bytes(number).last()
    }

    fn text(&self, number: u64) -> Option<String> {
        text(self.bytes(number)?)
    }

    fn texts(&self, number: u64) -> Option<Vec<String>> {
        self.all_bytes(number).map(text).collect()
    }

    fn number(&self, number: u64) -> Option<u64> {
        self.all(number).find_map(|field| match field {
            Field::Number(number) => Some(number),
            Field::Bytes(_) | Field::Other => None,
        })
    }

    fn map(
        &self,
        number: u64,
        read: impl Fn(&[u8]) -> Option<String>,
    ) -> Option<Map<String, Value>> {
        let entries = self.all_bytes(number).map(|entry| {
            let entry = Message::read(entry)?;
            let key = entry.text(1).unwrap_or_default();
            Some((key, read(entry.bytes(2).unwrap_or_default())?.into()))
        });
        entries.collect()
    }
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn fixed<'a>(rest: &mut &[u8], length: usize) -> Option<Field<'a>> {
    *rest = rest.split_at_checked(length)?.1;
    Some(Field::Other)
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

/// What every body begins with.
const MAGIC: &[u8] = b"k8s\0";

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        [&[number << 3 | 2, length], content].concat()
    }

    fn body(kind: &str, content: &[u8]) -> Vec<u8> {
        let kind = [field(1, b"v1"), field(2, kind.as_bytes())].concat();
        [MAGIC, &field(1, &kind), &field(2, content)].concat()
    }

    #[test]
    fn a_secret_is_read() {
        let label = [field(1, b"owner"), field(2, b"helm")].concat();
        let metadata = [field(1, b"release"), field(11, &label)].concat();
        let data = [field(1, b"release"), field(2, b"\xff\x00")].concat();
        let content = [
            field(1, &metadata),
            field(2, &data),
            field(3, b"helm.sh/release.v1"),
            vec![5 << 3, 1],
        ];
        assert_eq!(
            decode(&body("Secret", &content.concat())).unwrap(),
            json!({
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": { "name": "release", "labels": { "owner": "helm" } },
                "data": { "release": "/wA=" },
                "type": "helm.sh/release.v1",
                "immutable": true,
            })
        );
    }

    #[test]
    fn what_is_cut_or_of_another_kind_is_not_read() {
        let whole = body("Secret", &field(1, &field(1, b"release")));
        assert!(decode(&whole).is_some());
        for end in 0..whole.len() {
            assert_ne!(decode(&whole[..end]), decode(&whole), "{end}");
        }
        assert!(decode(&body("Pod", b"")).is_none());
    }
}
