//! Typed values out of a `Struct`, without a tree in between.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{
    self, DeserializeSeed, Deserializer, Error as _, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use super::view::{Kind, ValueView};
use super::wire::text;
use super::{MAX_DEPTH, decode};

/// Reads an object out of its [entries](super::View::entries). A field that is there twice is refused.
pub fn deserializer<'de>(
    entries: impl Iterator<Item = Result<(&'de [u8], ValueView<'de>), super::Error>>,
) -> impl Deserializer<'de, Error = Mismatch> {
    MapAccessDeserializer::new(Object::new(entries, MAX_DEPTH))
}

/// Why a value is not of its type, in the words of `serde_json`, and where.
#[derive(Debug)]
pub struct Mismatch {
    path: String,
    why: serde_json::Error,
}

impl Mismatch {
    /// Path of the field, for example `clusters[0].name`; empty for the object itself.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong with the field.
    pub fn why(&self) -> &serde_json::Error {
        &self.why
    }

    /// The same, seen from the object or list around it.
    fn inside(mut self, part: &str) -> Self {
        if !self.path.is_empty() && !self.path.starts_with('[') {
            self.path.insert(0, '.');
        }
        self.path.insert_str(0, part);
        self
    }
}

impl From<serde_json::Error> for Mismatch {
    fn from(why: serde_json::Error) -> Self {
        let path = String::new();
        Self { path, why }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => self.why.fmt(f),
            path => write!(f, "{path}: {}", self.why),
        }
    }
}

impl std::error::Error for Mismatch {}

impl de::Error for Mismatch {
    fn custom<T: fmt::Display>(why: T) -> Self {
        serde_json::Error::custom(why).into()
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        serde_json::Error::invalid_type(found, expected).into()
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        serde_json::Error::invalid_value(found, expected).into()
    }
}

/// A value, and how many levels may be below it.
struct Value<'de> {
    value: ValueView<'de>,
    depth: usize,
}

/// The name of a field.
#[derive(Clone, Copy)]
struct Name<'de>(&'de [u8]);

struct Object<'de, Entries> {
    rest: Entries,
    /// The field whose name was read last.
    field: Option<(Name<'de>, ValueView<'de>)>,
    depth: usize,
}

impl<Entries> Object<'_, Entries> {
    fn new(entries: Entries, depth: usize) -> Self {
        Self {
            rest: entries,
            field: None,
            depth,
        }
    }
}

struct List<Items> {
    rest: Items,
    /// How many items were read.
    count: usize,
    depth: usize,
}

impl<'de, Entries> MapAccess<'de> for Object<'de, Entries>
where
    Entries: Iterator<Item = Result<(&'de [u8], ValueView<'de>), super::Error>>,
{
    type Error = Mismatch;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Mismatch> {
        let Some(field) = self.rest.next() else {
            return Ok(None);
        };
        let (name, value) = field.map_err(Mismatch::custom)?;
        let name = Name(name);
        self.field = Some((name, value));
        seed.deserialize(name)
            .map(Some)
            .map_err(|error| name.around(error))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mismatch> {
        let (name, value) = self
            .field
            .ok_or_else(|| Mismatch::custom("a value without a name"))?;
        let depth = self.depth;
        seed.deserialize(Value { value, depth })
            .map_err(|error| name.around(error))
    }
}

impl<'de, Items> SeqAccess<'de> for List<Items>
where
    Items: Iterator<Item = Result<ValueView<'de>, super::Error>>,
{
    type Error = Mismatch;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Mismatch> {
        let Some(item) = self.rest.next() else {
            return Ok(None);
        };
        let value = item.map_err(Mismatch::custom)?;
        let (index, depth) = (self.count, self.depth);
        self.count += 1;
        seed.deserialize(Value { value, depth })
            .map(Some)
            .map_err(|error| error.inside(&format!("[{index}]")))
    }
}

impl Name<'_> {
    /// A mismatch in the field of this name.
    fn around(self, mismatch: Mismatch) -> Mismatch {
        mismatch.inside(&String::from_utf8_lossy(self.0))
    }
}

impl<'de> Deserializer<'de> for Name<'de> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_borrowed_str(text(self.0).map_err(Mismatch::custom)?)
    }

    /// A name that is only compared with others need not be checked to be a text.
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_borrowed_bytes(self.0)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        option unit unit_struct newtype_struct seq tuple tuple_struct map struct enum ignored_any
    }
}

