//! The scripts that run at boot, run: with the real shell, and with stand-ins for what
//! only a server has.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::*;

const NETWORKS: &str = "- ip: 192.168.4.7
  alias_ips: []
  interface_num: 2
  network: 192.168.0.0/16
  subnet: 192.168.4.0/24
- ip: 10.0.1.3
  alias_ips: [10.0.1.4]
  interface_num: 1
  network: 10.0.0.0/16
  subnet: 10.0.1.0/24
";

const BINARY: &str = "#!/bin/sh\necho k3s\n";

/// A server that has just been created, in a directory.
struct Server {
    directory: TempDir,
    role: &'static str,
    digest: String,
    networks: &'static str,
    answer: Option<String>,
    interface: bool,
}

impl Server {
    fn new(role: &'static str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for path in [
            "bin",
            "etc/rancher/k3s",
            "var/lib/rancher/k3s/server/tls",
            "var/lib/cloud/instance",
            "usr/local/bin",
        ] {
            fs::create_dir_all(directory.path().join(path)).unwrap();
        }
        Self {
            directory,
            role,
            digest: digest(BINARY),
            networks: NETWORKS,
            answer: None,
            interface: true,
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.path(path)).ok()
    }

    fn command(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs the script with every path below the directory. Returns whether it
    /// succeeded, and what it complained about.
    fn prepare(&self) -> (bool, String) {
        let root = self.directory.path().display().to_string();
        let answer = self.answer.clone().unwrap_or_default();
        fs::write(self.path("answer"), &answer).unwrap();
        fs::write(self.path("networks"), self.networks).unwrap();
        fs::write(self.path("binary"), BINARY).unwrap();
        let cacerts = if answer.is_empty() {
            "exit 7"
        } else {
            "file=answer"
        };
        self.command(
            "curl",
            &format!(
                r#"output=/dev/stdout
for word; do
    [ "${{previous:-}}" != -o ] || output=$word
    previous=$word
done
case $previous in
*/instance-id) echo 42; exit ;;
*/hostname) echo prod-fsn1-main-0; exit ;;
*/private-networks) file=networks ;;
https://10.0.0.254:6443/cacerts) {cacerts} ;;
https://example.org/v1/k3s | https://example.org/v1/k3s-arm64) echo "$previous" >>{root}/downloads; file=binary ;;
*) exit 22 ;;
esac
cat "{root}/$file" >"$output""#
            ),
        );
        let interface = if self.interface {
            r#"[ "$*" = "-4 -o address show to 10.0.1.3" ] || exit 1
echo "3: enp7s0    inet 10.0.1.3/32 brd 10.0.1.3 scope global dynamic enp7s0""#
        } else {
            ""
        };
        self.command("ip", interface);
        self.command("systemctl", &format!("echo \"$*\" >>{root}/systemctl"));
        let script = include_str!("../boot/prepare.sh")
            .replace("/etc/rancher", &format!("{root}/etc/rancher"))
            .replace("/var/lib", &format!("{root}/var/lib"))
            .replace("/usr/local/bin", &format!("{root}/usr/local/bin"));
        let output = Command::new("/bin/sh")
            .args(["-c", &script])
            .env_clear()
            .env("PATH", format!("{root}/bin:/usr/bin:/bin"))
            .env("ROLE", self.role)
            .env("UNIT", "k3s.service")
            .env("METADATA_URL", "http://metadata")
            .env("NETWORK", "10.0.0.0/16")
            .env("JOIN_URL", "https://10.0.0.254:6443")
            .env("CA_SHA256", digest("ours"))
            .env("DOWNLOAD_URL", "https://example.org/v1")
            .env("SHA256_AMD64", &self.digest)
            .env("SHA256_ARM64", &self.digest)
            .env("FLANNEL", "true")
            .output()
            .unwrap();
        let complaint = String::from_utf8(output.stderr).unwrap();
        (output.status.success(), complaint.replace(&root, ""))
    }

    fn node(&self) -> Value {
        let text = self
            .read("etc/rancher/k3s/config.yaml.d/50-node.yaml")
            .unwrap();
        serde_saphyr::from_str(&text).unwrap()
    }

    fn join(&self) -> Option<Value> {
        let text = self.read("etc/rancher/k3s/config.yaml.d/60-join.yaml")?;
        Some(serde_saphyr::from_str(&text).unwrap())
    }

    fn is_started(&self) -> bool {
        let stamp = self.path("var/lib/cloud/instance/k3s-prepared").exists();
        let started = self.read("systemctl");
        assert_eq!(stamp, started.is_some());
        assert!(started.is_none_or(|line| line == "enable --now --no-block k3s.service\n"));
        stamp
    }
}

fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_scripts_are_posix_shell() {
    for script in [
        include_str!("../boot/prepare.sh"),
        include_str!("../boot/guard-metadata.sh"),
        include_str!("../boot/default-route.sh"),
    ] {
        assert!(script.starts_with("#!/bin/sh\n"));
        let check = |script: &str| {
            let output = Command::new("/bin/sh").args(["-n", "-c", script]).output();
            output.unwrap().status.success()
        };
        assert!(check(script));
        assert!(!check(&format!("{script}\nif")));
    }
}

#[test]
fn a_server_learns_who_it_is() {
    let server = Server::new("server");
    assert_eq!(server.prepare(), (true, String::new()));
    assert_eq!(
        server.node(),
        json!({
            "node-name": "prod-fsn1-main-0",
            "node-ip": "10.0.1.3",
            "advertise-address": "10.0.1.3",
            "flannel-iface": "enp7s0",
            "kubelet-arg+": ["provider-id=hcloud://42"],
        })
    );
    assert!(server.is_started());
    assert_eq!(server.join(), None);
    let binary = server.path("usr/local/bin/k3s");
    assert_eq!(fs::read_to_string(&binary).unwrap(), BINARY);
    assert_eq!(mode(&binary), 0o755);
}

#[test]
fn an_agent_advertises_no_api_server() {
    let agent = Server::new("agent");
    assert!(agent.prepare().0);
    assert_eq!(agent.node().get("advertise-address"), None);
    assert!(agent.is_started());
}

/// The order of keys in the metadata is not promised, and a network may have grown.
#[test]
fn the_address_is_found_in_our_network_or_in_the_only_one() {
    for (networks, found) in [
        (NETWORKS, true),
        ("- network: 10.0.0.0/16\n  ip: 10.0.1.3\n", true),
        ("- ip: 10.0.1.3\n  network: 10.0.0.0/8\n", true),
        ("-   ip: 10.0.1.3\n    network: 10.0.0.0/16\n", true),
        (
            "- ip: 10.0.1.3\n  network: 10.0.0.0/8\n- ip: 10.9.9.9\n  network: 10.9.0.0/16\n",
            false,
        ),
        ("[]\n", false),
        ("", false),
    ] {
        let server = Server {
            networks,
            ..Server::new("server")
        };
        let (success, complaint) = server.prepare();
        assert_eq!(success, found, "{networks}: {complaint}");
        assert_eq!(server.is_started(), found);
        if !found {
            let expected = "k3s-prepare: this server is not in network 10.0.0.0/16 yet\n";
            assert_eq!(complaint, expected);
        }
    }
}

#[test]
fn nothing_starts_before_the_private_interface_is_there() {
    let mut server = Server::new("server");
    server.interface = false;
    let (success, complaint) = server.prepare();
    assert!(!success);
    expect!["k3s-prepare: no interface has the address 10.0.1.3 yet\n"].assert_eq(&complaint);
    assert!(!server.is_started());
    server.interface = true;
    assert!(server.prepare().0);
    assert!(server.is_started());
}

#[test]
fn a_binary_with_another_digest_is_not_kept() {
    let mut server = Server::new("server");
    server.digest = digest("another");
    let (success, complaint) = server.prepare();
    assert!(!success);
    assert!(
        complaint.contains("has another SHA-256 than"),
        "{complaint}"
    );
    assert_eq!(
        fs::read_dir(server.path("usr/local/bin")).unwrap().count(),
        0
    );
    assert!(!server.is_started());
}

#[test]
fn a_binary_that_is_there_counts_only_with_the_right_digest() {
    let server = Server::new("server");
    let binary = server.path("usr/local/bin/k3s");
    fs::write(&binary, "from the image").unwrap();
    assert!(server.prepare().0);
    assert_eq!(fs::read_to_string(&binary).unwrap(), BINARY);

    let baked = Server::new("server");
    fs::write(baked.path("usr/local/bin/k3s"), BINARY).unwrap();
    assert!(baked.prepare().0);
    assert_eq!(baked.read("downloads"), None);
    assert!(server.read("downloads").is_some());
}

