//! Compares the committed definitions and Compositions with what the types say.
//! `UPDATE_EXPECT=1 cargo test -p function-xplatform` rewrites them.

#![expect(clippy::expect_used, reason = "a test may fail anywhere")]

use std::path::Path;

use expect_test::expect_file;
use function_xplatform::xrd::{KINDS, Kind};
use serde_json::Value;

const HEADER: &str = "# Generated from function/src/claim by\n\
    # `UPDATE_EXPECT=1 cargo test -p function-xplatform`. Do not edit.\n";

#[test]
fn definitions_and_compositions_are_what_the_types_say() {
    for kind in KINDS {
        let composition = kind.composition();
        compare("configuration", &kind, &kind.definition(), &composition);
        // A kind without a claim is the same in both configurations, and there once.
        if kind.claim.is_some() {
            let definition = kind.namespaced_definition();
            compare("configuration-v2", &kind, &definition, &composition);
        }
    }
}

fn compare(configuration: &str, kind: &Kind, definition: &Value, composition: &Value) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../package")
        .join(configuration)
        .join("apis")
        .join(kind.kind.to_lowercase());
    std::fs::create_dir_all(&dir).expect("the directory can be made");
    expect_file![dir.join("definition.yaml")].assert_eq(&yaml(definition));
    expect_file![dir.join("composition.yaml")].assert_eq(&yaml(composition));
}

#[test]
fn both_flavours_of_a_kind_have_one_schema() {
    for kind in KINDS {
        let (one, other) = (kind.definition(), kind.namespaced_definition());
        assert_eq!(one["metadata"], other["metadata"]);
        assert_eq!(one["spec"]["versions"], other["spec"]["versions"]);
        assert_eq!(other["spec"]["scope"], "Namespaced");
        assert_eq!(other["spec"].get("claimNames"), None);
    }
}

fn yaml(object: &Value) -> String {
    let yaml = serde_saphyr::to_string(object).expect("JSON is YAML");
    format!("{HEADER}{yaml}")
}
