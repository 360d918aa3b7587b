//! A certificate as the simulator keeps it, and as the API writes it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{KIND, x509};
use crate::{
    action::{Action, Status},
    clock::wire,
    collection::{Collection, Id, Object},
    label::Labels,
    project::Project,
};

/// A certificate for load balancers. Its private key is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The certificate's id.
    pub id: Id,
    /// Its name, unique in the project.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// Who renews it.
    pub kind: CertificateKind,
    /// The chain in PEM format; none of a managed one that is not issued.
    pub certificate: Option<String>,
    /// When it was created here.
    pub created: Timestamp,
    /// When it begins to be valid.
    pub not_valid_before: Option<Timestamp>,
    /// When it ceases to be valid.
    pub not_valid_after: Option<Timestamp>,
    /// The names that it is for.
    pub domain_names: Vec<String>,
    /// The SHA-256 fingerprint of the first certificate in the chain.
    pub fingerprint: Option<String>,
    /// How the renewal of a managed one stands.
    pub renewal: Renewal,
}

/// Who renews a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateKind {
    /// Whoever uploaded it.
    Uploaded,
    /// Hetzner.
    Managed,
}

/// How the renewal of a managed certificate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Renewal {
    /// It will be tried.
    Scheduled,
    /// It is being tried.
    Pending,
    /// It has failed and can be tried again.
    Failed,
    /// It is too early.
    Unavailable,
}

impl Object for Certificate {
    fn id(&self) -> Id {
        self.id
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Project {
    /// The project's certificates.
    pub const fn certificates(&self) -> &Collection<Certificate> {
        &self.resources.certificates
    }

    /// The project's certificates, to be changed by hand.
    pub const fn certificates_mut(&mut self) -> &mut Collection<Certificate> {
        &mut self.resources.certificates
    }
}

impl Certificate {
    pub(super) const fn new(kind: CertificateKind) -> Self {
        Self {
            id: 0,
            name: String::new(),
            labels: Labels::new(),
            kind,
            certificate: None,
            created: Timestamp::UNIX_EPOCH,
            not_valid_before: None,
            not_valid_after: None,
            domain_names: Vec::new(),
            fingerprint: None,
            renewal: Renewal::Unavailable,
        }
    }

    pub(super) fn issue(&mut self, pem: String, not_before: Timestamp, not_after: Timestamp) {
        self.fingerprint = x509::fingerprint(&pem);
        self.certificate = Some(pem);
        self.not_valid_before = Some(not_before);
        self.not_valid_after = Some(not_after);
        self.renewal = Renewal::Unavailable;
    }

    /// The load balancers that use it.
    pub fn used_by(&self, project: &Project) -> Vec<Id> {
        let load_balancers = project.load_balancers().iter();
        let users = load_balancers.filter(|user| user.certificates().contains(&self.id));
        users.map(|user| user.id).collect()
    }

    /// True when issuing or renewing has failed and can be tried again.
    pub(super) fn is_retryable(&self, project: &Project) -> bool {
        let issuing_failed = self.certificate.is_none()
            && self
                .last_action(project)
                .is_some_and(|action| action.status == Status::Error);
        let renewing_failed = self.certificate.is_some() && self.renewal == Renewal::Failed;
        self.kind == CertificateKind::Managed && (issuing_failed || renewing_failed)
    }

    fn last_action<'a>(&self, project: &'a Project) -> Option<&'a Action> {
        let concerning = project
            .actions()
            .filter(|action| action.concerns(KIND.name, self.id));
        concerning.last()
    }

    pub(super) fn body(&self, project: &Project) -> Value {
        let used_by = self.used_by(project).into_iter();
        let used_by = used_by.map(|id| json!({ "id": id, "type": "load_balancer" }));
        json!({
            "id": self.id,
            "name": self.name,
            "labels": self.labels,
            "type": self.kind,
            "certificate": self.certificate,
            "created": wire(self.created),
            "not_valid_before": self.not_valid_before.map(wire),
            "not_valid_after": self.not_valid_after.map(wire),
            "domain_names": self.domain_names,
            "fingerprint": self.fingerprint,
            "status": self.status(project),
            "used_by": used_by.collect::<Vec<_>>(),
        })
    }

    fn status(&self, project: &Project) -> Value {
        if self.kind == CertificateKind::Uploaded {
            return Value::Null;
        }
        let last = self.last_action(project);
        let error = last.and_then(|action| action.error.as_ref());
        let issuance = match (&self.certificate, error) {
            (Some(_), _) => "completed",
            (None, Some(_)) => "failed",
            (None, None) => "pending",
        };
        json!({ "issuance": issuance, "renewal": self.renewal, "error": error })
    }
}
