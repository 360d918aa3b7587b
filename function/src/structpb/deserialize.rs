//! Typed values out of a `Struct`, without a tree in between.

use serde::de::value::{BorrowedStrDeserializer, MapAccessDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::Error;

use super::view::{Kind, ValueView};
use super::wire::text;
use super::{MAX_DEPTH, decode};

/// Reads an object out of its fields. A field that is there twice is refused.
pub fn deserializer<'de>(
    fields: impl Iterator<Item = Result<(&'de str, ValueView<'de>), super::Error>>,
) -> impl Deserializer<'de, Error = Error> {
    MapAccessDeserializer::new(Object::new(fields, MAX_DEPTH))
}

/// A value, and how many levels may be below it.
struct Value<'de> {
    value: ValueView<'de>,
    depth: usize,
}

struct Object<'de, Fields> {
    rest: Fields,
    /// The value of the field whose name was read last.
    value: Option<ValueView<'de>>,
    depth: usize,
}

impl<Fields> Object<'_, Fields> {
    fn new(fields: Fields, depth: usize) -> Self {
        Self {
            rest: fields,
            value: None,
            depth,
        }
    }
}

struct List<Items> {
    rest: Items,
    depth: usize,
}

impl<'de, Fields> MapAccess<'de> for Object<'de, Fields>
where
    Fields: Iterator<Item = Result<(&'de str, ValueView<'de>), super::Error>>,
{
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some(field) = self.rest.next() else {
            return Ok(None);
        };
        let (name, value) = field.map_err(Error::custom)?;
        self.value = Some(value);
        seed.deserialize(BorrowedStrDeserializer::new(name))
            .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let value = self
            .value
            .ok_or_else(|| Error::custom("a value without a name"))?;
        let depth = self.depth;
        seed.deserialize(Value { value, depth })
    }
}

impl<'de, Items> SeqAccess<'de> for List<Items>
where
    Items: Iterator<Item = Result<ValueView<'de>, super::Error>>,
{
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some(item) = self.rest.next() else {
            return Ok(None);
        };
        let value = item.map_err(Error::custom)?;
        let depth = self.depth;
        seed.deserialize(Value { value, depth }).map(Some)
    }
}

impl<'de> Value<'de> {
    fn kind(&self) -> Result<Kind<'de>, Error> {
        self.value.kind().map_err(Error::custom)
    }

    fn deeper(&self) -> Result<usize, Error> {
        let depth = self.depth.checked_sub(1);
        depth.ok_or_else(|| Error::custom(super::Error::TooDeep))
    }
}

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.kind()? {
            Kind::Null => visitor.visit_unit(),
            Kind::Number(double) => decode::number(double).deserialize_any(visitor),
            Kind::Text(bytes) => visitor.visit_borrowed_str(text(bytes).map_err(Error::custom)?),
            Kind::Bool(value) => visitor.visit_bool(value),
            Kind::Object(view) => visitor.visit_map(Object::new(view.fields(), self.deeper()?)),
            Kind::List(list) => visitor.visit_seq(List {
                rest: list.items(),
                depth: self.deeper()?,
            }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.kind()? {
            Kind::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.kind()? {
            Kind::Text(bytes) => {
                visitor.visit_enum(text(bytes).map_err(Error::custom)?.into_deserializer())
            }
            Kind::Object(view) => visitor.visit_enum(MapAccessDeserializer::new(Object::new(
                view.fields(),
                self.deeper()?,
            ))),
            _ => Err(Error::custom("neither a variant nor an object")),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
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
        more: BTreeMap<String, serde_json::Value>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    enum Choice {
        Word,
        Wrapped(u8),
    }

    fn read(message: &[u8]) -> Result<Typed, String> {
        Typed::deserialize(deserializer(View::new(message).fields())).map_err(|e| e.to_string())
    }

    #[test]
    fn a_typed_value_is_what_its_json_says() {
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
        ];
        for json in cases {
            assert_eq!(
                read(&encode(&json)),
                Typed::deserialize(&json).map_err(|error| error.to_string()),
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
        assert_eq!(
            nested(MAX_DEPTH).unwrap_err(),
            super::super::Error::TooDeep.to_string()
        );
    }
}
