//! Typed values to `Struct`: a serde serializer that writes the bytes as it goes.

use std::fmt::Display;
use std::io::Write as _;

use serde::Serialize;
use serde::ser::{
    self, Error as _, Impossible, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple,
    SerializeTupleStruct, Serializer,
};

use super::wire::{
    Content, Field, Fields, I64, LEN, VARINT, close, entry, field, key, open, write_text,
};

/// The bytes of an object as a `Struct`, with sorted keys.
///
/// A value that does not serialise as an object becomes an empty one. Our types do
/// serialise as objects, and the API server refuses an empty object.
pub fn encode<T: Serialize + ?Sized>(object: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(TYPICAL_SIZE);
    if object.serialize(ValueWriter { out: &mut out }).is_err() {
        return Vec::new();
    }
    match Fields::new(&out).next() {
        Some(Ok(Field {
            number: field::VALUE_STRUCT,
            content: Content::Len(object),
        })) => object.to_vec(),
        _ => Vec::new(),
    }
}

/// Objects that we compose are rarely larger.
const TYPICAL_SIZE: usize = 1024;

/// What a `Struct` cannot hold.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Error(String);

impl ser::Error for Error {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Writes the content of one `Value`.
struct ValueWriter<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> ValueWriter<'a> {
    fn object(self) -> ObjectWriter<'a> {
        let first = open(self.out, field::VALUE_STRUCT);
        ObjectWriter {
            first,
            added: first,
            out: self.out,
        }
    }

    fn list(self) -> ListWriter<'a> {
        ListWriter {
            first: open(self.out, field::VALUE_LIST),
            out: self.out,
        }
    }
}

/// Writes the entries of an object.
struct ObjectWriter<'a> {
    out: &'a mut Vec<u8>,
    /// Where the first entry begins.
    first: usize,
    /// Where the entry that was added last begins.
    added: usize,
}

impl ObjectWriter<'_> {
    fn begin_entry(&mut self) {
        self.added = self.out.len();
        open(self.out, field::STRUCT_FIELDS);
    }

    fn end_entry<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let start = open(self.out, field::ENTRY_VALUE);
        value.serialize(ValueWriter { out: self.out })?;
        close(self.out, start);
        close(self.out, self.added + 2);
        Ok(())
    }

    /// Moves the entry that was added last to its place, and returns its length.
    fn sort(&mut self) -> usize {
        let name = name(&self.out[self.added..]);
        let mut place = self.first;
        let mut entries = Fields::new(&self.out[self.first..self.added]);
        while self::name(&self.out[place..]) < name && entries.next().is_some() {
            place = self.added - entries.rest();
        }
        let length = self.out.len() - self.added;
        self.out[place..].rotate_right(length);
        length
    }

    fn end(self) {
        close(self.out, self.first);
    }
}

/// The name of the first of some entries.
fn name(entries: &[u8]) -> &[u8] {
    let entry = match Fields::new(entries).next() {
        Some(Ok(field)) => field.content.bytes().and_then(entry),
        _ => return &[],
    };
    entry.map_or(&[], |(name, _)| name)
}

/// Writes a struct: most of its fields are declared in order.
struct StructWriter<'a> {
    object: ObjectWriter<'a>,
    /// The greatest name so far.
    greatest: &'static str,
}

impl SerializeStruct for StructWriter<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.object.begin_entry();
        write_text(self.object.out, field::ENTRY_KEY, name);
        self.object.end_entry(value)?;
        if name < self.greatest {
            self.object.sort();
        } else {
            self.greatest = name;
        }
        Ok(())
    }

    fn end(self) -> Result<(), Error> {
        self.object.end();
        Ok(())
    }
}

/// Writes a map. Most maps are sorted; structs that are flattened are maps too.
struct MapWriter<'a> {
    object: ObjectWriter<'a>,
    /// Where the entry with the greatest name begins.
    greatest: usize,
}

impl SerializeMap for MapWriter<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, name: &T) -> Result<(), Error> {
        const TEXT: u8 = key(field::VALUE_STRING, LEN);

