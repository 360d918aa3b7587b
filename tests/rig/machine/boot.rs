//! What a machine is to become, read from its user data before anything is started.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use ipnet::Ipv4Net;

use super::cloud_config::CloudConfig;
use super::config::{Command, Config};
use super::pki::Authorities;
use super::token::{Token, hash};

const SETTINGS: &str = "/etc/default/k3s-prepare";
const PREPARE: &str = "k3s-prepare.service";
const UNITS: &str = "/etc/systemd/system/";
const K3S: &str = "/usr/local/bin/k3s";

/// A machine as its user data describes it.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) part: Part,
    /// Where the API of the cluster is reached inside of the network.
    pub(super) join: JoinAddress,
    pub(super) token: Token,
    pub(super) config: Config,
    /// The private network that the machine waits for.
    pub(super) network: Ipv4Net,
    pub(super) version: String,
    pub(super) files: CloudConfig,
}

/// What a machine does in its cluster.
#[derive(Debug)]
pub(super) enum Part {
    /// Makes the cluster.
    Initial(Arc<Authorities>),
    /// Joins as a server.
    Server,
    /// Joins as an agent.
    Agent,
}

/// The host and port of a join URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct JoinAddress {
    pub(super) host: Ipv4Addr,
    pub(super) port: u16,
}

impl std::fmt::Display for JoinAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl JoinAddress {
    fn parse(url: &str) -> Result<Self> {
        let address = url.strip_prefix("https://").and_then(|rest| {
            let (host, port) = rest.split_once(':')?;
            Some((host.parse().ok()?, port.parse().ok()?))
        });
        let (host, port) =
            address.with_context(|| format!("{url} is not https://<IPv4 address>:<port>"))?;
        Ok(Self { host, port })
    }
}

impl Machine {
    /// Reads user data.
    pub(super) fn from_user_data(text: &str) -> Result<Self> {
        let files = CloudConfig::parse(text)?;
        let settings = Settings::read(&files)?;
        check_commands(&files)?;
        let command = check_unit(&files)?;
        let config = Config::read(&files, command)?;
        let token = config
            .text("token")
            .context("the configuration has no token")?;
        let token = Token::parse(token)?;
        let server = config.text("server");
        let part = match (command, config.flag("cluster-init"), server) {
            (Command::Server, true, None) => {
                let authorities = Authorities::read(&files)?;
                let found = hash(&authorities.server.certificate);
                ensure!(
                    token.authority == found,
                    "the token is for authority {}, but server-ca.crt is {found}",
                    token.authority
                );
                Part::Initial(Arc::new(authorities))
            }
            (Command::Server, false, Some(_)) => Part::Server,
            (Command::Agent, _, Some(_)) => Part::Agent,
            (Command::Server, true, Some(_)) => {
                bail!("the server both initialises a cluster and joins one")
            }
            (Command::Server, false, None) => {
                bail!("the server neither initialises a cluster nor joins one")
            }
            (Command::Agent, _, None) => bail!("the agent has no server to join"),
        };
        let join = JoinAddress::parse(settings.get("JOIN_URL")?).context("read JOIN_URL")?;
        if let Some(server) = server {
            let server = JoinAddress::parse(server).context("read server")?;
            ensure!(server == join, "server is {server}, but JOIN_URL {join}");
        }
        let role = match &part {
            Part::Initial(_) => "init",
            Part::Server => "server",
            Part::Agent => "agent",
        };
        settings.expect("ROLE", role)?;
        settings.expect("CA_SHA256", &token.authority)?;
        let user = match command {
            Command::Server => "server",
            Command::Agent => "node",
        };
        ensure!(
            token.user == user,
            "the token is for {}, not {user}",
            token.user
        );
        if !matches!(part, Part::Initial(_)) {
            let key = files.files.keys().find(|path| path.ends_with(".key"));
            ensure!(key.is_none(), "a joining machine has a key: {key:?}");
        }
        Ok(Self {
            part,
            join,
            token,
            network: settings
                .get("NETWORK")?
                .parse()
                .context("read NETWORK as a range")?,
            version: settings.get("VERSION")?.to_owned(),
            config,
            files,
        })
    }
}

/// The settings of the script that prepares the machine: `NAME='value'` lines.
struct Settings(BTreeMap<String, String>);

impl Settings {
    fn read(files: &CloudConfig) -> Result<Self> {
        let mut settings = BTreeMap::new();
        let lines = files.text(SETTINGS)?.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let parts = line.split_once('=').and_then(|(name, value)| {
                let value = value.strip_prefix('\'')?.strip_suffix('\'')?;
                (!value.contains('\'')).then_some((name, value))
            });
            let (name, value) =
                parts.with_context(|| format!("{SETTINGS} has a line that is not NAME='value'"))?;
            settings.insert(name.to_owned(), value.to_owned());
        }
        Ok(Self(settings))
    }

    fn get(&self, name: &str) -> Result<&str> {
        let value = self.0.get(name).map(String::as_str);
        value
            .filter(|value| !value.is_empty())
            .with_context(|| format!("{SETTINGS} has no {name}"))
    }

    fn expect(&self, name: &str, expected: &str) -> Result<()> {
        let found = self.get(name)?;
        ensure!(
            found == expected,
            "{name} in {SETTINGS} is {found}, not {expected}"
        );
        Ok(())
    }
}

