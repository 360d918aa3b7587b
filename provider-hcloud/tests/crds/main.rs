//! The CRDs of the package are what the API types say, and so is the reference.

mod reference;

use std::path::Path;

use expect_test::expect_file;
use provider_hcloud::registry;

const HEADER: &str = "# Generated from provider-hcloud/api. To write it anew: UPDATE_EXPECT=1 cargo test -p provider-hcloud --test crds\n";

#[test]
fn the_package_holds_the_crds_of_the_api_types_and_no_others() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../package/provider-hcloud/crds");
    let mut expected = Vec::new();
    for crd in registry::crds() {
        let file = format!("{}.yaml", crd.metadata.name.as_deref().unwrap());
        let yaml = serde_saphyr::to_string(&crd).unwrap();
        expect_file![directory.join(&file)].assert_eq(&format!("{HEADER}{yaml}"));
        expected.push(file);
    }
    let mut found: Vec<_> = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}
