//! The reference of all kinds, for people: what the CRDs say, as tables.

use std::{fmt::Write, fs, path::Path};

use expect_test::expect_file;
use provider_hcloud::registry;
use serde_json::Value;

const INTRODUCTION: &str = "\
<!-- Generated from provider-hcloud/api. To write it anew: UPDATE_EXPECT=1 cargo test -p provider-hcloud --test crds -->

# Reference of provider-hcloud

Every kind of the API group `hcloud.openova.io`, version `v1alpha1`. In a cluster, `kubectl explain` has the same texts,
for example `kubectl explain network.spec.forProvider`. What stands in quotation marks under constraints is what the API
server answers when it refuses a value.

";

const SHARED: &str = "\
## What all kinds share

Managed resources are namespaced. Their spec and status differ below `spec.forProvider` and `status.atProvider`; the
rest is the same for all kinds.

";

const REFERENCES: &str = "\
### References

Where a field `fooId` takes the id of something that is a managed resource itself, `fooIdRef` names that resource and
`fooIdSelector` finds it by its labels. Either stands for the external name of a resource in the same namespace, and is
waited for until there is one.

";

const ANNOTATIONS: &str = "\
### Annotations

| Annotation | What it does |
|---|---|
| `crossplane.io/external-name` | Names the external resource. Set before the managed resource is created, it takes over one that exists. |
| `crossplane.io/paused` | `true` stops everything, deletion included. |
| `crossplane.io/poll-interval` | How often the external resource is compared with the spec, for example `5m`. |
| `crossplane.io/reconcile-requested-at` | A new value asks for one comparison with Hetzner itself, now. |
| `crossplane.io/replace` | Approves one change that takes a new external resource, or loses what is on it. The value is `field=desired` as the condition Synced asks for it. An approval is for one time: take the annotation away, and set it again for the next. |

";

const SPEC: &str = "/properties/spec";
const FOR_PROVIDER: &str = "/properties/spec/properties/forProvider";
const STATUS: &str = "/properties/status";
const AT_PROVIDER: &str = "/properties/status/properties/atProvider";

/// Types that many fields have: the title under which each is described once, and where one is found.
const NAMED_TYPES: [(&str, &str, &str); 4] = [
    (
        "Condition",
        "Network",
        "/properties/status/properties/conditions/items",
    ),
    (
        "Reference",
        "Subnet",
        "/properties/spec/properties/forProvider/properties/networkIdRef",
    ),
    (
        "Selector",
        "Subnet",
        "/properties/spec/properties/forProvider/properties/networkIdSelector",
    ),
    (
        "Secret key",
        "Server",
        "/properties/spec/properties/forProvider/properties/userDataSecretRef",
    ),
];

#[test]
fn the_reference_says_what_the_crds_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let kinds: Vec<_> = registry::kinds()
        .iter()
        .zip(registry::kind_crds())
        .map(|(kind, crd)| Kind::new(&crd, kind.read_only()))
        .collect();
    let others: Vec<_> = registry::crds()
        .iter()
        .map(|crd| Kind::new(crd, false))
        .filter(|kind| kind.part(FOR_PROVIDER).is_null())
        .collect();
    let examples = examples(&root.join("../examples/provider"));
    for kind in &kinds {
        let shown = examples.iter().any(|(shown, _)| shown == kind.name());
        assert!(shown, "{} has no example", kind.name());
    }
    expect_file![root.join("REFERENCE.md")].assert_eq(&page(&kinds, &others, &examples));
}

/// A kind, as its CRD has it.
struct Kind {
    crd: Value,
    read_only: bool,
}

impl Kind {
    fn new(crd: &impl serde::Serialize, read_only: bool) -> Self {
        let crd = serde_json::to_value(crd).unwrap_or_default();
        Self { crd, read_only }
    }

    fn name(&self) -> &str {
        text(&self.crd["spec"]["names"]["kind"])
    }

    /// A part of the schema.
    fn part(&self, pointer: &str) -> &Value {
        let schema = &self.crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        schema.pointer(pointer).unwrap_or(&Value::Null)
    }

    fn description(&self) -> &str {
        text(&self.part("")["description"])
    }

    /// What identifies the external resource: the id, unless the description of what is observed says otherwise.
    fn external_name(&self) -> &str {
        let observed = self.part(AT_PROVIDER);
        let id = text(&observed["properties"]["id"]["description"]);
        match text(&observed["description"]).split_once("Its external name is") {
            Some((_, name)) => name.trim().trim_end_matches('.'),
            None => {
                let said = id.ends_with("the external name.");
                assert!(
                    said,
                    "{} does not say what its external name is",
                    self.name()
                );
                "the id at Hetzner"
            }
        }
    }

