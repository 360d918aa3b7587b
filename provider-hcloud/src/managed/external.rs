//! What a kind implements: access to its external resources.

use std::{
    collections::BTreeMap,
    error::Error,
    fmt::{self, Display},
    future::Future,
    time::Duration,
};

use api::Managed;
use serde_json::Value;

use super::{
    credentials::{Config, SecretValue},
    desired::Desired,
};

/// Makes the [`External`] for a managed resource.
pub trait Connector: Send + Sync + 'static {
    /// The kind.
    type Resource: Managed;
    /// Access to external resources with one set of credentials.
    type External: External<Resource = Self::Resource>;

    /// Prepares access with the credentials of `config`. Called in every reconcile: clients are to be shared.
    ///
    /// # Errors
    /// When the credentials cannot be used.
    fn connect(
        &self,
        config: &Config,
    ) -> impl Future<Output = Result<Self::External, ExternalError>> + Send;
}

/// Access to the external resources of one kind.
pub trait External: Send + Sync {
    /// The kind.
    type Resource: Managed;

    /// How the result of a create is found out when its answer was lost.
    const IDENTITY: Identity;

    /// Whether external resources of this kind can only be observed, whatever the management policies say.
    const READ_ONLY: bool = false;

    /// Finds the external resource and compares it with the spec. Changes nothing.
    ///
    /// # Errors
    /// When it cannot be told whether the external resource exists, or what its state is.
    fn observe(
        &self,
        desired: &Desired<Self::Resource>,
        look: Look,
    ) -> impl Future<Output = Result<ObservationOf<Self>, ExternalError>> + Send;

    /// The external name that a create would give, when it is known before. It is recorded before the create is sent, in
    /// [`annotations::CREATE_NAME`](super::annotations::CREATE_NAME) until the create has a result: what carries nothing
    /// of its managed resource is found by it, also when what led to the name is lost.
    ///
    /// # Errors
    /// When nothing can be created now.
    fn foretell(
        &self,
        _desired: &Desired<Self::Resource>,
    ) -> impl Future<Output = Result<Option<String>, ExternalError>> + Send {
        async { Ok(None) }
    }

    /// Creates the external resource.
    ///
    /// # Errors
    /// When it was not created, or when that is unknown ([`ExternalError::outcome_unknown`]).
    fn create(
        &self,
        desired: &Desired<Self::Resource>,
    ) -> impl Future<Output = Result<Created, ExternalError>> + Send;

    /// Removes the differences that were observed and can be removed in place.
    ///
    /// # Errors
    /// When such a difference remains.
    fn update(
        &self,
        desired: &Desired<Self::Resource>,
        present: &PresentOf<Self>,
    ) -> impl Future<Output = Result<(), ExternalError>> + Send;

    /// Overwrites what the external resource holds, one step at a time: records outside that this goes on
    /// ([`Remedy::Overwritten`]), and is called again until it is done. Returns what is told only now and can be published
    /// in the connection Secret.
    ///
    /// # Errors
    /// When the step is refused, or the kind knows no such thing.
    fn overwrite(
        &self,
        _desired: &Desired<Self::Resource>,
        _present: &PresentOf<Self>,
    ) -> impl Future<Output = Result<Connection, ExternalError>> + Send {
        async { Err(ExternalError::new(NotOverwritable, Retry::OnChange)) }
    }

    /// Requests the deletion. What is already gone is success.
    ///
    /// # Errors
    /// When the deletion is refused for now or by the spec.
    fn delete(
        &self,
        desired: &Desired<Self::Resource>,
        present: &PresentOf<Self>,
    ) -> impl Future<Output = Result<(), ExternalError>> + Send;
}

/// The kind has no way of overwriting its external resources.
#[derive(Debug, thiserror::Error)]
#[error("an external resource of this kind cannot be overwritten")]
struct NotOverwritable;

/// What an [`External`] reports of its resource.
pub type AtProviderOf<E> = <<E as External>::Resource as Managed>::AtProvider;
/// The observation of an [`External`].
pub type ObservationOf<E> = Observation<AtProviderOf<E>>;
/// What an [`External`] observes of a resource that exists.
pub type PresentOf<E> = Present<AtProviderOf<E>>;

