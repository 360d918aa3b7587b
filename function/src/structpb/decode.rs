//! `Struct` to JSON.

use serde_json::{Map, Number, Value};

use super::wire::{Content, Fields, entry, field, text};
use super::{Error, MAX_DEPTH};

/// Doubles represent every integer up to here.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

/// Builds the JSON object of a `Struct`.
///
/// # Errors
///
/// When the bytes are not a `Struct` or are nested too deeply.
pub fn decode(message: &[u8]) -> Result<Map<String, Value>, Error> {
    object(message, MAX_DEPTH)
}

fn object(message: &[u8], depth: usize) -> Result<Map<String, Value>, Error> {
    let depth = depth.checked_sub(1).ok_or(Error::TooDeep)?;
    let mut object = Map::new();
    for field in Fields::new(message) {
        let field = field?;
        if field.number == field::STRUCT_FIELDS {
            let (name, message) = entry(field.content.bytes()?)?;
            object.insert(text(name)?.to_owned(), value(message, depth)?);
        }
    }
    Ok(object)
}

fn value(message: &[u8], depth: usize) -> Result<Value, Error> {
    let mut value = Value::Null;
    for field in Fields::new(message) {
        let field = field?;
        value = match (field.number, field.content) {
            (field::VALUE_NULL, _) => Value::Null,
            (field::VALUE_NUMBER, Content::I64(bytes)) => number(f64::from_le_bytes(bytes)),
            (field::VALUE_STRING, content) => Value::String(content.text()?.to_owned()),
            (field::VALUE_BOOL, Content::Varint(bit)) => Value::Bool(bit != 0),
            (field::VALUE_STRUCT, content) => Value::Object(object(content.bytes()?, depth)?),
            (field::VALUE_LIST, content) => Value::Array(list(content.bytes()?, depth)?),
            (field::VALUE_NUMBER | field::VALUE_BOOL, content) => {
                return Err(Error::WireType(content.wire_type()));
            }
            _ => value,
        };
    }
    Ok(value)
}

fn list(message: &[u8], depth: usize) -> Result<Vec<Value>, Error> {
    let depth = depth.checked_sub(1).ok_or(Error::TooDeep)?;
    let mut items = Vec::new();
    for field in Fields::new(message) {
        let field = field?;
        if field.number == field::LIST_VALUES {
            items.push(value(field.content.bytes()?, depth)?);
        }
    }
    Ok(items)
}

/// A whole double as an integer; what JSON cannot say (NaN, infinity) as null.
pub(super) fn number(double: f64) -> Value {
    if double.fract() == 0.0 && double.abs() <= LARGEST_EXACT {
        // Exact: whole and within the range of i64.
        #[expect(clippy::cast_possible_truncation, reason = "checked above")]
        let integer = double as i64;
        return Value::Number(integer.into());
    }
    Number::from_f64(double).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::encode;
    use super::*;

    fn round_trip(value: Value) -> Value {
        let Value::Object(object) = value else {
            panic!("an object")
        };
        Value::Object(decode(&encode(&object)).unwrap())
    }

    #[test]
    fn an_object_survives_the_round_trip() {
        let object = json!({
            "apiVersion": "v1",
            "empty": {}, "none": null, "no": false, "yes": true,
            "list": [1, "two", [3], {"four": 4}, null],
            "numbers": {"negative": -1, "half": 0.5, "large": 9_007_199_254_740_992_i64},
            "text": "Grüße",
        });
        assert_eq!(round_trip(object.clone()), object);
    }

    #[test]
    fn whole_doubles_are_integers_and_others_stay_doubles() {
        let cases = [
            (3.0, json!(3)),
            (-0.0, json!(0)),
            (3.25, json!(3.25)),
            (1e300, json!(1e300)),
            (f64::NAN, Value::Null),
            (f64::INFINITY, Value::Null),
        ];
        for (double, expected) in cases {
            assert_eq!(number(double), expected, "{double}");
        }
    }

    #[test]
    fn every_truncation_is_refused_or_read_and_never_panics() {
        let bytes = encode(
            json!({"a": {"b": [1, 2, {"c": "text"}]}, "d": true})
                .as_object()
                .unwrap(),
        );
        let refused = (0..bytes.len())
            .filter(|&length| decode(&bytes[..length]).is_err())
            .count();
        // Only a cut between two fields of the outermost message is well formed.
        assert_eq!(refused, bytes.len() - 2);
    }

    #[test]
    fn deep_nesting_is_refused() {
        let mut value = json!({});
        for _ in 0..MAX_DEPTH {
            value = json!({ "deeper": value });
        }
        let bytes = encode(value.as_object().unwrap());
        assert_eq!(decode(&bytes), Err(Error::TooDeep));
    }
}
