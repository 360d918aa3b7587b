//! The protobuf wire format, as far as `Struct` uses it.

use super::Error;

pub(super) const VARINT: u8 = 0;
pub(super) const I64: u8 = 1;
pub(super) const LEN: u8 = 2;
const I32: u8 = 5;

/// Field numbers of `Struct`, its map entries, `Value` and `ListValue`.
pub(super) mod field {
    pub(in super::super) const STRUCT_FIELDS: u32 = 1;
    pub(in super::super) const ENTRY_KEY: u32 = 1;
    pub(in super::super) const ENTRY_VALUE: u32 = 2;
    pub(in super::super) const VALUE_NULL: u32 = 1;
    pub(in super::super) const VALUE_NUMBER: u32 = 2;
    pub(in super::super) const VALUE_STRING: u32 = 3;
    pub(in super::super) const VALUE_BOOL: u32 = 4;
    pub(in super::super) const VALUE_STRUCT: u32 = 5;
    pub(in super::super) const VALUE_LIST: u32 = 6;
    pub(in super::super) const LIST_VALUES: u32 = 1;
}

/// One field: its number and its content.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) number: u32,
    pub(super) content: Content<'a>,
}

/// The content of a field.
#[derive(Debug, Clone, Copy)]
pub(super) enum Content<'a> {
    Varint(u64),
    I64([u8; 8]),
    Len(&'a [u8]),
    /// Fixed 32 bits: no field of `Struct`, but an unknown field may be one.
    I32,
}

impl<'a> Content<'a> {
    pub(super) fn bytes(self) -> Result<&'a [u8], Error> {
        match self {
            Self::Len(bytes) => Ok(bytes),
            other => Err(Error::WireType(other.wire_type())),
        }
    }

    pub(super) fn text(self) -> Result<&'a str, Error> {
        text(self.bytes()?)
    }

    pub(super) fn wire_type(self) -> u8 {
        match self {
            Self::Varint(_) => VARINT,
            Self::I64(_) => I64,
            Self::Len(_) => LEN,
            Self::I32 => I32,
        }
    }
}

/// The fields of a message, in the order in which they were written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// How many bytes are left.
    pub(super) fn rest(&self) -> usize {
        self.rest.len()
    }

    #[inline]
    fn cut(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Error::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, Error> {
        // Nearly all keys and most lengths are one byte.
        if let [byte @ ..0x80, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(u64::from(*byte));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<u64, Error> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or(Error::Truncated)?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Error::Truncated)
    }

    /// The next field, if it is as nearly all of them are: length-delimited, with a
    /// key of one byte. Takes nothing otherwise.
    #[inline]
    fn delimited(&mut self) -> Option<Field<'a>> {
        let (&key, rest) = self.rest.split_first()?;
        if key >= 0x80 || key & 7 != LEN {
            return None;
        }
        let mut after = Self { rest };
        let length = usize::try_from(after.varint().ok()?).ok()?;
        let content = after.cut(length).ok()?;
        self.rest = after.rest;
        Some(Field {
            number: u32::from(key >> 3),
            content: Content::Len(content),
        })
    }

    fn field(&mut self) -> Result<Field<'a>, Error> {
        let key = self.varint()?;
        let wire_type = (key & 7) as u8;
        let number = u32::try_from(key >> 3).map_err(|_| Error::Truncated)?;
        let content = match wire_type {
            VARINT => Content::Varint(self.varint()?),
            I64 => {
                let mut bytes = [0; 8];
                bytes.copy_from_slice(self.cut(8)?);
                Content::I64(bytes)
            }
            LEN => {
                let length = usize::try_from(self.varint()?).map_err(|_| Error::Truncated)?;
                Content::Len(self.cut(length)?)
            }
            I32 => {
                self.cut(4)?;
                Content::I32
            }
            other => return Err(Error::WireType(other)),
        };
        Ok(Field { number, content })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Error>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        if let Some(field) = self.delimited() {
            return Some(Ok(field));
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// Number and content of the only field of a message, if that is length-delimited.
#[inline]
pub(super) fn single(message: &[u8]) -> Option<(u32, &[u8])> {
    let (&key, rest) = message.split_first()?;
    if key >= 0x80 || key & 7 != LEN {
        return None;
    }
    Some((u32::from(key >> 3), whole(rest)?))
}

/// What is behind a length, if nothing comes after it.
#[inline]
fn whole(delimited: &[u8]) -> Option<&[u8]> {
    let mut content = Fields::new(delimited);
    let length = content.varint().ok()?;
    (length == content.rest.len() as u64).then_some(content.rest)
}

/// Splits a map entry into its key, which should be UTF-8, and the bytes of its value.
#[inline]
pub(super) fn entry(message: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    match usual_entry(message) {
        Some(entry) => Ok(entry),
        None => any_entry(message),
    }
}

/// An entry as encoders write it: the key, which is short, then the value, and nothing
/// else.
#[inline]
fn usual_entry(message: &[u8]) -> Option<(&[u8], &[u8])> {
    const KEY: u8 = key(field::ENTRY_KEY, LEN);
    const VALUE: u8 = key(field::ENTRY_VALUE, LEN);

    let [KEY, length @ ..0x80, rest @ ..] = message else {
        return None;
    };
    let (key, value) = rest.split_at_checked(usize::from(*length))?;
    match value {
        [VALUE, value @ ..] => Some((key, whole(value)?)),
        _ => None,
    }
}

fn any_entry(message: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    let mut key: &[u8] = &[];
    let mut value: &[u8] = &[];
    for field in Fields::new(message) {
        let field = field?;
        match field.number {
            field::ENTRY_KEY => key = field.content.bytes()?,
            field::ENTRY_VALUE => value = field.content.bytes()?,
            _ => {}
        }
    }
    Ok((key, value))
}

/// Bytes as text.
pub(super) fn text(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|_| Error::Utf8)
}

