//! `/certificates`: uploaded ones, and managed ones that are issued by an action. Which load balancers use a certificate is
//! kept with them.

mod model;
mod x509;

pub use model::{Certificate, CertificateKind, Renewal};

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    action::{ActionError, NewAction, ResourceRef},
    clock::later,
    collection::Id,
    error::ApiError,
    listing::Listing,
    project::Project,
    request::Fields,
    resource::{Changes, Kind},
    route::{Call, Reply, Route},
};

pub(crate) static KIND: Kind = Kind {
    name: "certificate",
    plural: "certificates",
    routes: &[
        Route::get("/certificates", list),
        Route::post("/certificates", create),
        Route::get("/certificates/{id}", get),
        Route::put("/certificates/{id}", update),
        Route::delete("/certificates/{id}", delete),
        Route::post("/certificates/{id}/actions/retry", retry),
    ],
    changes: Some(Changes {
        exists: |project, id| project.certificates().get(id).is_some(),
        apply,
    }),
};

const LIFETIME: Duration = Duration::from_secs(90 * 24 * 3600);

/// What an action does to a managed certificate when it succeeds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Change {
    Issue { at: Timestamp },
}

fn apply(project: &mut Project, id: Id, change: &Value) -> Result<(), ActionError> {
    let failed = |message: String| ActionError::new("action_failed", message);
    let Change::Issue { at } =
        Change::deserialize(change).map_err(|error| failed(error.to_string()))?;
    let certificate = project.certificates_mut().get_mut(id);
    let certificate =
        certificate.ok_or_else(|| failed(format!("certificate {id} does not exist")))?;
    certificate.issue(pem(&certificate.domain_names, at), at, later(at, LIFETIME));
    Ok(())
}

/// Stands for a certificate of Let's Encrypt; it only looks like one.
fn pem(domain_names: &[String], at: Timestamp) -> String {
    let content = format!("issued at {at} for {}", domain_names.join(", "));
    let content = STANDARD.encode(content);
    format!("-----BEGIN CERTIFICATE-----\n{content}\n-----END CERTIFICATE-----\n")
}

fn find<'a>(call: &'a Call<'_>) -> Result<&'a Certificate, ApiError> {
    let id = call.id("id")?;
    let certificate = call.project.certificates().get(id);
    certificate.ok_or_else(|| ApiError::not_found("certificate", id))
}

fn list(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let certificates = call.project.certificates().iter();
    let bodies = certificates
        .map(|certificate| certificate.body(call.project))
        .collect();
    Listing::new("certificates", call.request, bodies)
        .filter("name")
        .filter("type")
        .filter_by_label()?
        .sort(&["id", "name", "created"])?
        .page()
}

fn get(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let body = find(call)?.body(call.project);
    Ok(Reply::json(StatusCode::OK, json!({ "certificate": body })))
}

fn create(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let mut fields = call.fields()?;
    let name = fields.required_name();
    let labels = fields.labels().unwrap_or_default();
    let kind = fields.parsed_optional("type", |text| match text {
        "uploaded" => Ok(CertificateKind::Uploaded),
        "managed" => Ok(CertificateKind::Managed),
        _ => Err(format!("'{text}' is not one of uploaded, managed")),
    });
    let read = match kind.unwrap_or(CertificateKind::Uploaded) {
        CertificateKind::Uploaded => read_uploaded(&mut fields),
        CertificateKind::Managed => read_managed(&mut fields),
    };
    let name = fields.need(name)?;
    let mut certificate = fields.need(read)?;
    call.project.certificates().check_name(&name, None)?;
    call.check_quota(call.project.certificates().len())?;

    let id = call.project.new_id();
    certificate.id = id;
    certificate.name = name;
    certificate.labels = labels;
    certificate.created = call.now;
    let managed = certificate.kind == CertificateKind::Managed;
    call.project.certificates_mut().insert(certificate);
    let action = managed.then(|| issue(call, "create_certificate", id));
    let certificate = call.project.certificates().get(id);
    let certificate = certificate.map(|certificate| certificate.body(call.project));
    let body = json!({ "certificate": certificate, "action": action });
    Ok(Reply::json(StatusCode::CREATED, body))
}

/// Whether the private key belongs to the certificate is not looked at, and it is not kept.
fn read_uploaded(fields: &mut Fields) -> Option<Certificate> {
    let certificate = fields.parsed("certificate", |pem| Ok((pem.to_owned(), x509::read(pem)?)));
    fields.parsed("private_key", x509::check_private_key);
    let (pem, facts) = certificate?;
    let mut uploaded = Certificate::new(CertificateKind::Uploaded);
    uploaded.domain_names = facts.domain_names;
    uploaded.issue(pem, facts.not_before, facts.not_after);
    Some(uploaded)
}

fn read_managed(fields: &mut Fields) -> Option<Certificate> {
    let domain_names = fields.required::<Vec<String>>("domain_names")?;
    if domain_names.is_empty() || domain_names.iter().any(|name| !is_domain_name(name)) {
        fields.refuse("domain_names", "must be a list of domain names");
        return None;
    }
    let mut managed = Certificate::new(CertificateKind::Managed);
    managed.domain_names = domain_names;
    Some(managed)
}

fn is_domain_name(text: &str) -> bool {
    let labels = text.strip_prefix("*.").unwrap_or(text);
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    labels.contains('.') && labels.split('.').all(is_label)
}

fn issue(call: &mut Call<'_>, command: &'static str, id: Id) -> Value {
    let change = json!(Change::Issue { at: call.now });
    let action = call.start(NewAction::new(
        command,
        ResourceRef::new(KIND.name, id),
        change,
    ));
    call.settled(action)
}

fn update(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let id = find(call)?.id;
    let mut fields = call.fields()?;
    let name = fields.name();
    let labels = fields.labels();
    fields.check()?;
    let certificates = call.project.certificates_mut();
    if let Some(name) = &name {
        certificates.check_name(name, Some(id))?;
    }
    if let Some(certificate) = certificates.get_mut(id) {
        if let Some(name) = name {
            certificate.name = name;
        }
        if let Some(labels) = labels {
            certificate.labels = labels;
        }
    }
    get(call)
}

fn delete(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let certificate = find(call)?;
    let id = certificate.id;
    if !certificate.used_by(call.project).is_empty() {
        let message = "certificate still in use";
        return Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "service_error",
            message,
        ));
    }
    call.check_idle(id)?;
    call.project.certificates_mut().remove(id);
    Ok(Reply::no_content())
}

fn retry(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let certificate = find(call)?;
    if !certificate.is_retryable(call.project) {
        let message = "certificate not retryable";
        return Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "unsupported_error",
            message,
        ));
    }
    let id = certificate.id;
    let action = issue(call, "issue_certificate", id);
    Ok(Reply::json(
        StatusCode::CREATED,
        json!({ "action": action }),
    ))
}