/// How an external resource whose create had no answer is found again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Identity {
    /// It carries the UID of the managed resource, or its name follows from the spec: observing finds it.
    Findable,
    /// It cannot be found; a person has to look.
    Opaque,
}

/// How recent an observation has to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Look {
    /// What is shared with other managed resources will do, when it is not older than this.
    Shared {
        /// Greatest age.
        max_age: Duration,
    },
    /// Ask the external system now: something may just have changed.
    Direct,
}

/// What was found outside.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Observation<A> {
    /// The external resource does not exist.
    Absent,
    /// The external resource exists.
    Present(Present<A>),
}

/// An external resource that exists.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Present<A> {
    /// Its external name.
    pub external_name: String,
    /// What is reported of it.
    pub at_provider: A,
    /// How it differs from the spec.
    pub drift: Drift,
    /// Whether it can be used.
    pub readiness: Readiness,
    /// Empty fields of `spec.forProvider` that can be filled in, as a merge patch of it.
    pub late_init: Option<Value>,
    /// What can be published in the connection Secret.
    pub connection: Connection,
}

impl<A> Present<A> {
    /// An external resource that can be used and is as the spec says.
    pub fn new(external_name: impl Into<String>, at_provider: A) -> Self {
        Self {
            external_name: external_name.into(),
            at_provider,
            drift: Drift::default(),
            readiness: Readiness::Available,
            late_init: None,
            connection: Connection::new(),
        }
    }

    /// All but what is reported.
    pub fn without_report(&self) -> Present<()> {
        Present {
            external_name: self.external_name.clone(),
            at_provider: (),
            drift: self.drift.clone(),
            readiness: self.readiness.clone(),
            late_init: self.late_init.clone(),
            connection: self.connection.clone(),
        }
    }
}

/// An external resource that was just created.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Created {
    /// Its external name.
    pub external_name: String,
    /// What is told only now and can be published in the connection Secret.
    pub connection: Connection,
}

impl Created {
    /// Called `external_name`, with nothing to publish.
    pub fn named(external_name: impl Display) -> Self {
        Self {
            external_name: external_name.to_string(),
            connection: Connection::new(),
        }
    }
}

/// Connection details, by key of the Secret.
pub type Connection = BTreeMap<&'static str, SecretValue>;

/// Whether an external resource can be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Readiness {
    /// It can be used.
    Available,
    /// It can be used, and what is reported of it is still to change; worth another look after the given time.
    Settling {
        /// When to look again.
        recheck: Duration,
    },
    /// It is not yet finished; worth another look after the given time.
    Creating {
        /// When to look again.
        recheck: Duration,
    },
    /// It exists, and cannot be used.
    Unavailable {
        /// Why, in words.
        message: String,
        /// When to look again.
        recheck: Duration,
    },
    /// It was never usable and will not be: its creation failed halfway. It is deleted and created again.
    Broken {
        /// Why, in words.
        message: String,
    },
}

/// One named difference between the spec and the external resource.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Difference {
    /// Path of the field below `spec.forProvider`.
    pub field: String,
    /// What the spec says.
    pub desired: String,
    /// What was observed.
    pub observed: String,
    /// What it takes to remove it.
    pub remedy: Remedy,
}

/// What it takes to remove a difference.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Remedy {
    /// The external resource can be changed.
    #[default]
    InPlace,
    /// The external resource can be changed, and its creation is not complete before: who may create may do this.
    Completion,
    /// The external resource has to be deleted and created again, which somebody has to approve.
    Replacement,
    /// The external resource stays the same one and loses what it holds, which somebody has to approve.
    Overwriting,
    /// As [`Remedy::Overwriting`], once that is approved and recorded outside: it goes on. An update gives it up, because
    /// the approval was taken back.
    Overwritten,
    /// The external resource is fine as it is, and will be as desired when it is overwritten or replaced. That can be
    /// done at once as well.
    Succession,
}

impl Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            field,
            desired,
            observed,
            remedy: _,
        } = self;
        write!(f, "{field}: desired {desired}, observed {observed}")
    }
}

/// All differences; none means up to date.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Drift(Vec<Difference>);