/// Field numbers of `Struct` are below 16: the key is one byte.
pub(super) const fn key(number: u32, wire_type: u8) -> u8 {
    (number << 3) as u8 | wire_type
}

fn varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Begins a length-delimited field and returns where its content begins.
pub(super) fn open(out: &mut Vec<u8>, number: u32) -> usize {
    out.extend([key(number, LEN), 0]);
    out.len()
}

/// Ends the field whose content begins here. Its length is known only now: one byte was
/// kept free for it, which is enough for most, and longer ones move the content. That is
/// cheaper than to compute all lengths beforehand, at each level those of all levels
/// below.
pub(super) fn close(out: &mut Vec<u8>, start: usize) {
    let end = out.len();
    let length = end - start;
    if length < 0x80 {
        out[start - 1] = length as u8;
    } else {
        out[start - 1] = (length & 0x7f) as u8 | 0x80;
        varint(out, length >> 7);
        let more = out.len() - end;
        out[start..].rotate_right(more);
    }
}

/// Writes a text as a field.
pub(super) fn write_text(out: &mut Vec<u8>, number: u32, text: &str) {
    match u8::try_from(text.len()) {
        Ok(length @ ..0x80) => out.extend_from_slice(&[key(number, LEN), length]),
        _ => {
            out.push(key(number, LEN));
            varint(out, text.len());
        }
    }
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Why, the bytes of an entry, and the key and value in it.
    type EntryCase = (
        &'static str,
        &'static [u8],
        Result<(&'static [u8], &'static [u8]), Error>,
    );

    #[test]
    fn an_entry_is_read_however_it_is_written() {
        let cases: [EntryCase; 8] = [
            ("key, value", b"\x0a\x01k\x12\x02vv", Ok((b"k", b"vv"))),
            ("value, key", b"\x12\x02vv\x0a\x01k", Ok((b"k", b"vv"))),
            (
                "the last key counts",
                b"\x0a\x01k\x12\x01v\x0a\x01l",
                Ok((b"l", b"v")),
            ),
            ("no value", b"\x0a\x01k", Ok((b"k", b""))),
            ("nothing", b"", Ok((b"", b""))),
            (
                "an unknown field",
                b"\x0a\x01k\x12\x01v\x18\x07",
                Ok((b"k", b"v")),
            ),
            (
                "a long form of a length",
                b"\x0a\x81\x00k\x12\x01v",
                Ok((b"k", b"v")),
            ),
            (
                "a key that is a number",
                b"\x08\x01\x12\x01v",
                Err(Error::WireType(VARINT)),
            ),
        ];
        for (why, message, expected) in cases {
            assert_eq!(entry(message), expected, "{why}");
        }
    }

    #[test]
    fn a_length_beyond_the_end_is_an_error_and_the_last_item() {
        let mut fields = Fields::new(b"\x0a\x05abc");
        assert!(matches!(fields.next(), Some(Err(Error::Truncated))));
        assert!(fields.next().is_none());
    }
}