        self.object.begin_entry();
        let out = &mut *self.object.out;
        let start = out.len();
        name.serialize(ValueWriter { out })?;
        // A text as a value and a text as a key differ in the number of their field.
        match out.get_mut(start) {
            Some(written) if *written == TEXT => {
                *written = key(field::ENTRY_KEY, LEN);
                Ok(())
            }
            _ => Err(Error::custom("a key is not a text")),
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.object.end_entry(value)?;
        let ObjectWriter { out, added, .. } = &self.object;
        if name(&out[*added..]) < name(&out[self.greatest..]) {
            self.greatest += self.object.sort();
        } else {
            self.greatest = *added;
        }
        Ok(())
    }

    fn end(self) -> Result<(), Error> {
        self.object.end();
        Ok(())
    }
}

/// Writes the items of a list.
struct ListWriter<'a> {
    out: &'a mut Vec<u8>,
    /// Where the first item begins.
    first: usize,
}

impl SerializeSeq for ListWriter<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Error> {
        let start = open(self.out, field::LIST_VALUES);
        item.serialize(ValueWriter { out: self.out })?;
        close(self.out, start);
        Ok(())
    }

    fn end(self) -> Result<(), Error> {
        close(self.out, self.first);
        Ok(())
    }
}

impl SerializeTuple for ListWriter<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Error> {
        SerializeSeq::serialize_element(self, item)
    }

    fn end(self) -> Result<(), Error> {
        SerializeSeq::end(self)
    }
}

impl SerializeTupleStruct for ListWriter<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Error> {
        SerializeSeq::serialize_element(self, item)
    }

    fn end(self) -> Result<(), Error> {
        SerializeSeq::end(self)
    }
}

/// Numbers travel as doubles.
macro_rules! numbers {
    ($($method:ident($number:ty)),*) => {$(
        fn $method(self, number: $number) -> Result<(), Error> {
            self.serialize_f64(number.into())
        }
    )*};
}

impl<'a> Serializer for ValueWriter<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = ListWriter<'a>;
    type SerializeTuple = ListWriter<'a>;
    type SerializeTupleStruct = ListWriter<'a>;
    type SerializeTupleVariant = Impossible<(), Error>;
    type SerializeMap = MapWriter<'a>;
    type SerializeStruct = StructWriter<'a>;
    type SerializeStructVariant = Impossible<(), Error>;

    numbers! {
        serialize_i8(i8), serialize_i16(i16), serialize_i32(i32),
        serialize_u8(u8), serialize_u16(u16), serialize_u32(u32), serialize_f32(f32)
    }

    fn serialize_i64(self, number: i64) -> Result<(), Error> {
        self.serialize_f64(number as f64)
    }

    fn serialize_u64(self, number: u64) -> Result<(), Error> {
        self.serialize_f64(number as f64)
    }

    fn serialize_f64(self, number: f64) -> Result<(), Error> {
        self.out.push(key(field::VALUE_NUMBER, I64));
        self.out.extend(number.to_le_bytes());
        Ok(())
    }

    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.out
            .extend([key(field::VALUE_BOOL, VARINT), u8::from(value)]);
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Result<(), Error> {
        write_text(self.out, field::VALUE_STRING, text);
        Ok(())
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), Error> {
        Err(Error::custom("bytes are not JSON"))
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.out.extend([key(field::VALUE_NULL, VARINT), 0]);
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let mut object = self.serialize_struct(name, 1)?;
        object.serialize_field(variant, value)?;
        object.end()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<ListWriter<'a>, Error> {
        Ok(self.list())
    }

    fn serialize_tuple(self, _: usize) -> Result<ListWriter<'a>, Error> {
        Ok(self.list())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<ListWriter<'a>, Error> {
        Ok(self.list())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        Err(Error::custom(variant))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<MapWriter<'a>, Error> {
        let object = self.object();
        Ok(MapWriter {
            greatest: object.first,
            object,
        })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<StructWriter<'a>, Error> {
        Ok(StructWriter {
            object: self.object(),
            greatest: "",
        })
    }

    /// Formats where the text belongs.
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), Error> {
        let start = open(self.out, field::VALUE_STRING);
        write!(self.out, "{value}").map_err(Error::custom)?;
        close(self.out, start);
        Ok(())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        Err(Error::custom(variant))
    }
}

#[cfg(test)]
mod tests;