    /// What `kubectl get` shows.
    fn columns(&self) -> String {
        let columns = items(&self.crd["spec"]["versions"][0]["additionalPrinterColumns"]);
        let (wide, narrow): (Vec<_>, Vec<_>) =
            columns.partition(|column| column["priority"].as_u64() > Some(0));
        let names = |columns: Vec<&Value>| {
            let names: Vec<_> = columns.iter().map(|column| text(&column["name"])).collect();
            names.join(", ")
        };
        match wide.is_empty() {
            true => names(narrow),
            false => format!("{}; with `-o wide` also {}", names(narrow), names(wide)),
        }
    }

    /// The rules that concern several fields.
    fn rules(&self) -> impl Iterator<Item = &str> {
        let places = ["", SPEC, FOR_PROVIDER];
        places
            .into_iter()
            .flat_map(|place| messages(self.part(place)))
    }
}

/// The page that is being written.
struct Page<'a> {
    text: String,
    named_types: Vec<(&'static str, &'a Value)>,
}

fn page(kinds: &[Kind], others: &[Kind], examples: &[(String, String)]) -> String {
    let find = |(title, kind, pointer)| {
        let kind = kinds.iter().find(|candidate| candidate.name() == kind);
        kind.map(|kind| (title, kind.part(pointer)))
    };
    let mut page = Page {
        text: INTRODUCTION.to_owned(),
        named_types: NAMED_TYPES.into_iter().filter_map(find).collect(),
    };
    page.line("| Kind | What it is | External name |\n|---|---|---|");
    for kind in kinds.iter().chain(others) {
        let managed = !kind.part(FOR_PROVIDER).is_null();
        let external_name = if managed { kind.external_name() } else { "" };
        let (link, what) = (link(kind.name()), cell(kind.description()));
        page.line(&format!("| {link} | {what} | {} |", cell(external_name)));
    }
    page.line("");
    page.text.push_str(SHARED);
    if let Some(kind) = kinds.first() {
        page.spec("`spec`", kind.part(SPEC), &["forProvider"]);
        page.status("`status`", kind.part(STATUS), &["atProvider"]);
    }
    page.text.push_str(REFERENCES);
    page.text.push_str(ANNOTATIONS);
    for (title, schema) in page.named_types.clone() {
        page.spec(title, schema, &[]);
    }
    for kind in kinds {
        page.kind(kind);
        for (_, file) in examples.iter().filter(|(of, _)| of == kind.name()) {
            page.line(&format!("- Example: [{file}](../examples/provider/{file})"));
        }
        for rule in kind.rules() {
            page.line(&format!("- Rule: {}", prose(rule)));
        }
        page.line("");
        page.spec("`spec.forProvider`", kind.part(FOR_PROVIDER), &[]);
        page.status("`status.atProvider`", kind.part(AT_PROVIDER), &[]);
    }
    for kind in others {
        page.kind(kind);
        page.line("");
        page.spec("Fields", kind.part(""), &["apiVersion", "kind", "metadata"]);
    }
    page.text
}

