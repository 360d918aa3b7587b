//! File system layers: a tar archive, compressed with gzip, that depends on nothing but its entries.

use std::io::{self, Write as _};

use bytes::Bytes;
use flate2::{Compression, GzBuilder};
use tar::{EntryType, Header};

use crate::oci::{Blob, Digest};

/// One entry of an archive. Owner is root and the time is the epoch, always.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    path: String,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Directory,
    File { mode: u32, data: Bytes },
}

impl Entry {
    /// A directory that everybody may read.
    pub(crate) fn directory(path: &str) -> Self {
        Self {
            path: format!("{path}/"),
            content: Content::Directory,
        }
    }

    /// A file that everybody may read.
    pub(crate) fn file(path: impl Into<String>, data: impl Into<Bytes>) -> Self {
        Self {
            path: path.into(),
            content: Content::File {
                mode: 0o644,
                data: data.into(),
            },
        }
    }

    /// A file that everybody may read and execute.
    pub(crate) fn executable(path: impl Into<String>, data: impl Into<Bytes>) -> Self {
        Self {
            path: path.into(),
            content: Content::File {
                mode: 0o755,
                data: data.into(),
            },
        }
    }
}

/// A compressed layer, and the digest of the archive inside.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub(crate) blob: Blob,
    pub(crate) diff_id: Digest,
}

impl Layer {
    /// Packs `entries`, sorted by path.
    ///
    /// Fails only for a path that a tar header cannot hold.
    pub(crate) fn pack(mut entries: Vec<Entry>) -> io::Result<Self> {
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        let archive = archive(&entries)?;
        // The header of the gzip stream is fixed as well: no name, no time, unknown operating system.
        let mut gzip = GzBuilder::new().write(Vec::new(), Compression::best());
        gzip.write_all(&archive)?;
        Ok(Self {
            blob: Blob::new(gzip.finish()?),
            diff_id: Digest::of(&archive),
        })
    }
}

/// Writes `entries` in the given order as an uncompressed tar archive.
pub(crate) fn archive(entries: &[Entry]) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for entry in entries {
        let (kind, mode, data) = match &entry.content {
            Content::Directory => (EntryType::Directory, 0o755, &[] as &[u8]),
            Content::File { mode, data } => (EntryType::Regular, *mode, data.as_ref()),
        };
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(data.len() as u64);
        archive.append_data(&mut header, &entry.path, data)?;
    }
    archive.into_inner()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    fn entries() -> Vec<Entry> {
        vec![
            Entry::directory("etc"),
            Entry::file("etc/passwd", "root\n"),
            Entry::executable("app", vec![7; 100_000]),
        ]
    }

    #[test]
    fn the_order_of_the_inputs_does_not_show() {
        let forwards = Layer::pack(entries()).unwrap();
        let backwards = Layer::pack(entries().into_iter().rev().collect()).unwrap();
        assert_eq!(forwards.blob, backwards.blob);
        assert_eq!(forwards.diff_id, backwards.diff_id);
    }

    #[test]
    fn entries_carry_no_trace_of_the_building_machine() {
        let layer = Layer::pack(entries()).unwrap();
        let mut archive = Vec::new();
        GzDecoder::new(layer.blob.data.as_ref())
            .read_to_end(&mut archive)
            .unwrap();
        assert_eq!(Digest::of(&archive), layer.diff_id);

        let mut found = Vec::new();
        for entry in tar::Archive::new(archive.as_slice()).entries().unwrap() {
            let entry = entry.unwrap();
            let header = entry.header();
            assert_eq!(
                (
                    header.uid().unwrap(),
                    header.gid().unwrap(),
                    header.mtime().unwrap()
                ),
                (0, 0, 0)
            );
            assert_eq!(header.username().unwrap().unwrap_or_default(), "");
            found.push((
                entry.path().unwrap().display().to_string(),
                header.mode().unwrap(),
            ));
        }
        assert_eq!(
            found,
            [
                ("app".to_owned(), 0o755),
                ("etc/".to_owned(), 0o755),
                ("etc/passwd".to_owned(), 0o644)
            ]
        );
    }

    #[test]
    fn the_gzip_header_is_fixed() {
        let layer = Layer::pack(entries()).unwrap();
        assert_eq!(
            layer.blob.data[..10],
            [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255],
            "deflate, no flags, no time, best compression, unknown system"
        );
    }
}
