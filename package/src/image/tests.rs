use serde_json::{Value, json};

use super::*;
use crate::fixture::Workspace;
use crate::stream::Stream;

const BINARY: &[u8] = b"\x7fELF a program";

fn assembled(name: &str, binary: Option<&'static str>) -> (Blob, Vec<Image>) {
    let workspace = Workspace::new();
    let version = Version::new(1, 2, 3);
    let configuration = Package::named("configuration-xplatform").unwrap();
    let stream = Stream::assemble(workspace.path(), configuration, &version).unwrap();
    let contents = Contents {
        package: Package::named(name).unwrap(),
        meta: &stream.meta,
        package_yaml: Bytes::from(stream.yaml),
        examples: binary.is_none().then(|| Bytes::from_static(b"---\n")),
        binary: binary.map(|architecture| Binary {
            architecture,
            content: Bytes::from_static(BINARY),
        }),
    };
    assemble(&contents, &version).unwrap()
}

fn parse(blob: &Blob) -> Value {
    serde_json::from_slice(&blob.data).unwrap()
}

/// Paths and modes in a layer.
fn listing(layer: &Blob) -> Vec<String> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(layer.data.as_ref()));
    let entries = archive.entries().unwrap();
    let line = |entry: tar::Entry<'_, _>| {
        format!(
            "{:o} {}",
            entry.header().mode().unwrap(),
            entry.path().unwrap().display()
        )
    };
    entries.map(|entry| line(entry.unwrap())).collect()
}

#[test]
fn the_same_contents_give_the_same_bytes() {
    assert_eq!(
        assembled("function-xplatform", Some("amd64")),
        assembled("function-xplatform", Some("amd64"))
    );
}

#[test]
fn an_image_holds_the_binary_the_few_root_files_and_the_package() {
    let (_, images) = assembled("function-xplatform", Some("amd64"));
    let [image] = images.as_slice() else {
        panic!("one image is enough on amd64")
    };
    let listings: Vec<_> = image.layers.iter().map(listing).collect();
    assert_eq!(
        listings,
        [
            vec![
                "755 etc/",
                "644 etc/group",
                "644 etc/nsswitch.conf",
                "644 etc/passwd"
            ],
            vec!["755 function-xplatform"],
            vec!["644 package.yaml"],
        ]
    );
    let config = parse(&image.config);
    assert_eq!(
        (&config["os"], &config["architecture"]),
        (&json!("linux"), &json!("amd64"))
    );
    assert_eq!(
        config["config"]["Entrypoint"],
        json!(["/function-xplatform"])
    );
    assert_eq!(config["config"]["User"], "2000:2000");
    assert_eq!(
        config["rootfs"]["diff_ids"].as_array().unwrap().len(),
        image.layers.len()
    );
    assert!(
        config.get("created").is_none(),
        "a date would differ between builds"
    );
}

#[test]
fn the_package_layer_is_marked_by_annotation_and_by_label() {
    let (_, images) = assembled("configuration-xplatform", None);
    let manifest = parse(&images[0].manifest);
    let labels = &parse(&images[0].config)["config"]["Labels"];
    let layers = manifest["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 2);
    for (layer, mark) in layers.iter().zip(["base", "upbound"]) {
        assert_eq!(layer["annotations"]["io.crossplane.xpkg"], mark);
        let digest = layer["digest"].as_str().unwrap();
        assert_eq!(labels[format!("io.crossplane.xpkg:{digest}")], mark);
    }
    assert_eq!(listing(&images[0].layers[1]), ["644 .up/examples.yaml"]);
}

#[test]
fn the_index_lists_every_image_with_its_platform_and_size() {
    let (index, images) = assembled("function-xplatform", Some("amd64"));
    let index = parse(&index);
    assert_eq!(
        index["mediaType"],
        "application/vnd.oci.image.index.v1+json"
    );
    assert_eq!(
        index["annotations"]["org.opencontainers.image.version"],
        "1.2.3"
    );
    assert_eq!(
        index["manifests"],
        json!([{
            "digest": images[0].manifest.digest.as_str(),
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "platform": {"architecture": "amd64", "os": "linux"},
            "size": images[0].manifest.size(),
        }])
    );
}

#[test]
fn a_package_manager_finds_a_package_that_was_built_on_arm() {
    let (_, images) = assembled("function-xplatform", Some("arm64"));
    let found: Vec<_> = images
        .iter()
        .map(|image| (image.platform.to_string(), image.runnable))
        .collect();
    assert_eq!(
        found,
        [
            ("linux/arm64".to_owned(), true),
            ("linux/amd64".to_owned(), false)
        ]
    );
}

#[test]
fn documents_have_sorted_keys() {
    let (index, images) = assembled("configuration-xplatform", None);
    for blob in [&index, &images[0].manifest, &images[0].config] {
        assert_eq!(*blob, Blob::json(&sorted(&parse(blob))).unwrap());
    }
}

/// The value with its objects rebuilt in the order of their keys.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> = fields
                .iter()
                .map(|(key, value)| (key.clone(), sorted(value)))
                .collect();
            fields.into_iter().collect()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}
