//! Flags, and the environment variables that may stand in for them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use crate::respond::Ttl;
use crate::server;

/// Composes XPlatform's composite resources.
///
/// Without a subcommand it serves as a composition function. The flags are those of
/// functions built with Crossplane's Go SDK.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Args {
    /// Log what happens in detail.
    #[arg(short, long, env = "DEBUG", global = true)]
    pub debug: bool,

    /// How to serve.
    #[command(flatten)]
    pub serve: Serve,

    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// How to serve.
#[derive(Debug, clap::Args)]
pub struct Serve {
    /// Network of the gRPC server; only tcp.
    #[arg(long, env = "NETWORK", default_value = "tcp", value_parser = ["tcp"])]
    pub network: String,

    /// Address of the gRPC server. Without a host it listens on the bind address.
    #[arg(
        long,
        env = "ADDRESS",
        default_value = ":9443",
        value_name = "[HOST]:PORT"
    )]
    pub address: Listen,

    /// Address of the metrics. Without a host they listen on the bind address.
    #[arg(
        long,
        env = "METRICS_ADDRESS",
        default_value = ":8080",
        value_name = "[HOST]:PORT"
    )]
    pub metrics_address: Listen,

    /// Address for everything that names no host.
    #[arg(long, env = "BIND_IP", default_value_t = IpAddr::V4(Ipv4Addr::UNSPECIFIED))]
    pub bind_ip: IpAddr,

    /// Directory with tls.crt, tls.key and ca.crt of the server. The CA must have
    /// signed the certificates of its clients.
    #[arg(long, env = "TLS_SERVER_CERTS_DIR", value_name = "DIR")]
    pub tls_certs_dir: Option<PathBuf>,

    /// Serve without TLS, whatever the certificates.
    #[arg(long, env = "INSECURE")]
    pub insecure: bool,

    /// Largest request in MiB.
    #[arg(long, env = "MAX_RECV_MESSAGE_SIZE", default_value_t = 32, value_name = "MIB",
          value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub max_recv_message_size: u16,

    /// Seconds after which Crossplane calls again when everything is as it should be. A
    /// change that Crossplane's circuit breaker kept back is seen then.
    #[arg(long, env = "TTL", default_value_t = 60, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub ttl: u32,
}

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print everything that a claim results in, without a cluster.
    ///
    /// The function is called as Crossplane would call it, in a world in which everything
    /// works. Ids are counted there, and addresses are those for documentation. Nothing is
    /// made, and values of Secrets are not shown.
    #[command(after_long_help = EXIT_STATUS)]
    Render(Render),
}

const EXIT_STATUS: &str = "Exit status:
  0  it was rendered; with --diff: there is no difference
  1  it cannot be rendered: the message names the document or the object, and the field
  2  the arguments are wrong
  3  with --diff: there are differences, or steps that wait for an approval
  4  with --diff: something is destroyed or replaced
";

/// What to render.
#[derive(Debug, clap::Args)]
pub struct Render {
    /// File with claims or composite resources; - reads standard input.
    pub file: PathBuf,

    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t = Format::Yaml, conflicts_with = "diff")]
    pub output: Format,

    /// File with facts about the cloud: the objects Pricing, ServerType and
    /// LoadBalancerType as kubectl get -o yaml prints them. They decide which server type
    /// is taken and what it costs, and names that the cloud does not know are refused.
    #[arg(long, value_name = "FILE")]
    pub facts: Option<PathBuf>,

    /// Print what would change if this were there now: a file with the earlier claim, or
    /// with what was rendered from it as YAML. Decisions that were made then stay, and
    /// what needs an approval waits.
    #[arg(long, value_name = "OLD")]
    pub diff: Option<PathBuf>,
}

/// Form in which a rendered tree is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A stream of YAML documents, parents first.
    Yaml,
    /// One line for each object, indented.
    Tree,
    /// A flowchart in the language of Mermaid.
    Mermaid,
    /// A picture.
    #[value(alias = "graph")]
    Svg,
    /// What it costs each month, by region and pool; needs --facts.
    Cost,
}