impl<'de> Value<'de> {
    fn kind(&self) -> Result<Kind<'de>, Mismatch> {
        self.value.kind().map_err(Mismatch::custom)
    }

    fn deeper(&self) -> Result<usize, Mismatch> {
        let depth = self.depth.checked_sub(1);
        depth.ok_or_else(|| Mismatch::custom(super::Error::TooDeep))
    }
}

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.kind()? {
            Kind::Null => visitor.visit_unit(),
            Kind::Number(double) => Ok(decode::number(double).deserialize_any(visitor)?),
            Kind::Text(bytes) => visitor.visit_borrowed_str(text(bytes).map_err(Mismatch::custom)?),
            Kind::Bool(value) => visitor.visit_bool(value),
            Kind::Object(view) => visitor.visit_map(Object::new(view.entries(), self.deeper()?)),
            Kind::List(list) => visitor.visit_seq(List {
                rest: list.items(),
                count: 0,
                depth: self.deeper()?,
            }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.kind()? {
            Kind::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match self.kind()? {
            Kind::Text(bytes) => {
                visitor.visit_enum(text(bytes).map_err(Mismatch::custom)?.into_deserializer())
            }
            Kind::Object(view) => visitor.visit_enum(MapAccessDeserializer::new(Object::new(
                view.entries(),
                self.deeper()?,
            ))),
            _ => Err(Mismatch::custom("neither a variant nor an object")),
        }
    }

    /// What nobody asks for is not looked at.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct identifier
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::super::{View, encode};
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Typed {
        name: String,
        #[serde(default)]
        count: Option<i64>,
        #[serde(default)]
        ratio: f64,
        #[serde(default)]
        on: bool,
        #[serde(default)]
        choices: Vec<Choice>,
        #[serde(default)]
        inner: Option<Box<Self>>,
        #[serde(default)]
        more: BTreeMap<String, serde_json::Value>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    enum Choice {
        Word,
        Wrapped(u8),
    }

    fn read(message: &[u8]) -> Result<Typed, String> {
        Typed::deserialize(deserializer(View::new(message).entries())).map_err(|e| e.to_string())
    }

    #[test]
    fn a_typed_value_is_what_its_json_says_and_errors_have_the_same_path() {
        let cases = [
            json!({"name": "a"}),
            json!({
                "name": "a", "count": 7, "ratio": 0.5, "on": true,
                "choices": ["Word", {"Wrapped": 3}],
                "more": {"list": [null, 1, "two", [{}]], "deeper": {"x": {"y": false}}},
            }),
            json!({"name": "a", "count": null}),
            json!({"name": 1}),
            json!({"name": null}),
            json!({"count": 1}),
            json!({"name": "a", "count": 0.5}),
            json!({"name": "a", "naem": "b"}),
            json!({"name": "a", "choices": ["Other"]}),
            json!({"name": "a", "choices": {}}),
            json!({"name": "a", "choices": ["Word", {"Wrapped": true}]}),
            json!({"name": "a", "inner": {"name": "b", "inner": {"name": "c", "nmae": "d"}}}),
            json!({"name": "a", "inner": {"more": {}}}),
        ];
        for json in cases {
            assert_eq!(
                read(&encode(&json)),
                serde_path_to_error::deserialize(&json).map_err(|error| error.to_string()),
                "{json}"
            );
        }
    }

    #[test]
    fn a_field_that_is_there_twice_and_bytes_that_break_off_are_refused() {
        let bytes = encode(&json!({"name": "a", "more": {"list": ["b"]}}));
        let twice = [bytes.as_slice(), &bytes].concat();
        assert!(read(&twice).unwrap_err().starts_with("duplicate field"));
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        let nested = |depth| {
            let value = (0..depth).fold(json!(1), |value, _| json!({ "deeper": value }));
            read(&encode(&json!({"name": "a", "more": {"value": value}})))
        };
        assert!(nested(MAX_DEPTH - 1).is_ok());
        let error = nested(MAX_DEPTH).unwrap_err();
        assert!(error.starts_with("more.value.deeper."), "{error}");
        assert!(error.ends_with(&super::super::Error::TooDeep.to_string()));
    }
    #[test]
    fn what_nobody_asks_for_is_not_looked_at() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Name {
            name: String,
        }

        let deep = (0..=MAX_DEPTH).fold(json!(1), |value, _| json!({ "deeper": value }));
        let bytes = encode(&json!({"deep": deep, "name": "a"}));
        let read = Name::deserialize(deserializer(View::new(&bytes).entries()));
        assert_eq!(read.unwrap().name, "a");
    }
}