#[test]
fn a_missing_digest_is_refused() {
    let mut server = Server::new("server");
    server.digest = String::new();
    let (success, complaint) = server.prepare();
    assert!(!success);
    assert!(complaint.contains("is not given"), "{complaint}");
}

/// Server 0 was told to initialise, and is created a second time before anybody knew
/// that the cluster lives.
#[test]
fn a_cluster_that_answers_is_joined_and_not_initialised_again() {
    let mut server = Server::new("init");
    server.answer = Some("ours".to_owned());
    let (success, complaint) = server.prepare();
    assert!(success, "{complaint}");
    assert_eq!(
        server.join(),
        Some(json!({"cluster-init": false, "server": "https://10.0.0.254:6443"}))
    );
    assert!(server.is_started());

    let first = Server::new("init");
    assert!(first.prepare().0);
    assert_eq!(first.join(), None);
    assert!(first.is_started());
    assert_eq!(mode(&first.path("var/lib/rancher/k3s/server")), 0o700);
}

#[test]
fn another_cluster_at_the_same_address_stops_the_boot() {
    let mut server = Server::new("init");
    server.answer = Some("theirs".to_owned());
    let (success, complaint) = server.prepare();
    assert!(!success);
    expect!["k3s-prepare: another cluster answers at https://10.0.0.254:6443\n"]
        .assert_eq(&complaint);
    assert!(!server.is_started());
    assert_eq!(server.join(), None);
}

#[test]
fn a_second_run_changes_nothing() {
    let server = Server::new("server");
    assert!(server.prepare().0);
    let node = server.node();
    fs::remove_file(server.path("systemctl")).unwrap();
    assert!(server.prepare().0);
    assert_eq!(server.node(), node);
    let downloads = server.read("downloads").unwrap();
    assert_eq!(downloads.lines().count(), 1);
}

mod guard {
    use super::*;

    /// Runs the guard with these commands there, and returns what they were given.
    fn run(commands: &[(&str, &str)]) -> (bool, String) {
        let server = Server::new("server");
        let root = server.directory.path().display().to_string();
        for (name, script) in commands {
            let script = script.replace("LOG", &format!("{root}/log"));
            server.command(name, &script);
        }
        let cat = ["/usr/bin/cat", "/bin/cat"]
            .into_iter()
            .find(|path| Path::new(path).exists())
            .unwrap();
        std::os::unix::fs::symlink(cat, server.path("bin/cat")).unwrap();
        let output = Command::new("/bin/sh")
            .args(["-c", include_str!("../boot/guard-metadata.sh")])
            .env_clear()
            .env("PATH", format!("{root}/bin"))
            .output()
            .unwrap();
        let log = server.read("log").unwrap_or_default();
        let complaint = String::from_utf8(output.stderr).unwrap();
        (output.status.success(), log + &complaint)
    }

    #[test]
    fn what_pods_send_to_the_metadata_service_is_dropped() {
        expect![[r#"
            [
                (
                    true,
                    "-f -\ntable ip k3s_metadata\nflush table ip k3s_metadata\ntable ip k3s_metadata {\n    chain forward {\n        type filter hook forward priority -10; policy accept;\n        ip daddr 169.254.169.254 drop\n    }\n}\n",
                ),
                (
                    true,
                    "-w -C FORWARD -d 169.254.169.254 -j DROP\n-w -I FORWARD -d 169.254.169.254 -j DROP\n",
                ),
                (
                    true,
                    "-w -C FORWARD -d 169.254.169.254 -j DROP\n",
                ),
            ]
        "#]].assert_debug_eq(&[
            run(&[("nft", "echo \"$*\" >>LOG; cat >>LOG")]),
            run(&[("iptables", "echo \"$*\" >>LOG; [ \"$2\" = -I ]")]),
            run(&[("iptables", "echo \"$*\" >>LOG")]),
        ]);
    }

    #[test]
    fn k3s_does_not_start_unguarded() {
        let (success, complaint) = run(&[]);
        assert!(!success);
        assert!(
            complaint.contains("neither nft nor iptables"),
            "{complaint}"
        );
        assert!(!run(&[("nft", "cat >>LOG; exit 1")]).0);
        for unit in [
            include_str!("../boot/k3s.service"),
            include_str!("../boot/k3s-agent.service"),
        ] {
            assert!(unit.contains("\nExecStartPre=/usr/local/lib/k3s/guard-metadata\n"));
        }
    }
}
