//! JSON to `Struct`.

use serde_json::{Map, Number, Value};

use super::wire::{I64, LEN, VARINT, field};

/// The bytes of a JSON object as a `Struct`. Keys are written in the object's own
/// order, which is sorted.
pub fn encode(object: &Map<String, Value>) -> Vec<u8> {
    let mut out = Vec::with_capacity(size_of_object(object));
    write_object(&mut out, object);
    out
}

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

fn size_of_varint(value: usize) -> usize {
    (value | 1).ilog2() as usize / 7 + 1
}

/// Size of a length-delimited field with this content.
fn size_of_field(content: usize) -> usize {
    1 + size_of_varint(content) + content
}

fn size_of_object(object: &Map<String, Value>) -> usize {
    object
        .iter()
        .map(|(name, value)| size_of_field(size_of_entry(name, value)))
        .sum()
}

fn size_of_entry(name: &str, value: &Value) -> usize {
    size_of_field(name.len()) + size_of_field(size_of_value(value))
}

fn size_of_value(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 2,
        Value::Number(_) => 9,
        Value::String(text) => size_of_field(text.len()),
        Value::Array(items) => size_of_field(size_of_list(items)),
        Value::Object(object) => size_of_field(size_of_object(object)),
    }
}

fn size_of_list(items: &[Value]) -> usize {
    items
        .iter()
        .map(|item| size_of_field(size_of_value(item)))
        .sum()
}

fn write_object(out: &mut Vec<u8>, object: &Map<String, Value>) {
    for (name, value) in object {
        key(out, field::STRUCT_FIELDS, LEN);
        varint(out, size_of_entry(name, value));
        key(out, field::ENTRY_KEY, LEN);
        write_text(out, name);
        key(out, field::ENTRY_VALUE, LEN);
        varint(out, size_of_value(value));
        write_value(out, value);
    }
}

fn write_text(out: &mut Vec<u8>, text: &str) {
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
        Value::String(text) => {
            key(out, field::VALUE_STRING, LEN);
            write_text(out, text);
        }
        Value::Array(items) => {
            key(out, field::VALUE_LIST, LEN);
            varint(out, size_of_list(items));
            for item in items {
                key(out, field::LIST_VALUES, LEN);
                varint(out, size_of_value(item));
                write_value(out, item);
            }
        }
        Value::Object(object) => {
            key(out, field::VALUE_STRUCT, LEN);
            varint(out, size_of_object(object));
            write_object(out, object);
        }
    }
}

fn as_double(number: &Number) -> f64 {
    // Without arbitrary precision every serde_json number has a double.
    number.as_f64().unwrap_or_default()
}
