//! JSON to `Struct`.

use serde_json::{Map, Number, Value};

use super::wire::{I64, LEN, VARINT, field};

/// The bytes of a JSON object as a `Struct`. Keys are written in the object's own
/// order, which is sorted.
pub fn encode(object: &Map<String, Value>) -> Vec<u8> {
    let mut out = Vec::with_capacity(TYPICAL_SIZE);
    write_object(&mut out, object);
    out
}

/// Objects that we compose are rarely larger.
const TYPICAL_SIZE: usize = 1024;

fn key(out: &mut Vec<u8>, number: u32, wire_type: u8) {
    // Field numbers of `Struct` are below 16: the key is one byte.
    out.push((number << 3) as u8 | wire_type);
}

fn varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes a length-delimited field. Its length is known only after its content: one
/// byte is kept free for it, which is enough for most, and longer ones move the
/// content. That is cheaper than to compute all lengths beforehand, at each level
/// those of all levels below.
fn nested(out: &mut Vec<u8>, number: u32, content: impl FnOnce(&mut Vec<u8>)) {
    key(out, number, LEN);
    let start = out.len();
    out.push(0);
    content(out);
    let end = out.len();
    let length = end - start - 1;
    if length < 0x80 {
        out[start] = length as u8;
    } else {
        out[start] = (length & 0x7f) as u8 | 0x80;
        varint(out, length >> 7);
        let more = out.len() - end;
        out[start + 1..].rotate_right(more);
    }
}

fn write_object(out: &mut Vec<u8>, object: &Map<String, Value>) {
    for (name, value) in object {
        nested(out, field::STRUCT_FIELDS, |out| {
            write_text(out, field::ENTRY_KEY, name);
            nested(out, field::ENTRY_VALUE, |out| write_value(out, value));
        });
    }
}

fn write_text(out: &mut Vec<u8>, number: u32, text: &str) {
    key(out, number, LEN);
    varint(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn write_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend([(field::VALUE_NULL << 3) as u8 | VARINT, 0]),
        Value::Bool(value) => {
            out.extend([(field::VALUE_BOOL << 3) as u8 | VARINT, u8::from(*value)]);
        }
        Value::Number(number) => {
            key(out, field::VALUE_NUMBER, I64);
            out.extend(as_double(number).to_le_bytes());
        }
        Value::String(text) => write_text(out, field::VALUE_STRING, text),
        Value::Array(items) => nested(out, field::VALUE_LIST, |out| {
            for item in items {
                nested(out, field::LIST_VALUES, |out| write_value(out, item));
            }
        }),
        Value::Object(object) => {
            nested(out, field::VALUE_STRUCT, |out| write_object(out, object));
        }
    }
}

fn as_double(number: &Number) -> f64 {
    // Without arbitrary precision every serde_json number has a double.
    number.as_f64().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::decode;
    use super::*;

    #[test]
    fn lengths_of_one_two_and_three_bytes_are_written() {
        for length in [0, 1, 100, 127, 128, 129, 16_383, 16_384, 70_000] {
            let text = "x".repeat(length);
            let object = json!({"a": {"list": [text, {"deeper": text}], "z": true}, "b": text});
            let object = object.as_object().unwrap();
            assert_eq!(decode(&encode(object)).as_ref(), Ok(object), "{length}");
        }
    }
}
