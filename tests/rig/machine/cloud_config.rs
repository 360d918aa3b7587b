//! User data as cloud-init reads it: `#cloud-config` with `write_files` and `runcmd`.
//!
//! Stricter than cloud-init, which warns and goes on where a machine then comes up half-made: what it would warn about is
//! refused here.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use serde::Deserialize;

const HEADER: &str = "#cloud-config";
/// What Hetzner accepts as user data.
const MAX_LENGTH: usize = 32 * 1024;
const DEFAULT_MODE: u32 = 0o644;
const OWNER: &str = "root:root";

/// What a machine does at its first boot.
#[derive(Debug)]
pub(super) struct CloudConfig {
    /// The files that are written, by path.
    pub(super) files: BTreeMap<String, File>,
    /// The commands that are run, in their order.
    pub(super) commands: Vec<Vec<String>>,
}

/// A file that is written. Its Debug output does not contain the content.
#[derive(Clone)]
pub(super) struct File {
    pub(super) mode: u32,
    pub(super) content: Vec<u8>,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("mode", &format_args!("{:04o}", self.mode))
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    write_files: Vec<WriteFile>,
    #[serde(default)]
    runcmd: Vec<RunCommand>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WriteFile {
    path: String,
    #[serde(default)]
    content: String,
    owner: Option<String>,
    permissions: Option<String>,
    encoding: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RunCommand {
    Words(Vec<String>),
    Line(String),
}

impl CloudConfig {
    /// Reads user data.
    pub(super) fn parse(text: &str) -> Result<Self> {
        ensure!(
            text.len() <= MAX_LENGTH,
            "user data has {} bytes, more than {MAX_LENGTH}",
            text.len()
        );
        let first = text.lines().next().unwrap_or_default();
        ensure!(
            first.trim_end() == HEADER,
            "user data does not start with {HEADER}: cloud-init ignores it"
        );
        let document: Document = serde_saphyr::from_str_with_options(text, options())
            .map_err(|error| anyhow::anyhow!("read user data: {}", location(&error)))?;
        let mut files = BTreeMap::new();
        for (index, file) in document.write_files.into_iter().enumerate() {
            let path = file.path.clone();
            let file = file
                .decode()
                .with_context(|| format!("write_files[{index}], {path}"))?;
            ensure!(
                files.insert(path.clone(), file).is_none(),
                "write_files[{index}]: {path} is written twice"
            );
        }
        let commands = document.runcmd.into_iter().map(RunCommand::words);
        Ok(Self {
            files,
            commands: commands.collect(),
        })
    }

    /// A file as text.
    pub(super) fn text(&self, path: &str) -> Result<&str> {
        let file = self
            .files
            .get(path)
            .with_context(|| format!("user data has no {path}"))?;
        std::str::from_utf8(&file.content).with_context(|| format!("{path} is no text"))
    }
}

/// What another YAML library would read differently is refused: cloud-init uses PyYAML, which takes `yes` for a truth value.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        no_schema: true,
        with_snippet: false,
    }
}

/// The message without the excerpt, which may hold secrets.
fn location(error: &serde_saphyr::Error) -> String {
    let message = error.to_string();
    message.lines().next().unwrap_or_default().to_owned()
}

impl WriteFile {
    fn decode(self) -> Result<File> {
        ensure!(self.path.starts_with('/'), "the path is not absolute");
        let owner = self.owner.as_deref().unwrap_or(OWNER);
        ensure!(owner == OWNER, "the owner is {owner}, not {OWNER}");
        let mode = match &self.permissions {
            None => DEFAULT_MODE,
            Some(text) => u32::from_str_radix(text, 8)
                .ok()
                .filter(|mode| *mode <= 0o7777)
                .with_context(|| format!("permissions {text:?} are not octal"))?,
        };
        let content = self.content.into_bytes();
        let content = match self.encoding.as_deref() {
            None | Some("text/plain") => content,
            Some("b64" | "base64") => unbase64(&content)?,
            Some("gz" | "gzip") => gunzip(&content)?,
            Some("gz+b64" | "gz+base64" | "gzip+b64" | "gzip+base64") => {
                gunzip(&unbase64(&content)?)?
            }
            Some(other) => bail!("cloud-init does not know the encoding {other:?}"),
        };
        Ok(File { mode, content })
    }
}

