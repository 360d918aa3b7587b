//! JSON objects out of typed values.

use serde::Serialize;
use serde_json::{Map, Value};

/// The JSON object of a value that serialises as one.
pub(crate) fn object<T: Serialize>(value: &T) -> Map<String, Value> {
    taken(serde_json::to_value(value).unwrap_or_default())
}

/// The JSON object that a literal is, without copying it.
pub(crate) fn taken(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        // Our types have string keys and serialise as objects; there is nothing to say
        // about one that does not, and an empty object is refused by the API server.
        _ => Map::new(),
    }
}
