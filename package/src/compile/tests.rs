use tempfile::TempDir;

use super::*;

#[test]
fn binaries_are_found_among_cargos_messages() {
    let report = concat!(
        r#"{"reason":"compiler-artifact","target":{"name":"serde","kind":["lib"]},"executable":null}"#,
        "\n",
        r#"{"reason":"build-script-executed","package_id":"x"}"#,
        "\n",
        r#"{"reason":"compiler-artifact","target":{"name":"app","kind":["bin"]},"executable":"/t/app"}"#,
        "\n",
        r#"{"reason":"build-finished","success":true}"#,
    );
    let found = executables(report).unwrap();
    assert_eq!(
        found,
        BTreeMap::from([("app".to_owned(), PathBuf::from("/t/app"))])
    );
}

/// A cargo workspace with the two binaries, of which only the provider wants the feature `more` of a crate of both.
fn cargo_workspace() -> TempDir {
    let workspace = tempfile::tempdir().unwrap();
    let write = |path: &str, content: &str| {
        let path = workspace.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    let manifest = |name: &str, rest: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{rest}")
    };
    write(
        "Cargo.toml",
        "[workspace]\nresolver = \"3\"\nmembers = [\"common\", \"function\", \"provider\"]\n",
    );
    write(
        "common/Cargo.toml",
        &manifest("common", "[features]\nmore = []\n"),
    );
    write(
        "common/src/lib.rs",
        "#[inline(never)]\npub fn word() -> &'static str { if cfg!(feature = \"more\") { \"more\" } else { \"less\" } }\n",
    );
    let mut lock =
        "version = 4\n\n[[package]]\nname = \"common\"\nversion = \"0.1.0\"\n".to_owned();
    for (directory, name, features) in [
        ("function", "function-xplatform", ""),
        ("provider", "provider-hcloud", "\"more\""),
    ] {
        let dependency = format!(
            "[dependencies]\ncommon = {{ path = \"../common\", features = [{features}] }}\n"
        );
        write(
            &format!("{directory}/Cargo.toml"),
            &manifest(name, &dependency),
        );
        write(
            &format!("{directory}/src/main.rs"),
            "fn main() { println!(\"{}\", common::word()); }\n",
        );
        lock.push_str(&format!(
            "\n[[package]]\nname = \"{name}\"\nversion = \"0.1.0\"\ndependencies = [\n \"common\",\n]\n"
        ));
    }
    write("Cargo.lock", &lock);
    workspace
}

#[test]
fn a_binary_is_the_same_alone_and_beside_others() {
    let workspace = cargo_workspace();
    let options = BuildOptions {
        workspace: workspace.path().to_owned(),
        profile: "dev".to_owned(),
        cargo: PathBuf::from(env!("CARGO")),
        ..BuildOptions::default()
    };
    let named = |name| Package::named(name).unwrap();
    let [function, provider] = ["function-xplatform", "provider-hcloud"].map(named);
    let compiled = |packages: &[&'static Package]| {
        let mut said = Vec::new();
        let binaries = compile(&options, packages, &mut |progress| {
            if let Progress::Cargo(line) = progress {
                said.push(line.to_owned());
            }
        });
        binaries.unwrap_or_else(|error| panic!("{error}: {}", said.join("\n")))
    };
    let together = compiled(&[function, provider]);
    for package in [function, provider] {
        let alone = compiled(&[package]);
        let name = package.name;
        assert!(
            alone[name].content == together[name].content,
            "{name} depends on what is compiled beside it"
        );
    }
}