/// The commands start the unit that prepares the machine, and its program exists.
fn check_commands(files: &CloudConfig) -> Result<()> {
    let starts = |command: &&Vec<String>| {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        matches!(words.as_slice(), ["systemctl", "enable", options @ .., PREPARE] if options.contains(&"--now"))
    };
    ensure!(
        files.commands.iter().any(|command| starts(&command)),
        "no command enables and starts {PREPARE}"
    );
    let program = exec_start(files, PREPARE)?;
    let program = program.split_whitespace().next().unwrap_or_default();
    let file = files.files.get(program);
    let file = file.with_context(|| format!("{PREPARE} runs {program}, which is not written"))?;
    ensure!(
        file.mode & 0o111 != 0,
        "{PREPARE} runs {program}, which is not executable"
    );
    Ok(())
}

/// The unit of k3s says with which of its commands it runs.
fn check_unit(files: &CloudConfig) -> Result<Command> {
    let exists = |unit: &str| files.files.contains_key(&format!("{UNITS}{unit}"));
    let (unit, command, word) = match (exists("k3s.service"), exists("k3s-agent.service")) {
        (true, false) => ("k3s.service", Command::Server, "server"),
        (false, true) => ("k3s-agent.service", Command::Agent, "agent"),
        (true, true) => bail!("the machine has a unit for a server and one for an agent"),
        (false, false) => bail!("the machine has no unit for k3s"),
    };
    let line = exec_start(files, unit)?;
    let mut words = line.split_whitespace();
    ensure!(
        words.next() == Some(K3S) && words.next() == Some(word),
        "{unit} runs {line}, not {K3S} {word}"
    );
    Ok(command)
}

fn exec_start<'a>(files: &'a CloudConfig, unit: &str) -> Result<&'a str> {
    let mut lines = files.text(&format!("{UNITS}{unit}"))?.lines();
    lines
        .find_map(|line| line.trim().strip_prefix("ExecStart="))
        .with_context(|| format!("{unit} has no ExecStart"))
}

#[cfg(test)]
mod tests {
    use super::super::cloud_config::File;
    use super::*;

    fn files(files: &[(&str, u32, &str)], commands: &[&[&str]]) -> CloudConfig {
        let files = files.iter().map(|(path, mode, content)| {
            let content = content.as_bytes().to_vec();
            let mode = *mode;
            ((*path).to_owned(), File { mode, content })
        });
        let words = |words: &&[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        CloudConfig {
            files: files.collect(),
            commands: commands.iter().map(words).collect(),
        }
    }

    #[test]
    fn the_unit_that_prepares_the_machine_must_start_and_its_program_exist() {
        let unit = "/etc/systemd/system/k3s-prepare.service";
        let start: &[&str] = &["systemctl", "enable", "--now", "--no-block", PREPARE];
        let text = "[Service]\nExecStart=/p --all\n";
        let good = files(&[(unit, 0o644, text), ("/p", 0o755, "")], &[start]);
        check_commands(&good).unwrap();
        let enabled: &[&str] = &["systemctl", "enable", PREPARE];
        let table = [
            (
                files(&[(unit, 0o644, text), ("/p", 0o755, "")], &[enabled]),
                "enables and starts",
            ),
            (files(&[("/p", 0o755, "")], &[start]), "user data has no"),
            (files(&[(unit, 0o644, "")], &[start]), "has no ExecStart"),
            (
                files(&[(unit, 0o644, text)], &[start]),
                "which is not written",
            ),
            (
                files(&[(unit, 0o644, text), ("/p", 0o644, "")], &[start]),
                "which is not executable",
            ),
        ];
        for (files, expected) in table {
            let message = format!("{:#}", check_commands(&files).unwrap_err());
            assert!(message.contains(expected), "{expected}: {message}");
        }
    }

    #[test]
    fn one_unit_says_with_which_command_k3s_runs() {
        let server = (
            "/etc/systemd/system/k3s.service",
            0o644,
            "ExecStart=/usr/local/bin/k3s server\n",
        );
        let agent = (
            "/etc/systemd/system/k3s-agent.service",
            0o644,
            "ExecStart=/usr/local/bin/k3s agent\n",
        );
        assert_eq!(check_unit(&files(&[server], &[])).unwrap(), Command::Server);
        assert_eq!(check_unit(&files(&[agent], &[])).unwrap(), Command::Agent);
        let other = (server.0, server.1, agent.2);
        for (wrong, expected) in [
            (vec![], "no unit"),
            (
                vec![server, agent],
                "a unit for a server and one for an agent",
            ),
            (vec![other], "not /usr/local/bin/k3s server"),
        ] {
            let message = check_unit(&files(&wrong, &[])).unwrap_err().to_string();
            assert!(message.contains(expected), "{expected}: {message}");
        }
    }

    #[test]
    fn settings_and_join_urls_have_one_form() {
        let read = |text: &str| Settings::read(&files(&[(SETTINGS, 0o600, text)], &[]));
        let settings = read("# who\nROLE='agent'\nGATEWAY=''\n").unwrap();
        assert_eq!(settings.get("ROLE").unwrap(), "agent");
        assert!(settings.get("GATEWAY").is_err());
        assert!(settings.expect("ROLE", "init").is_err());
        for wrong in ["ROLE=agent\n", "ROLE='a'b'\n", "ROLE\n"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let address = JoinAddress::parse("https://10.0.0.5:6443").unwrap();
        assert_eq!(address.to_string(), "10.0.0.5:6443");
        for wrong in [
            "http://10.0.0.5:6443",
            "https://10.0.0.5",
            "https://name:6443",
            "https://10.0.0.5:6443/",
        ] {
            assert!(JoinAddress::parse(wrong).is_err(), "{wrong}");
        }
    }
}
