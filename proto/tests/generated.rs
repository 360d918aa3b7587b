//! Compares the committed code with what the `.proto` files produce.
//! `UPDATE_EXPECT=1` rewrites it.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::path::{Path, PathBuf};

use prost::Message as _;
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FileDescriptorSet};

const V1: &str = "fn/v1/run_function.proto";
const V1BETA1: &str = "fn/v1beta1/run_function.proto";
const STRUCT: &str = ".google.protobuf.Struct";
const HEADER: &str = "// Generated from fn/*/run_function.proto by\n\
    // `UPDATE_EXPECT=1 cargo test -p crossplane-proto`. Do not edit.\n";

/// Which form the generated messages have.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// `Struct` fields are byte strings.
    Lazy,
    /// `Struct` fields are trees.
    Full,
}

#[test]
fn generated_code_is_what_the_proto_files_produce() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = root.join("src/generated");
    let descriptors = compile(root);

    expect_test::expect_file![out.join("v1.rs")].assert_eq(&generate(&descriptors, V1, Form::Lazy));
    expect_test::expect_file![out.join("v1beta1.rs")].assert_eq(&generate(
        &descriptors,
        V1BETA1,
        Form::Lazy,
    ));
    expect_test::expect_file![out.join("full.rs")].assert_eq(&generate(
        &descriptors,
        V1,
        Form::Full,
    ));

    let mut descriptors = descriptors;
    for file in &mut descriptors.file {
        file.source_code_info = None;
    }
    let bytes = descriptors.encode_to_vec();
    let path = out.join("descriptor.bin");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &bytes).unwrap();
    }
    assert!(
        bytes == std::fs::read(&path).unwrap(),
        "{} is stale: run `UPDATE_EXPECT=1 cargo test -p crossplane-proto`",
        path.display()
    );
}

/// Both files and what they import, with the comments that become documentation.
fn compile(root: &Path) -> FileDescriptorSet {
    let mut compiler = protox::Compiler::new([root]).unwrap();
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files([V1, V1BETA1]).unwrap();
    compiler.file_descriptor_set()
}

fn generate(descriptors: &FileDescriptorSet, file: &str, form: Form) -> String {
    let dir = scratch_dir();
    let mut descriptors = descriptors.clone();
    let other = if file == V1 { V1BETA1 } else { V1 };
    descriptors.file.retain(|f| f.name() != other);
    let described = descriptors
        .file
        .iter_mut()
        .find(|f| f.name() == file)
        .unwrap();
    if form == Form::Lazy {
        described
            .message_type
            .iter_mut()
            .for_each(declare_structs_as_bytes);
    }
    let described = described.clone();
    let mut config = tonic_prost_build::Config::new();
    config.btree_map(["."]).bytes(["."]);
    let mut builder = tonic_prost_build::configure()
        .out_dir(&dir)
        .build_transport(false)
        .emit_rerun_if_changed(false);
    if form == Form::Full {
        builder = builder.build_client(false).build_server(false);
    }
    if file == V1BETA1 {
        for message in &described.message_type {
            builder = builder.extern_path(
                format!(".apiextensions.fn.proto.v1beta1.{}", message.name()),
                format!("crate::v1::{}", message.name()),
            );
        }
        for enumeration in &described.enum_type {
            builder = builder.extern_path(
                format!(".apiextensions.fn.proto.v1beta1.{}", enumeration.name()),
                format!("crate::v1::{}", enumeration.name()),
            );
        }
    }
    builder
        .compile_fds_with_config(descriptors, config)
        .unwrap();

    // prost writes `fn` as a raw identifier, in file names too.
    let produced = dir.join(format!(
        "{}.rs",
        described.package().replace(".fn.", ".r#fn.")
    ));
    let code = std::fs::read_to_string(produced).unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    format!("{HEADER}{code}")
}

fn scratch_dir() -> PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!(
        "proto-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    ));
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

fn declare_structs_as_bytes(message: &mut DescriptorProto) {
    for field in &mut message.field {
        if field.type_name() == STRUCT {
            field.type_name = None;
            field.set_type(Type::Bytes);
        }
    }
    message
        .nested_type
        .iter_mut()
        .for_each(declare_structs_as_bytes);
}
