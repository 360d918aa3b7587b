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
        std::str::from_utf8(self.bytes()?).map_err(|_| Error::Utf8)
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

    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Error::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, Error> {
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

    fn field(&mut self) -> Result<Field<'a>, Error> {
        let key = self.varint()?;
        let wire_type = (key & 7) as u8;
        let number = u32::try_from(key >> 3).map_err(|_| Error::Truncated)?;
        let content = match wire_type {
            VARINT => Content::Varint(self.varint()?),
            I64 => {
                let mut bytes = [0; 8];
                bytes.copy_from_slice(self.take(8)?);
                Content::I64(bytes)
            }
            LEN => {
                let length = usize::try_from(self.varint()?).map_err(|_| Error::Truncated)?;
                Content::Len(self.take(length)?)
            }
            I32 => {
                self.take(4)?;
                Content::I32
            }
            other => return Err(Error::WireType(other)),
        };
        Ok(Field { number, content })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// Splits a map entry into its key and the bytes of its value.
pub(super) fn entry(message: &[u8]) -> Result<(&str, &[u8]), Error> {
    let mut key = "";
    let mut value: &[u8] = &[];
    for field in Fields::new(message) {
        let field = field?;
        match field.number {
            field::ENTRY_KEY => key = field.content.text()?,
            field::ENTRY_VALUE => value = field.content.bytes()?,
            _ => {}
        }
    }
    Ok((key, value))
}