impl Drift {
    /// Adds a difference that can be removed in place when the values differ. `None` as `desired` means that the field
    /// is not managed.
    pub fn check<T: PartialEq + Display + ?Sized>(
        &mut self,
        field: &str,
        desired: Option<&T>,
        observed: &T,
    ) {
        self.compare(field, desired, observed, Remedy::InPlace);
    }

    /// As [`Drift::check`], for a field that cannot be changed in place.
    pub fn check_fixed<T: PartialEq + Display + ?Sized>(
        &mut self,
        field: &str,
        desired: Option<&T>,
        observed: &T,
    ) {
        self.compare(field, desired, observed, Remedy::Replacement);
    }

    fn compare<T: PartialEq + Display + ?Sized>(
        &mut self,
        field: &str,
        desired: Option<&T>,
        observed: &T,
        remedy: Remedy,
    ) {
        if let Some(desired) = desired
            && desired != observed
        {
            self.0.push(Difference {
                field: field.to_owned(),
                desired: desired.to_string(),
                observed: observed.to_string(),
                remedy,
            });
        }
    }

    /// Adds a difference.
    pub fn push(&mut self, difference: Difference) {
        self.0.push(difference);
    }

    /// Whether the external resource is as the spec says.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether something can be changed in place.
    pub fn in_place(&self) -> bool {
        let in_place = [Remedy::InPlace, Remedy::Completion, Remedy::Overwritten];
        self.0.iter().any(|d| in_place.contains(&d.remedy))
    }

    /// Whether the creation is not complete.
    pub fn is_unfinished(&self) -> bool {
        self.0.iter().any(|d| d.remedy == Remedy::Completion)
    }

    /// The same differences, as what a creation left to be done.
    pub fn into_completion(mut self) -> Self {
        for difference in &mut self.0 {
            difference.remedy = Remedy::Completion;
        }
        self
    }

    /// The same differences, as what goes on once it was approved to overwrite the external resource.
    pub fn into_overwritten(mut self) -> Self {
        for difference in &mut self.0 {
            difference.remedy = Remedy::Overwritten;
        }
        self
    }

    /// Leaves out all but what a creation left to be done.
    pub fn keep_completion(&mut self) {
        self.0.retain(|d| d.remedy == Remedy::Completion);
    }

    /// Whether something is not as desired before the external resource is replaced or overwritten.
    pub fn needs_replacement(&self) -> bool {
        let unfit = [Remedy::Replacement, Remedy::Overwriting];
        self.0.iter().any(|d| unfit.contains(&d.remedy))
    }

    /// Whether it will do to overwrite the external resource instead of replacing it.
    pub fn can_be_overwritten(&self) -> bool {
        !self.0.iter().any(|d| d.remedy == Remedy::Replacement)
    }

    /// Whether overwriting the external resource goes on.
    pub fn is_overwritten(&self) -> bool {
        self.0.iter().any(|d| d.remedy == Remedy::Overwritten)
    }

    /// Names the change that somebody has to approve: `field=desired`, several separated by `;`.
    pub fn replacement(&self) -> Option<String> {
        let by_replacement = [Remedy::Replacement, Remedy::Overwriting, Remedy::Succession];
        let replaced = self.0.iter().filter(|d| by_replacement.contains(&d.remedy));
        let changes: Vec<_> = replaced
            .map(|Difference { field, desired, .. }| format!("{field}={desired}"))
            .collect();
        (!changes.is_empty()).then(|| changes.join(";"))
    }

    /// Whether the field, or a part of it, differs.
    pub fn touches(&self, field: &str) -> bool {
        self.0.iter().any(|difference| {
            difference
                .field
                .strip_prefix(field)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    }

    /// The differences.
    pub fn iter(&self) -> std::slice::Iter<'_, Difference> {
        self.0.iter()
    }
}

impl Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, difference) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            Display::fmt(difference, f)?;
        }
        Ok(())
    }
}

/// When to try again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Retry {
    /// With the back-off of the object.
    BackOff,
    /// After this time, for example when a budget is full again.
    After(Duration),
    /// After this time, and the later the more often: others have to do something first.
    Patiently(Duration),
    /// When the spec changes; at the next poll at the latest.
    OnChange,
}