impl RunCommand {
    fn words(self) -> Vec<String> {
        match self {
            Self::Words(words) => words,
            Self::Line(line) => vec!["sh".to_owned(), "-c".to_owned(), line],
        }
    }
}

fn unbase64(text: &[u8]) -> Result<Vec<u8>> {
    // Line breaks do not matter to cloud-init.
    let text: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    STANDARD.decode(text).context("content is not base64")
}

fn gunzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    GzDecoder::new(bytes)
        .read_to_end(&mut content)
        .context("content is not gzip")?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn refusal(text: &str) -> String {
        format!("{:#}", CloudConfig::parse(text).unwrap_err())
    }

    #[test]
    fn files_are_decoded_and_commands_kept_in_order() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(b"packed").unwrap();
        let packed = STANDARD.encode(gzip.finish().unwrap());
        let text = format!(
            "#cloud-config\n\
             write_files:\n\
             - {{path: /a, permissions: \"0755\", content: \"plain\\n\"}}\n\
             - {{path: /b, owner: \"root:root\", encoding: b64, content: aGk=}}\n\
             - path: /c\n  encoding: gz+b64\n  permissions: \"0600\"\n  content: {packed}\n\
             runcmd:\n\
             - [systemctl, daemon-reload]\n\
             - \"echo hi\"\n"
        );
        let config = CloudConfig::parse(&text).unwrap();
        let files: Vec<_> = config
            .files
            .iter()
            .map(|(path, file)| (path.as_str(), file.mode, file.content.as_slice()))
            .collect();
        let expected: [(&str, u32, &[u8]); 3] = [
            ("/a", 0o755, b"plain\n"),
            ("/b", 0o644, b"hi"),
            ("/c", 0o600, b"packed"),
        ];
        assert_eq!(files, expected);
        assert_eq!(
            config.commands,
            [
                vec!["systemctl", "daemon-reload"],
                vec!["sh", "-c", "echo hi"]
            ]
        );
        assert!(!format!("{config:?}").contains("plain"));
    }

    #[test]
    fn what_cloud_init_ignores_or_guesses_at_is_refused() {
        let file = |file: &str| format!("#cloud-config\nwrite_files:\n- {{{file}}}\n");
        let table = [
            (
                "runcmd: []\n".to_owned(),
                "does not start with #cloud-config",
            ),
            ("#cloud-config \nwrite_file: []\n".to_owned(), "write_file"),
            (
                "#cloud-config\nwrite_files: {}\n".to_owned(),
                "read user data",
            ),
            (
                "#cloud-config\nruncmd: [{a: b}]\n".to_owned(),
                "read user data",
            ),
            (file("path: a"), "not absolute"),
            (file("path: /a, permissions: 644"), "read user data"),
            (file("path: /a, permissions: \"9\""), "not octal"),
            (file("path: /a, mode: \"0644\""), "mode"),
            (file("path: /a, owner: nobody"), "the owner is nobody"),
            (file("path: /a, encoding: zstd"), "encoding \"zstd\""),
            (
                file("path: /a, encoding: b64, content: \"?\""),
                "not base64",
            ),
            (
                file("path: /a, encoding: gz+b64, content: aGk="),
                "not gzip",
            ),
            (file("path: /a, content: yes"), "read user data"),
            (
                "#cloud-config\nwrite_files: [{path: /a}, {path: /a}]\n".to_owned(),
                "/a is written twice",
            ),
            (
                format!("#cloud-config\n# {}\n", "x".repeat(MAX_LENGTH)),
                "more than 32768",
            ),
        ];
        for (text, expected) in table {
            let message = refusal(&text);
            assert!(message.contains(expected), "{expected}: {message}");
        }
    }
}
