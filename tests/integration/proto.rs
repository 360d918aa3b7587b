//! Our wire types against Crossplane's own protocol files.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use crossplane_proto::{FILE_DESCRIPTOR_SET, full, v1};
use prost::Message;
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet};
use rig::tools;

use crate::tests;
use crate::world::World;

tests!(
    the_descriptors_are_those_of_the_crossplane_that_the_rig_runs,
    lazy_and_full_messages_are_the_same_on_the_wire,
);

async fn the_descriptors_are_those_of_the_crossplane_that_the_rig_runs(_: &World) -> Result<()> {
    let [crossplane] = tools::prepare([&tools::CROSSPLANE]).await?;
    let root = crossplane.dir("proto/fn");
    let ours = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET)?;
    for (package, file) in [
        ("apiextensions.fn.proto.v1", "v1/run_function.proto"),
        (
            "apiextensions.fn.proto.v1beta1",
            "v1beta1/zz_generated_run_function.proto",
        ),
    ] {
        let theirs = described(&compile(&root, file)?, package)?;
        let ours = described(&ours, package)?;
        ensure!(!theirs.is_empty());
        for (path, description) in &theirs {
            let ours = ours
                .get(path)
                .with_context(|| format!("{package}: {path} is missing"))?;
            ensure!(
                ours == description,
                "{package}: {path} is {ours}, Crossplane says {description}"
            );
        }
        for path in ours.keys() {
            ensure!(
                theirs.contains_key(path),
                "{package}: Crossplane has no {path}"
            );
        }
    }
    Ok(())
}

fn compile(root: &Path, file: &str) -> Result<FileDescriptorSet> {
    let mut compiler = protox::Compiler::new([root])?;
    compiler.open_file(file)?;
    Ok(compiler.file_descriptor_set())
}

/// Everything that shows on the wire or in reflection, by its path.
fn described(set: &FileDescriptorSet, package: &str) -> Result<BTreeMap<String, String>> {
    let file = set
        .file
        .iter()
        .find(|file| file.package() == package)
        .with_context(|| format!("no file of package {package}"))?;
    let mut all = BTreeMap::new();
    for service in &file.service {
        for method in &service.method {
            let path = format!("{}.{}", service.name(), method.name());
            let streams = (method.client_streaming(), method.server_streaming());
            all.insert(
                path,
                format!(
                    "{} -> {} {streams:?}",
                    method.input_type(),
                    method.output_type()
                ),
            );
        }
    }
    file.message_type
        .iter()
        .for_each(|message| describe_message("", message, &mut all));
    file.enum_type
        .iter()
        .for_each(|enumeration| describe_enum("", enumeration, &mut all));
    describe_file(file, &mut all);
    Ok(all)
}

fn describe_file(file: &FileDescriptorProto, all: &mut BTreeMap<String, String>) {
    all.insert("syntax".to_owned(), file.syntax().to_owned());
}

fn describe_message(parent: &str, message: &DescriptorProto, all: &mut BTreeMap<String, String>) {
    let name = format!("{parent}{}", message.name());
    for field in &message.field {
        let oneof = field
            .oneof_index
            .and_then(|index| message.oneof_decl.get(usize::try_from(index).ok()?))
            .map(|oneof| oneof.name());
        all.insert(
            format!("{name}.{}", field.name()),
            format!(
                "{:?} {:?} {} = {} oneof {oneof:?} optional {} json {}",
                field.label(),
                field.r#type(),
                field.type_name(),
                field.number(),
                field.proto3_optional(),
                field.json_name(),
            ),
        );
    }
    let prefix = format!("{name}.");
    message
        .nested_type
        .iter()
        .for_each(|nested| describe_message(&prefix, nested, all));
    message
        .enum_type
        .iter()
        .for_each(|nested| describe_enum(&prefix, nested, all));
}

fn describe_enum(
    parent: &str,
    enumeration: &EnumDescriptorProto,
    all: &mut BTreeMap<String, String>,
) {
    for value in &enumeration.value {
        all.insert(
            format!("{parent}{}.{}", enumeration.name(), value.name()),
            value.number().to_string(),
        );
    }
}

async fn lazy_and_full_messages_are_the_same_on_the_wire(_: &World) -> Result<()> {
    let text = |text: &str| prost_types::Value {
        kind: Some(prost_types::value::Kind::StringValue(text.to_owned())),
    };
    let object = |name: &str| prost_types::Struct {
        fields: [
            ("name".to_owned(), text(name)),
            ("kind".to_owned(), text("K")),
        ]
        .into(),
    };
    let resource = |name: &str| full::Resource {
        resource: Some(object(name)),
        connection_details: [("key".to_owned(), b"value".as_slice().into())].into(),
        ready: full::Ready::True.into(),
    };
    let state = |name: &str| full::State {
        composite: Some(resource(name)),
        resources: [
            ("a".to_owned(), resource("a")),
            ("b".to_owned(), resource("b")),
        ]
        .into(),
    };
    let request = full::RunFunctionRequest {
        observed: Some(state("observed")),
        desired: Some(state("desired")),
        input: Some(object("input")),
        context: Some(prost_types::Struct::default()),
        ..full::RunFunctionRequest::default()
    };
    let lazy = v1::RunFunctionRequest::decode(request.encode_to_vec().as_slice())?;
    ensure!(
        lazy.context
            .as_ref()
            .is_some_and(|context| context.is_empty()),
        "present and empty"
    );
    ensure!(full::RunFunctionRequest::decode(lazy.encode_to_vec().as_slice())? == request);

    let response = full::RunFunctionResponse {
        desired: Some(state("desired")),
        context: Some(object("context")),
        output: Some(object("output")),
        ..full::RunFunctionResponse::default()
    };
    let lazy = v1::RunFunctionResponse::decode(response.encode_to_vec().as_slice())?;
    ensure!(full::RunFunctionResponse::decode(lazy.encode_to_vec().as_slice())? == response);
    Ok(())
}
