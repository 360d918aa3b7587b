//! Reading single fields of a `Struct` where it lies.

use super::decode::{decode, number};
use super::wire::{Content, Fields, entry, field};
use super::{Error, MAX_DEPTH};

/// An object that is read in place. Malformed bytes read as absent fields: the
/// caller asks for something small of an object that Crossplane wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View<'a> {
    message: &'a [u8],
}

/// A value that is read in place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueView<'a> {
    /// `null`.
    Null,
    /// A number.
    Number(f64),
    /// A string.
    Text(&'a str),
    /// A boolean.
    Bool(bool),
    /// An object.
    Object(View<'a>),
    /// A list; [`items`](ValueView::items) reads it.
    List(&'a [u8]),
}

impl<'a> View<'a> {
    /// Views the bytes of a `Struct`.
    pub fn new(message: &'a [u8]) -> Self {
        Self { message }
    }

    /// The value of a field; the last one when it was written more than once.
    pub fn get(self, name: &str) -> Option<ValueView<'a>> {
        let mut found = None;
        for field in Fields::new(self.message) {
            let field = field.ok()?;
            if field.number == field::STRUCT_FIELDS {
                let (key, value) = entry(field.content.bytes().ok()?).ok()?;
                if key == name.as_bytes() {
                    found = Some(value);
                }
            }
        }
        ValueView::new(found?).ok()
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
    fn new(message: &'a [u8]) -> Result<Self, Error> {
        let mut value = Self::Null;
        for field in Fields::new(message) {
            let field = field?;
            value = match (field.number, field.content) {
                (field::VALUE_NULL, _) => Self::Null,
                (field::VALUE_NUMBER, Content::I64(bytes)) => {
                    Self::Number(f64::from_le_bytes(bytes))
                }
                (field::VALUE_STRING, content) => Self::Text(content.text()?),
                (field::VALUE_BOOL, Content::Varint(bit)) => Self::Bool(bit != 0),
                (field::VALUE_STRUCT, content) => Self::Object(View::new(content.bytes()?)),
                (field::VALUE_LIST, content) => Self::List(content.bytes()?),
                (field::VALUE_NUMBER | field::VALUE_BOOL, content) => {
                    return Err(Error::WireType(content.wire_type()));
                }
                _ => value,
            };
        }
        Ok(value)
    }

    /// The object, if it is one.
    pub fn object(self) -> Option<View<'a>> {
        match self {
            Self::Object(view) => Some(view),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is a whole one.
    pub fn integer(self) -> Option<i64> {
        match self {
            Self::Number(double) => number(double).as_i64(),
            _ => None,
        }
    }

    /// The items of a list; nothing when it is not one.
    pub fn items(self) -> impl Iterator<Item = ValueView<'a>> {
        let message = match self {
            Self::List(message) => message,
            _ => &[],
        };
        Fields::new(message).filter_map(|field| {
            let field = field.ok()?;
            let value = field.content.bytes().ok()?;
            (field.number == field::LIST_VALUES)
                .then(|| ValueView::new(value).ok())
                .flatten()
        })
    }

    /// Builds the JSON value.
    pub fn json(self) -> Option<serde_json::Value> {
        self.json_within(MAX_DEPTH)
    }

    fn json_within(self, depth: usize) -> Option<serde_json::Value> {
        use serde_json::Value;
        let depth = depth.checked_sub(1)?;
        Some(match self {
            Self::Null => Value::Null,
            Self::Number(double) => number(double),
            Self::Text(text) => Value::String(text.to_owned()),
            Self::Bool(value) => Value::Bool(value),
            Self::Object(view) => Value::Object(decode(view.message).ok()?),
            Self::List(_) => Value::Array(
                self.items()
                    .map(|item| item.json_within(depth))
                    .collect::<Option<_>>()?,
            ),
        })
    }
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
