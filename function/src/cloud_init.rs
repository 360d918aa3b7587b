//! User data that cloud-init reads: files to write and commands to run at the first
//! boot.
//!
//! The result is text (`#cloud-config`), because the Hetzner API takes user data as a
//! string. When it grows, the contents of files are compressed one by one; the
//! document around them stays readable.

use std::fmt::{self, Write as _};
use std::io::Write as _;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::{Compression, GzBuilder};

use crate::pki::Secret;

/// What the Hetzner API accepts at most, in bytes.
pub const LIMIT: usize = 32 * 1024;

/// From this size on, files are compressed. Below it, a document is left readable.
const COMPRESS_FROM: usize = LIMIT / 2;

/// How many files an error names.
const NAMED: usize = 3;

/// A file to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    path: &'static str,
    mode: Mode,
    content: Secret,
}

/// Who may read and run a file. All belong to root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Root alone.
    Private,
    /// Everybody may read it.
    Public,
    /// Everybody may run it.
    Executable,
}

impl Mode {
    fn octal(self) -> &'static str {
        match self {
            Self::Private => "0600",
            Self::Public => "0644",
            Self::Executable => "0755",
        }
    }
}

impl File {
    /// A file with this content.
    pub fn new(path: &'static str, mode: Mode, content: impl Into<String>) -> Self {
        Self {
            path,
            mode,
            content: Secret::new(content),
        }
    }
}

/// Writes the document.
///
/// # Errors
///
/// When it does not fit even with every file compressed.
pub fn document(files: &[File], commands: &[&[&str]]) -> Result<Secret, TooLarge> {
    let plain = write(files, commands, Encoding::Plain);
    if plain.len() < COMPRESS_FROM {
        return Ok(Secret::new(plain));
    }
    let packed = write(files, commands, Encoding::Smallest);
    if packed.len() <= LIMIT {
        return Ok(Secret::new(packed));
    }
    let mut largest: Vec<_> = files
        .iter()
        .map(|file| (file.path, body(file, Encoding::Smallest).len()))
        .collect();
    largest.sort_by_key(|(path, size)| (std::cmp::Reverse(*size), *path));
    largest.truncate(NAMED);
    Err(TooLarge {
        size: packed.len(),
        largest,
    })
}

/// User data that no server can be given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", Message(self))]
pub struct TooLarge {
    /// Size of the whole document in bytes.
    pub size: usize,
    /// The largest files: path, and size in the document in bytes.
    pub largest: Vec<(&'static str, usize)>,
}

struct Message<'a>(&'a TooLarge);

impl fmt::Display for Message<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TooLarge { size, largest } = self.0;
        write!(
            formatter,
            "user data has {size} bytes after compression, and a server takes at most {LIMIT}: \
             shorten what goes into"
        )?;
        for (index, (path, size)) in largest.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(formatter, "{separator} {path} ({size} bytes)")?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Plain,
    Smallest,
}

fn write(files: &[File], commands: &[&[&str]], encoding: Encoding) -> String {
    let mut text = String::from("#cloud-config\nwrite_files:\n");
    for file in files {
        text.push_str(&body(file, encoding));
    }
    text.push_str("runcmd:\n");
    for command in commands {
        let words: Vec<_> = command.iter().map(|word| quoted(word)).collect();
        text.push_str("- [");
        text.push_str(&words.join(", "));
        text.push_str("]\n");
    }
    text
}

/// The entry of a file in the document.
fn body(file: &File, encoding: Encoding) -> String {
    let mut text = format!(
        "- path: {}\n  owner: root:root\n  permissions: {}\n",
        quoted(file.path),
        quoted(file.mode.octal())
    );
    let content = file.content.expose();
    let plain = block(content);
    let packed = match encoding {
        Encoding::Plain => None,
        Encoding::Smallest => gzip(content.as_bytes()).map(|bytes| BASE64_STANDARD.encode(bytes)),
    };
    match packed.filter(|packed| packed.len() < plain.len()) {
        Some(packed) => {
            text.push_str("  encoding: gz+b64\n  content: ");
            text.push_str(&packed);
            text.push('\n');
        }
        None => {
            text.push_str("  content: ");
            text.push_str(&plain);
        }
    }
    text
}

/// Text as a literal block, or quoted where a block would not give it back exactly.
fn block(content: &str) -> String {
    let literal = content.ends_with('\n')
        && !content.ends_with("\n\n")
        && !content.starts_with([' ', '\n'])
        && !content.contains(|character: char| character.is_control() && character != '\n');
    if !literal {
        return format!("{}\n", quoted(content));
    }
    let mut text = String::from("|\n");
    for line in content.lines() {
        if !line.is_empty() {
            text.push_str("    ");
            text.push_str(line);
        }
        text.push('\n');
    }
    text
}

/// A string in double quotes: what JSON writes, YAML reads.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            // Writing into a String cannot fail.
            other if other.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(other));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// Compresses without a name or a time, so that the same text gives the same bytes.
fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::best());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use expect_test::expect;
    use serde_json::{Value, json};

    use super::*;

    /// What cloud-init would write: path, mode and content of each file.
    fn written(document: &Secret) -> Vec<(String, String, String)> {
        let text = document.expose();
        assert!(text.starts_with("#cloud-config\n"));
        let document: Value = serde_saphyr::from_str(text).unwrap();
        let files = document["write_files"].as_array().unwrap();
        files
            .iter()
            .map(|file| {
                assert_eq!(file["owner"], "root:root");
                let content = file["content"].as_str().unwrap();
                let content = match file["encoding"].as_str() {
                    None => content.to_owned(),
                    Some("gz+b64") => {
                        let bytes = BASE64_STANDARD.decode(content).unwrap();
                        let mut text = String::new();
                        flate2::read::GzDecoder::new(bytes.as_slice())
                            .read_to_string(&mut text)
                            .unwrap();
                        text
                    }
                    Some(other) => panic!("unknown encoding {other}"),
                };
                let text = |key: &str| file[key].as_str().unwrap().to_owned();
                (text("path"), text("permissions"), content)
            })
            .collect()
    }

    #[test]
    fn a_small_document_is_readable() {
        let files = [
            File::new("/etc/a", Mode::Private, "one\n\n  two: \"2\"\n"),
            File::new("/usr/local/bin/b", Mode::Executable, "#!/bin/sh\n"),
        ];
        let document = document(&files, &[&["systemctl", "daemon-reload"]]).unwrap();
        expect![[r##"
            #cloud-config
            write_files:
            - path: "/etc/a"
              owner: root:root
              permissions: "0600"
              content: |
                one

                  two: "2"
            - path: "/usr/local/bin/b"
              owner: root:root
              permissions: "0755"
              content: |
                #!/bin/sh
            runcmd:
            - ["systemctl", "daemon-reload"]
        "##]]
        .assert_eq(document.expose());
    }

    #[test]
    fn every_content_comes_back_exactly() {
        for content in [
            "",
            "a",
            "a\n",
            "a\n\n",
            "\na\n",
            " a\n b\n",
            "a\tb\n",
            "a: b # c\n- \"d\" \\ 'e'\n",
            "\u{1}\u{7f}\u{85}\u{2028} ü \u{1f600}\n",
            "#cloud-config\n---\n...\n%YAML\n",
            "no trailing newline\n  indented",
        ] {
            for size in [0, COMPRESS_FROM] {
                let files = [
                    File::new("/a", Mode::Public, content),
                    File::new("/b", Mode::Private, "x".repeat(size)),
                ];
                let document = document(&files, &[]).unwrap();
                let (path, mode, read) = written(&document).remove(0);
                assert_eq!((path.as_str(), mode.as_str()), ("/a", "0644"));
                assert_eq!(read, content);
            }
        }
    }

    #[test]
    fn commands_are_lists_of_words() {
        let document = document(&[], &[&["a", "--b=\"c\""], &["d"]]).unwrap();
        let value: Value = serde_saphyr::from_str(document.expose()).unwrap();
        assert_eq!(value["runcmd"], json!([["a", "--b=\"c\""], ["d"]]));
    }

    #[test]
    fn a_large_document_is_compressed() {
        let files = [
            File::new("/large", Mode::Private, "line\n".repeat(20_000)),
            File::new("/small", Mode::Public, "line\n"),
        ];
        let document = document(&files, &[]).unwrap();
        assert!(document.expose().len() < 2_000);
        assert_eq!(document.expose().matches("gz+b64").count(), 1);
        let written = written(&document);
        assert_eq!(written[0].2, "line\n".repeat(20_000));
        assert_eq!(written[1].2, "line\n");
        let again = super::document(&files, &[]).unwrap();
        assert_eq!(document, again);
    }

    /// Text that cannot be compressed: every character is as likely as another.
    fn noise(length: usize) -> String {
        let mut state = 1u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(b'!' + u8::try_from(state % 90).unwrap())
        };
        std::iter::repeat_with(&mut next).take(length).collect()
    }

    #[test]
    fn the_limit_is_met_to_the_byte() {
        let fits = |length| {
            let files = [File::new("/noise", Mode::Private, noise(length))];
            document(&files, &[]).map(|document| document.expose().len())
        };
        let (mut low, mut high) = (1_000, 100_000);
        while low + 1 < high {
            let middle = usize::midpoint(low, high);
            if fits(middle).is_ok() {
                low = middle;
            } else {
                high = middle;
            }
        }
        assert!((LIMIT - 8..=LIMIT).contains(&fits(low).unwrap()));
        assert!(fits(high).unwrap_err().size > LIMIT);
    }

    #[test]
    fn what_is_too_large_is_named() {
        let files = [
            File::new("/etc/a", Mode::Private, noise(30_000)),
            File::new("/etc/b", Mode::Private, noise(9_000)),
            File::new("/etc/c", Mode::Private, noise(20_000)),
            File::new("/etc/d", Mode::Private, "x\n"),
        ];
        let error = document(&files, &[]).unwrap_err();
        expect!["user data has 60676 bytes after compression, and a server takes at most 32768: shorten what goes into /etc/a (30756 bytes), /etc/c (20526 bytes), /etc/b (9282 bytes)"].assert_eq(&error.to_string());
    }

    #[test]
    fn contents_are_not_shown() {
        let file = File::new("/a", Mode::Private, "password");
        let shown = format!("{file:?} {:?}", document(std::slice::from_ref(&file), &[]));
        assert!(!shown.contains("password"), "{shown}");
    }
}
