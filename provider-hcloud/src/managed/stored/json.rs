//! JSON as text, which takes a fraction of the memory that a tree of values takes.

use std::{fmt, sync::Arc};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};

/// A value. Clones share the text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Json(Arc<str>);

impl Json {
    /// Decodes the value.
    pub(super) fn decode<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }
}

/// Decodes an object with these fields, as far as they are there, and empty metadata.
pub(super) fn object<T: DeserializeOwned, const N: usize>(
    fields: [(&str, &Option<Json>); N],
) -> Result<T, serde_json::Error> {
    let mut text = r#"{"metadata":{}"#.to_owned();
    for (field, value) in fields {
        if let Some(Json(value)) = value {
            text.extend([",\"", field, "\":", value]);
        }
    }
    text.push('}');
    serde_json::from_str(&text)
}

impl<'de> Deserialize<'de> for Json {
    /// Piece by piece: serde_json's raw values cannot be read out of what serde has buffered, as it does with a watch
    /// event whose `object` comes before its `type`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut text = Vec::new();
        let transcript = Transcript {
            text: &mut text,
            before: "",
        };
        transcript.deserialize(deserializer)?;
        let text = String::from_utf8(text).map_err(D::Error::custom)?;
        Ok(Self(text.into()))
    }
}

/// Writes down what it is given to read.
struct Transcript<'a> {
    text: &'a mut Vec<u8>,
    /// What stands before it.
    before: &'static str,
}

impl Transcript<'_> {
    fn scalar<E: serde::de::Error>(self, value: &(impl Serialize + ?Sized)) -> Result<(), E> {
        serde_json::to_writer(self.text, value).map_err(E::custom)
    }
}

impl<'de> DeserializeSeed<'de> for Transcript<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.text.extend_from_slice(self.before.as_bytes());
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Transcript<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.scalar(&())
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.scalar(&value)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.scalar(&value)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.scalar(&value)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.scalar(&value)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        self.scalar(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let Self { text, .. } = self;
        let mut before = "";
        text.push(b'[');
        while elements
            .next_element_seed(Transcript { text, before })?
            .is_some()
        {
            before = ",";
        }
        text.push(b']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { text, .. } = self;
        let mut before = "";
        text.push(b'{');
        while members
            .next_key_seed(Transcript { text, before })?
            .is_some()
        {
            members.next_value_seed(Transcript { text, before: ":" })?;
            before = ",";
        }
        text.push(b'}');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_is_written_down_is_what_was_read() {
        for value in [
            json!(null),
            json!(true),
            json!(-7),
            json!(u64::MAX),
            json!(1.5),
            json!(1e300),
            json!("quote \" backslash \\ newline \n é"),
            json!([]),
            json!([1, [2, {}], {"a": [null]}]),
            json!({"": {}, "1": "number", "k\"": [false], "z": {"y": {"x": 1}}}),
        ] {
            let direct: Json = serde_json::from_str(&value.to_string()).unwrap();
            assert_eq!(&*direct.0, value.to_string(), "the shortest text");
            let by_tree: Json = serde_json::from_value(value.clone()).unwrap();
            assert_eq!(by_tree, direct);
            assert_eq!(direct.decode::<Value>().unwrap(), value);
        }
    }

    #[test]
    fn an_object_is_put_together_of_the_fields_that_are_there() {
        let spec = serde_json::from_str::<Json>(r#" { "a" : 1 } "#).unwrap();
        let object: Value = object([("spec", &Some(spec)), ("status", &None)]).unwrap();
        assert_eq!(object, json!({"metadata": {}, "spec": {"a": 1}}));
    }
}