impl Page<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// What is to be said of a kind before its fields.
    fn kind(&mut self, kind: &Kind) {
        self.line(&format!(
            "## {}\n\n{}\n",
            kind.name(),
            prose(kind.description())
        ));
        if kind.read_only {
            self.line("- Only observed, whatever `managementPolicies` allow");
        }
        if !kind.part(FOR_PROVIDER).is_null() {
            self.line(&format!("- External name: {}", prose(kind.external_name())));
        }
        self.line(&format!("- Columns: {}", kind.columns()));
    }

    /// A table of what a user writes.
    fn spec(&mut self, title: &str, object: &Value, without: &[&str]) {
        self.line(&format!("### {title}\n"));
        self.line("| Field | Type | Constraints | Description |\n|---|---|---|---|");
        self.rows(object, "", without, true);
        self.line("");
    }

    /// A table of what the provider writes.
    fn status(&mut self, title: &str, object: &Value, without: &[&str]) {
        self.line(&format!("### {title}\n"));
        self.line("| Field | Type | Description |\n|---|---|---|");
        self.rows(object, "", without, false);
        self.line("");
    }

    /// A row for each field, those of objects below their own.
    fn rows(&mut self, object: &Value, at: &str, without: &[&str], constrained: bool) {
        let fields = object["properties"].as_object().into_iter().flatten();
        for (name, field) in fields.filter(|(name, _)| !without.contains(&name.as_str())) {
            let path = format!("{at}{name}");
            let mut type_ = self.type_of(field);
            let description = cell(text(&field["description"]));
            if constrained {
                if items(&object["required"]).any(|required| required == name) {
                    type_.push_str(", required");
                }
                if let Some(default) = field.get("default") {
                    let default = default
                        .as_str()
                        .map_or_else(|| default.to_string(), str::to_owned);
                    let _ = write!(type_, ", default `{default}`");
                }
                let constraints = cell(&constraints(field).join("; "));
                self.line(&format!(
                    "| `{path}` | {type_} | {constraints} | {description} |"
                ));
            } else {
                self.line(&format!("| `{path}` | {type_} | {description} |"));
            }
            let (inner, dots) = element(field);
            if self.title_of(inner).is_none() {
                self.rows(inner, &format!("{path}{dots}."), &[], constrained);
            }
        }
    }

    fn type_of(&self, field: &Value) -> String {
        if let Some(title) = self.title_of(field) {
            return link(title);
        }
        let (inner, _) = element(field);
        match text(&field["type"]) {
            "array" => format!("list of {}", self.type_of(inner)),
            "object" if inner != field => format!("map of {}", self.type_of(inner)),
            "string" if field["format"] == "date-time" => "time".to_owned(),
            type_ => type_.to_owned(),
        }
    }

    /// The title of a type that is described elsewhere.
    fn title_of(&self, field: &Value) -> Option<&'static str> {
        let fields = field.get("properties")?;
        let mut types = self.named_types.iter();
        types
            .find(|(_, named)| named["properties"] == *fields)
            .map(|(title, _)| *title)
    }
}

/// What a field consists of, and how that is written behind its name.
fn element(field: &Value) -> (&Value, &'static str) {
    if field["items"].is_object() {
        (&field["items"], "[]")
    } else if field["additionalProperties"].is_object() {
        (&field["additionalProperties"], ".*")
    } else {
        (field, "")
    }
}

/// What a value must be like, in words.
fn constraints(field: &Value) -> Vec<String> {
    let mut said = Vec::new();
    let values: Vec<_> = items(&field["enum"])
        .map(|value| format!("`{}`", text(value)))
        .collect();
    if !values.is_empty() {
        said.push(values.join(", "));
    }
    for (least, most, unit) in [
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " items"),
        ("minProperties", "maxProperties", " entries"),
    ] {
        said.extend(match (field[least].as_f64(), field[most].as_f64()) {
            (Some(least), Some(most)) => Some(format!("{least} to {most}{unit}")),
            (Some(least), None) => Some(format!("at least {least}{unit}")),
            (None, Some(most)) => Some(format!("at most {most}{unit}")),
            (None, None) => None,
        });
    }
    if let Some(pattern) = field["pattern"].as_str() {
        said.push(format!("like `{pattern}`"));
    }
    if field["properties"].is_null() {
        let (inner, _) = element(field);
        if inner != field && inner["properties"].is_null() {
            said.extend(
                constraints(inner)
                    .into_iter()
                    .map(|constraint| format!("each: {constraint}")),
            );
        }
    }
    said.extend(messages(field).map(|message| format!("“{message}”")));
    said
}

/// What the rules of a part of a schema say when they are broken.
fn messages(schema: &Value) -> impl Iterator<Item = &str> {
    let rules = items(&schema["x-kubernetes-validations"]);
    rules.map(|rule| {
        rule["message"]
            .as_str()
            .unwrap_or_else(|| text(&rule["rule"]))
    })
}

/// Kinds and the files that show them: a file is about the kind of its last object.
fn examples(directory: &Path) -> Vec<(String, String)> {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut examples: Vec<_> = files
        .filter_map(|file| {
            let content = fs::read_to_string(file.path()).ok()?;
            let kind = content
                .lines()
                .rev()
                .find_map(|line| line.strip_prefix("kind: "))?;
            Some((kind.to_owned(), file.file_name().into_string().ok()?))
        })
        .collect();
    examples.sort();
    examples
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn link(title: &str) -> String {
    format!("[{title}](#{})", title.to_lowercase().replace(' ', "-"))
}

/// Text in one line, in which only code is code.
fn prose(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let parts = line.split('`').enumerate();
    let parts: Vec<_> = parts
        .map(|(index, part)| match index % 2 {
            0 => part.replace('<', "&lt;").replace('*', "\\*"),
            _ => part.to_owned(),
        })
        .collect();
    parts.join("`")
}

/// Text in a cell of a table.
fn cell(text: &str) -> String {
    prose(text).replace('|', "\\|")
}
