use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::structpb::decode;

#[test]
fn lengths_of_one_two_and_three_bytes_are_written() {
    for length in [0, 1, 100, 127, 128, 129, 16_383, 16_384, 70_000] {
        let text = "x".repeat(length);
        let object = json!({"a": {"list": [text, {"deeper": text}], "z": true}, "b": text});
        let object = object.as_object().unwrap();
        assert_eq!(decode(&encode(object)).as_ref(), Ok(object), "{length}");
    }
}

/// Not one field is in order; with a flattened one it is a map to serde.
#[derive(Default, Serialize)]
struct Unsorted {
    z: Option<Box<Self>>,
    #[serde(flatten)]
    flat: Flat,
    e: Plain,
    c: (i64, f64, char),
    b: Vec<Choice>,
    #[serde(skip_serializing_if = "String::is_empty")]
    m: String,
    a: BTreeMap<&'static str, ()>,
}

#[derive(Default, Serialize)]
struct Flat {
    y: u8,
    d: bool,
}

#[derive(Default, Serialize)]
struct Plain {
    c: String,
    b: [Option<u32>; 2],
    d: (),
    a: f32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Choice {
    OneWord,
    Wrapped(String),
}

#[test]
fn a_typed_object_is_written_like_its_sorted_json() {
    for length in [0, 1, 130, 20_000] {
        let inner = Unsorted {
            c: (-7, 0.5, 'ü'),
            a: [("two", ()), ("one", ())].into(),
            m: "x".repeat(length),
            e: Plain {
                c: "z".repeat(length),
                b: [Some(3), None],
                a: -0.25,
                ..Plain::default()
            },
            ..Unsorted::default()
        };
        let outer = Unsorted {
            z: Some(Box::new(inner)),
            c: (1, 1.5, 'c'),
            e: Plain {
                a: 2.5,
                ..Plain::default()
            },
            b: vec![Choice::OneWord, Choice::Wrapped("y".repeat(length))],
            ..Unsorted::default()
        };
        let json = serde_json::to_value(&outer).unwrap();
        assert_eq!(encode(&outer), encode(&json), "{length}");
        assert_eq!(
            decode(&encode(&outer)).map(Into::into),
            Ok(json),
            "{length}"
        );
    }
}

#[test]
fn what_is_no_object_is_empty() {
    assert!(encode("text").is_empty());
    assert!(encode(&[1, 2]).is_empty());
    assert!(encode(&BTreeMap::from([(1, 2)])).is_empty());
}
