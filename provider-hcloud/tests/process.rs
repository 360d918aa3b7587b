//! The provider as a process: what it says of itself and how it ends while the API server does not answer.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Far longer than anything here takes, and far shorter than what is given to steps that run.
const AT_ONCE: Duration = Duration::from_secs(2);

/// A running provider. Dropping it kills it.
struct Provider {
    child: Child,
    /// Where it serves metrics and probes.
    address: SocketAddr,
}

impl Provider {
    /// Starts it beside an API server that takes connections and never answers.
    fn start(name: &str, more: &[&str]) -> io::Result<(Self, TcpListener)> {
        let silent = TcpListener::bind("127.0.0.1:0")?;
        let kubeconfig = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.kubeconfig"));
        let server = format!("http://{}", silent.local_addr()?);
        std::fs::write(
            &kubeconfig,
            format!(
                "{{apiVersion: v1, kind: Config, current-context: c, clusters: [{{name: c, cluster: {{server: '{server}'}}}}], contexts: [{{name: c, context: {{cluster: c, user: u}}}}], users: [{{name: u, user: {{}}}}]}}"
            ),
        )?;
        let mut child = Command::new(env!("CARGO_BIN_EXE_provider-hcloud"))
            .args(["--bind-ip", "127.0.0.1", "--metrics-port", "0"])
            .args(more)
            .env("KUBECONFIG", &kubeconfig)
            .stdout(Stdio::piped())
            .spawn()?;
        let log = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut log = BufReader::new(log).lines();
        let address = log.find_map(|line| {
            let line: serde_json::Value = serde_json::from_str(&line.ok()?).ok()?;
            line["address"].as_str()?.parse().ok()
        });
        // Whoever does not read makes it wait.
        std::thread::spawn(move || log.for_each(drop));
        let address = address.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok((Self { child, address }, silent))
    }

    fn get(&self, path: &str) -> io::Result<String> {
        let mut connection = TcpStream::connect(self.address)?;
        write!(
            connection,
            "GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// Asks it to end. Returns how long that took, and whether it succeeded.
    fn terminate(&mut self) -> io::Result<(Duration, bool)> {
        let asked = Instant::now();
        let signal = format!("kill -TERM {}", self.child.id());
        Command::new("sh").args(["-c", &signal]).status()?;
        let status = self.child.wait()?;
        Ok((asked.elapsed(), status.success()))
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_is_alive_and_not_ready_before_the_first_lists_and_ends_at_once_when_it_is_told_to() {
    let (mut provider, silent) = Provider::start("lists", &[]).unwrap();
    let (_asked, _) = silent.accept().unwrap();
    let started = Instant::now();
    while provider.get("/readyz").unwrap().contains("controllers") {
        assert!(started.elapsed() < AT_ONCE, "it starts");
    }
    assert!(
        provider
            .get("/healthz")
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
    let answer = provider.get("/readyz").unwrap();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    for missing in [
        "ClusterProviderConfig",
        "ProviderConfigUsage",
        "networks.hcloud.openova.io",
    ] {
        assert!(answer.contains(missing), "{missing}: {answer}");
    }
    let (took, succeeded) = provider.terminate().unwrap();
    assert!(took < AT_ONCE && succeeded, "{took:?}, {succeeded}");
}

#[test]
fn it_ends_at_once_while_it_waits_for_its_turn_to_lead() {
    let (mut provider, silent) = Provider::start("lease", &["--leader-election"]).unwrap();
    let (_asked, _) = silent.accept().unwrap();
    let answer = provider.get("/readyz").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (took, succeeded) = provider.terminate().unwrap();
    assert!(took < AT_ONCE && succeeded, "{took:?}, {succeeded}");
}
