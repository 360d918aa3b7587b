//! Reading single fields of a `Struct` where it lies.

use super::decode::{decode, number};
use super::wire::{Content, Fields, entry, field, single, text};
use super::{Error, MAX_DEPTH};

/// An object that is read in place. Malformed bytes read as absent fields: the
/// caller asks for something small of an object that Crossplane wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View<'a> {
    message: &'a [u8],
}

/// A value that is read in place, once it is known what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueView<'a> {
    message: &'a [u8],
}

/// What a value is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind<'a> {
    Null,
    Number(f64),
    /// The bytes of a text.
    Text(&'a [u8]),
    Bool(bool),
    Object(View<'a>),
    List(ListView<'a>),
}

/// A list that is read in place.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ListView<'a> {
    message: &'a [u8],
}

impl<'a> View<'a> {
    /// Views the bytes of a `Struct`.
    pub fn new(message: &'a [u8]) -> Self {
        Self { message }
    }

    /// The value of a field; the last one when it was written more than once.
    pub fn get(self, name: &str) -> Option<ValueView<'a>> {
        let [value] = self.pick([name]);
        value
    }

    /// The values of several fields, found in one pass.
    pub fn pick<const N: usize>(self, names: [&str; N]) -> [Option<ValueView<'a>>; N] {
        self.find(names).unwrap_or([None; N])
    }

    fn find<const N: usize>(self, names: [&str; N]) -> Result<[Option<ValueView<'a>>; N], Error> {
        let mut found = [None; N];
        for field in Fields::new(self.message) {
            let field = field?;
            if field.number == field::STRUCT_FIELDS {
                let (key, message) = entry(field.content.bytes()?)?;
                for (name, found) in names.iter().zip(&mut found) {
                    if key == name.as_bytes() {
                        *found = Some(ValueView { message });
                    }
                }
            }
        }
        Ok(found)
    }

    /// All fields in the order in which they were written.
    pub fn fields(self) -> impl Iterator<Item = Result<(&'a str, ValueView<'a>), Error>> {
        self.entries().map(|entry| {
            let (name, value) = entry?;
            Ok((text(name)?, value))
        })
    }

    /// All fields, with the bytes of their names: to find out whether they are UTF-8 costs
    /// more than to compare them.
    pub fn entries(self) -> impl Iterator<Item = Result<(&'a [u8], ValueView<'a>), Error>> {
        messages(self.message, field::STRUCT_FIELDS).map(|message| {
            let (name, message) = entry(message?)?;
            Ok((name, ValueView { message }))
        })
    }

    /// The value at the end of a path of field names.
    pub fn at(self, path: &[&str]) -> Option<ValueView<'a>> {
        let (last, parents) = path.split_last()?;
        let parent = parents
            .iter()
            .try_fold(self, |view, name| view.get(name)?.object())?;
        parent.get(last)
    }

    /// The text at the end of a path.
    pub fn text(self, path: &[&str]) -> Option<&'a str> {
        self.at(path)?.text()
    }

    /// The JSON value at the end of a path.
    pub fn json(self, path: &[&str]) -> Option<serde_json::Value> {
        self.at(path)?.json()
    }
}