/// A failure of an [`External`] or [`Connector`].
#[derive(Debug)]
pub struct ExternalError {
    source: Box<dyn Error + Send + Sync>,
    retry: Retry,
    outcome_unknown: bool,
    refusal: Option<Refusal>,
}

/// The external system does not accept the credentials, whatever they are used for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The reason that the external system gives. The same for all calls, and without the credentials.
    pub message: String,
    /// Only changes are refused.
    pub changes_only: bool,
}

impl ExternalError {
    /// A failure after which the external system is as it was.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>, retry: Retry) -> Self {
        Self {
            source: source.into(),
            retry,
            outcome_unknown: false,
            refusal: None,
        }
    }

    /// A failure after which it is unknown whether the mutation happened.
    pub fn with_unknown_outcome(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            source: source.into(),
            retry: Retry::BackOff,
            outcome_unknown: true,
            refusal: None,
        }
    }

    /// Says that the credentials are not accepted.
    #[must_use]
    pub fn refusing(mut self, refusal: Option<Refusal>) -> Self {
        self.refusal = refusal;
        self
    }

    /// Whether the credentials are not accepted.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    /// When to try again.
    pub fn retry(&self) -> Retry {
        self.retry
    }

    /// Whether the mutation may have happened all the same.
    pub fn outcome_unknown(&self) -> bool {
        self.outcome_unknown
    }
}

impl Display for ExternalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.source, f)
    }
}

impl Error for ExternalError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.source()
    }
}

/// An error with all its sources, `a: b: c`. A source whose text its parent already ends with is not repeated.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let part = source.to_string();
        if !text.ends_with(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_is_not_managed_never_differs() {
        let mut drift = Drift::default();
        drift.check("name", None, "observed");
        drift.check("name", Some("same"), "same");
        assert!(drift.is_empty());
        drift.check("name", Some("a"), "b");
        assert_eq!(drift.to_string(), "name: desired a, observed b");
    }

    #[test]
    fn a_replacement_is_named_by_the_fields_that_need_it() {
        let mut drift = Drift::default();
        drift.check("name", Some("a"), "b");
        assert!(drift.in_place() && drift.replacement().is_none());
        drift.check_fixed("image", Some("debian-13"), "debian-12");
        drift.check_fixed("location", Some("fsn1"), "nbg1");
        assert_eq!(
            drift.replacement().as_deref(),
            Some("image=debian-13;location=fsn1")
        );
        assert!(drift.needs_replacement());
    }

    #[test]
    fn what_waits_for_a_successor_needs_no_replacement() {
        let mut drift = Drift::default();
        drift.push(Difference {
            field: "userData".to_owned(),
            desired: "b".to_owned(),
            observed: "a".to_owned(),
            remedy: Remedy::Succession,
        });
        assert!(!drift.is_empty() && !drift.in_place() && !drift.needs_replacement());
        assert_eq!(drift.replacement().as_deref(), Some("userData=b"));
    }

    #[test]
    fn what_can_be_overwritten_is_not_replaced_unless_something_else_has_to_be() {
        let difference = |field: &str, remedy| Difference {
            field: field.to_owned(),
            desired: "b".to_owned(),
            observed: "a".to_owned(),
            remedy,
        };
        let mut drift = Drift::default();
        drift.push(difference("image.name", Remedy::Overwriting));
        drift.push(difference("userData", Remedy::Succession));
        assert!(drift.needs_replacement() && drift.can_be_overwritten() && !drift.in_place());
        assert_eq!(
            drift.replacement().as_deref(),
            Some("image.name=b;userData=b")
        );
        assert!(!drift.is_overwritten());
        drift.push(difference("location", Remedy::Replacement));
        assert!(drift.needs_replacement() && !drift.can_be_overwritten());
        let mut goes_on = Drift::default();
        goes_on.push(difference("rebuild", Remedy::Overwritten));
        assert!(goes_on.is_overwritten() && goes_on.replacement().is_none());
    }

    #[test]
    fn a_difference_touches_its_field_and_the_fields_above_it() {
        let mut drift = Drift::default();
        drift.check("labels[tier]", Some("a"), "b");
        assert!(drift.touches("labels") && drift.touches("labels[tier]"));
        assert!(!drift.touches("label") && !drift.touches("name"));
    }
}