/// `host:port`, or `:port`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen {
    ip: Option<IpAddr>,
    port: u16,
}

impl std::str::FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(port) = text.strip_prefix(':') {
            let port = port
                .parse()
                .map_err(|_| format!("{port:?} is not a port"))?;
            return Ok(Self { ip: None, port });
        }
        let address: SocketAddr = text
            .parse()
            .map_err(|_| "write an address like 127.0.0.1:9443 or :9443".to_owned())?;
        Ok(Self {
            ip: Some(address.ip()),
            port: address.port(),
        })
    }
}

impl Listen {
    fn on(self, bind: IpAddr) -> SocketAddr {
        SocketAddr::new(self.ip.unwrap_or(bind), self.port)
    }
}

/// Neither certificates nor permission to do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "no certificates: give --tls-certs-dir (or TLS_SERVER_CERTS_DIR), or --insecure to serve without TLS"
)]
pub struct NoCertificates;

impl Serve {
    /// The options of the server.
    ///
    /// # Errors
    ///
    /// When there are no certificates and the server is not told to be insecure.
    pub fn options(self) -> Result<server::Options, NoCertificates> {
        let certs = match (self.insecure, self.tls_certs_dir) {
            (true, _) => None,
            (false, None) => return Err(NoCertificates),
            (false, certs) => certs,
        };
        Ok(server::Options {
            address: self.address.on(self.bind_ip),
            metrics_address: self.metrics_address.on(self.bind_ip),
            certs,
            max_request: usize::from(self.max_recv_message_size) << 20,
            ttl: Ttl {
                settled: Duration::from_secs(self.ttl.into()),
                ..Ttl::default()
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(args: &[&str]) -> Result<server::Options, NoCertificates> {
        Args::try_parse_from(std::iter::once(&"function").chain(args))
            .unwrap()
            .serve
            .options()
    }

    #[test]
    fn serving_without_tls_must_be_asked_for() {
        assert_eq!(options(&[]).unwrap_err(), NoCertificates);
        assert_eq!(options(&["--insecure"]).unwrap().certs, None);
        assert_eq!(
            options(&["--insecure", "--tls-certs-dir", "/certs"])
                .unwrap()
                .certs,
            None
        );
    }

    #[test]
    fn an_address_without_a_host_is_on_the_bind_address() {
        let options = options(&[
            "--insecure",
            "--bind-ip",
            "127.0.0.7",
            "--metrics-address",
            "127.0.0.1:0",
        ])
        .unwrap();
        assert_eq!(options.address.to_string(), "127.0.0.7:9443");
        assert_eq!(options.metrics_address.to_string(), "127.0.0.1:0");
    }

    fn render(args: &[&str]) -> Result<Render, clap::error::ErrorKind> {
        let args = ["function", "render"].iter().chain(args);
        match Args::try_parse_from(args)
            .map_err(|error| error.kind())?
            .command
        {
            Some(Command::Render(render)) => Ok(render),
            None => Err(clap::error::ErrorKind::MissingSubcommand),
        }
    }

    #[test]
    fn a_difference_has_one_form() {
        assert_eq!(render(&["claim.yaml"]).unwrap().output, Format::Yaml);
        let graph = render(&["claim.yaml", "-o", "graph"]).unwrap();
        assert_eq!(graph.output, Format::Svg);
        let old = render(&["claim.yaml", "--diff", "old.yaml"]).unwrap().diff;
        assert_eq!(old, Some("old.yaml".into()));
        assert_eq!(
            render(&["claim.yaml", "--diff", "old.yaml", "-o", "tree"]).unwrap_err(),
            clap::error::ErrorKind::ArgumentConflict
        );
    }

    #[test]
    fn a_malformed_address_is_refused() {
        for address in ["9443", ":port", "host:9443", ":99999"] {
            assert!(address.parse::<Listen>().is_err(), "{address}");
        }
    }
}