impl<'a> ValueView<'a> {
    pub(super) fn kind(self) -> Result<Kind<'a>, Error> {
        match single(self.message) {
            Some((field::VALUE_STRING, bytes)) => Ok(Kind::Text(bytes)),
            Some((field::VALUE_STRUCT, message)) => Ok(Kind::Object(View { message })),
            Some((field::VALUE_LIST, message)) => Ok(Kind::List(ListView { message })),
            _ => self.any_kind(),
        }
    }

    fn any_kind(self) -> Result<Kind<'a>, Error> {
        let mut kind = Kind::Null;
        for field in Fields::new(self.message) {
            let field = field?;
            kind = match (field.number, field.content) {
                (field::VALUE_NULL, _) => Kind::Null,
                (field::VALUE_NUMBER, Content::I64(bytes)) => {
                    Kind::Number(f64::from_le_bytes(bytes))
                }
                (field::VALUE_STRING, content) => Kind::Text(content.bytes()?),
                (field::VALUE_BOOL, Content::Varint(bit)) => Kind::Bool(bit != 0),
                (field::VALUE_STRUCT, content) => Kind::Object(View::new(content.bytes()?)),
                (field::VALUE_LIST, content) => Kind::List(ListView {
                    message: content.bytes()?,
                }),
                (field::VALUE_NUMBER | field::VALUE_BOOL, content) => {
                    return Err(Error::WireType(content.wire_type()));
                }
                _ => kind,
            };
        }
        Ok(kind)
    }

    /// The object, if it is one.
    pub fn object(self) -> Option<View<'a>> {
        match self.kind() {
            Ok(Kind::Object(view)) => Some(view),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn text(self) -> Option<&'a str> {
        match self.kind() {
            Ok(Kind::Text(bytes)) => text(bytes).ok(),
            _ => None,
        }
    }

    /// The number, if it is a whole one.
    pub fn integer(self) -> Option<i64> {
        match self.kind() {
            Ok(Kind::Number(double)) => number(double).as_i64(),
            _ => None,
        }
    }

    /// The items of a list; nothing when it is not one.
    pub fn items(self) -> impl Iterator<Item = ValueView<'a>> {
        let list = match self.kind() {
            Ok(Kind::List(list)) => list,
            _ => ListView::default(),
        };
        list.items().filter_map(Result::ok)
    }

    /// Builds the JSON value.
    pub fn json(self) -> Option<serde_json::Value> {
        self.json_within(MAX_DEPTH)
    }

    fn json_within(self, depth: usize) -> Option<serde_json::Value> {
        use serde_json::Value;
        let depth = depth.checked_sub(1)?;
        Some(match self.kind().ok()? {
            Kind::Null => Value::Null,
            Kind::Number(double) => number(double),
            Kind::Text(bytes) => Value::String(text(bytes).ok()?.to_owned()),
            Kind::Bool(value) => Value::Bool(value),
            Kind::Object(view) => Value::Object(decode(view.message).ok()?),
            Kind::List(list) => Value::Array(
                list.items()
                    .map(|item| item.ok()?.json_within(depth))
                    .collect::<Option<_>>()?,
            ),
        })
    }
}

impl<'a> ListView<'a> {
    /// All items in their order.
    pub(super) fn items(self) -> impl Iterator<Item = Result<ValueView<'a>, Error>> {
        messages(self.message, field::LIST_VALUES)
            .map(|message| Ok(ValueView { message: message? }))
    }
}

/// The contents of all fields with this number.
fn messages(message: &[u8], number: u32) -> impl Iterator<Item = Result<&[u8], Error>> {
    Fields::new(message).filter_map(move |field| match field {
        Ok(field) if field.number != number => None,
        field => Some(field.and_then(|field| field.content.bytes())),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::encode;
    use super::*;

    #[test]
    fn a_view_reads_what_decode_would_build() {
        let object = json!({
            "metadata": {"generation": 7, "name": "a"},
            "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Synced"}]},
        });
        let bytes = encode(object.as_object().unwrap());
        let view = View::new(&bytes);

        assert_eq!(view.text(&["metadata", "name"]), Some("a"));
        assert_eq!(
            view.at(&["metadata", "generation"]).unwrap().integer(),
            Some(7)
        );
        assert_eq!(view.json(&["status"]).unwrap(), object["status"]);
        let types: Vec<_> = view
            .at(&["status", "conditions"])
            .unwrap()
            .items()
            .filter_map(|item| item.object()?.text(&["type"]))
            .collect();
        assert_eq!(types, ["Ready", "Synced"]);
    }

    #[test]
    fn several_fields_are_found_in_one_pass() {
        let bytes = encode(&json!({"a": "x", "b": 2, "c": {}}));
        let [c, a, none] = View::new(&bytes).pick(["c", "a", "d"]);
        assert!(c.unwrap().object().is_some());
        assert_eq!(a.unwrap().text(), Some("x"));
        assert_eq!(none, None);
        assert_eq!(View::new(&bytes[..bytes.len() - 1]).pick(["a"]), [None]);
    }

    #[test]
    fn what_is_not_there_reads_as_absent() {
        let bytes = encode(json!({"a": {"b": 1}}).as_object().unwrap());
        let view = View::new(&bytes);
        for path in [&["x"][..], &["a", "x"], &["a", "b", "x"], &[]] {
            assert_eq!(view.at(path), None, "{path:?}");
        }
        assert_eq!(view.text(&["a", "b"]), None);
        assert_eq!(View::new(b"\xff\xff").at(&["a"]), None);
    }

    #[test]
    fn the_last_of_two_fields_with_one_name_counts() {
        let mut bytes = encode(json!({"a": 1}).as_object().unwrap());
        bytes.extend(encode(json!({"a": 2}).as_object().unwrap()));
        assert_eq!(View::new(&bytes).at(&["a"]).unwrap().integer(), Some(2));
    }
}
