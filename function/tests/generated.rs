//! Compares the committed definitions and Compositions with what the types say.
//! `UPDATE_EXPECT=1 cargo test -p function-xplatform` rewrites them.

#![expect(clippy::expect_used, reason = "a test may fail anywhere")]

use std::path::Path;

use expect_test::expect_file;
use function_xplatform::xrd::KINDS;
use serde_json::Value;

const HEADER: &str = "# Generated from function/src/claim by\n\
    # `UPDATE_EXPECT=1 cargo test -p function-xplatform`. Do not edit.\n";

#[test]
fn definitions_and_compositions_are_what_the_types_say() {
    let apis = Path::new(env!("CARGO_MANIFEST_DIR")).join("../package/configuration/apis");
    for kind in KINDS {
        let dir = apis.join(kind.kind.to_lowercase());
        std::fs::create_dir_all(&dir).unwrap();
        expect_file![dir.join("definition.yaml")].assert_eq(&yaml(&kind.definition()));
        expect_file![dir.join("composition.yaml")].assert_eq(&yaml(&kind.composition()));
    }
}

fn yaml(object: &Value) -> String {
    let yaml = serde_saphyr::to_string(object).expect("JSON is YAML");
    format!("{HEADER}{yaml}")
}
