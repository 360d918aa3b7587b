//! What all resource types have in common: reading from the shared list, and changing with the list kept true.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde::Serialize;
use serde::de::{DeserializeOwned, Error as _};
use serde_json::value::RawValue;
use tokio::sync::OwnedMutexGuard;

use super::action::Action;
use super::budget::Priority;
use super::client::{Call, Client, encode};
use super::error::{Class, Error};
use super::labels::Labels;
use super::page;
use super::snapshot::{Known, Snapshot};

/// Who accepts nothing older is interested in single objects: something goes on with them.
const RECENT: Duration = Duration::from_secs(60);

/// A type of object that the API lists under `/<collection>`.
///
/// Implementations read every field that they do not need for identity as optional, and enums as text: the API adds
/// values and removes fields.
pub trait Resource: DeserializeOwned + Debug + Send + Sync + 'static {
    /// Path segment, and key of the list in an answer.
    const COLLECTION: &'static str;
    /// Key of a single object in an answer.
    const OBJECT: &'static str;

    /// The API's id.
    fn id(&self) -> u64;
    /// The name; empty where the type has none.
    fn name(&self) -> &str;
    /// The labels; empty where the type has none.
    fn labels(&self) -> &Labels;

    /// What an object of this type can be protected against, as the API calls it.
    const PROTECTIONS: &'static [&'static str] = &["delete"];

    /// Whether the object is protected against deletion.
    fn protected(&self) -> bool {
        false
    }
}

/// The objects of one type under one client.
#[derive(Debug)]
pub struct Resources<'a, T> {
    client: &'a Client,
    snapshot: Arc<Snapshot<T>>,
}

impl<'a, T: Resource> Resources<'a, T> {
    pub(super) fn new(client: &'a Client) -> Self {
        Self {
            client,
            snapshot: client.snapshot(),
        }
    }

    /// The object with this id, as it was at most `max_age` ago; `None` when the API itself says that there is none.
    pub async fn by_id(&self, id: u64, max_age: Duration) -> Result<Option<Arc<T>>, Error> {
        let since = self.since(max_age);
        let known = match self.snapshot.known(id, since) {
            Known::Outdated => {
                // Who accepts more looks at all objects in turn.
                if max_age <= RECENT && self.snapshot.reads_single(self.client.seen().at) {
                    return self.read(id, Priority::Poll).await;
                }
                self.refresh(since).await?;
                self.snapshot.known(id, since)
            }
            known => known,
        };
        match known {
            Known::Present(object) => Ok(Some(object)),
            Known::Gone => Ok(None),
            Known::Outdated | Known::Doubtful => self.read(id, Priority::Poll).await,
        }
    }

    /// The objects that carry this label, from a list that is at most `max_age` old.
    ///
    /// An object that was made while the list was read can be missing; where that matters, as after an unknown outcome,
    /// use [`Self::search`].
    pub async fn by_label(
        &self,
        key: &str,
        value: &str,
        max_age: Duration,
    ) -> Result<Vec<Arc<T>>, Error> {
        self.refresh(self.since(max_age)).await?;
        let wanted = |object: &T| object.labels().get(key).is_some_and(|found| found == value);
        Ok(self.snapshot.select(wanted))
    }

    /// The objects with this name, from a list that is at most `max_age` old. For most types there is at most one.
    pub async fn by_name(&self, name: &str, max_age: Duration) -> Result<Vec<Arc<T>>, Error> {
        self.refresh(self.since(max_age)).await?;
        Ok(self.snapshot.select(|object| object.name() == name))
    }

    /// All objects ordered by id, from a list that is at most `max_age` old.
    pub async fn all(&self, max_age: Duration) -> Result<Vec<Arc<T>>, Error> {
        self.refresh(self.since(max_age)).await?;
        Ok(self.snapshot.select(|_| true))
    }

    /// Asks the API for the objects that carry this label, now and with the urgency of a creation.
    pub async fn search(&self, key: &str, value: &str) -> Result<Vec<Arc<T>>, Error> {
        let seen = self.client.seen();
        let filter = format!("label_selector={}", encode(&format!("{key}=={value}")));
        let found = page::list::<T>(self.client, &filter, Priority::Create).await?;
        Ok(found
            .into_iter()
            .map(|object| self.snapshot.put(object, seen))
            .collect())
    }

    /// Reads one object now.
    pub async fn read(&self, id: u64, priority: Priority) -> Result<Option<Arc<T>>, Error> {
        let seen = self.client.seen();
        let call = Call::get(format!("/{}/{id}", T::COLLECTION), priority)
            .endpoint(format!("/{}/{{id}}", T::COLLECTION));
        let name = call.name();
        match self.client.send(call).await {
            Ok(answer) => {
                let object = member(&answer, T::OBJECT)
                    .map_err(|source| Error::decode(name, false, source))?;
                Ok(Some(self.snapshot.put(object, seen)))
            }
            Err(error) if error.class() == Class::NotFound => {
                self.snapshot.remove(id, seen);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Protects the object against everything that its type knows protection against, or lifts that.
    pub async fn change_protection(&self, id: u64, protect: bool) -> Result<Arc<T>, Error> {
        let request: BTreeMap<_, _> = T::PROTECTIONS.iter().map(|what| (what, protect)).collect();
        self.act(id, "change_protection", &request).await
    }

    /// Has the list read anew before it is used again.
    pub fn invalidate(&self) {
        self.snapshot.invalidate(self.client.seen());
    }

    /// Removes the object and waits until it is gone. An object that does not exist is gone.
    pub async fn delete(&self, id: u64) -> Result<(), Error> {
        let path = |id: &str| format!("/{}/{id}", T::COLLECTION);
        let call = Call::change(Method::DELETE, path(&id.to_string()), Priority::Delete);
        let change = self.begin(Some(id)).await;
        match change.send(call.endpoint(path("{id}"))).await {
            Ok(sent) => {
                let actions = actions(&sent.answer);
                self.client.finish(actions, Priority::Delete).await?;
                sent.settle();
            }
            Err(error) if error.class() == Class::NotFound => {}
            Err(error) => return Err(error),
        }
        self.snapshot.remove(id, self.client.seen());
        Ok(())
    }

    /// `POST /<collection>`: makes an object.
    pub async fn create<B: Serialize + Sync>(&self, body: &B) -> Result<Arc<T>, Error> {
        let (object, _) = self.create_and_tell(body).await?;
        Ok(object)
    }

    /// As [`Self::create`], with the whole answer, for types whose creation tells more than the object.
    pub(super) async fn create_and_tell<B: Serialize + Sync>(
        &self,
        body: &B,
    ) -> Result<(Arc<T>, Bytes), Error> {
        let path = format!("/{}", T::COLLECTION);
        let call = Call::change(Method::POST, path, Priority::Create).json(body)?;
        let name = call.name();
        let sent = self.begin(None).await.send(call).await?;
        let object = self.changed(&sent.answer, name)?;
        Ok((object, sent.settle()))
    }

    /// `PUT /<collection>/<id>`: changes name, labels (the whole map) and what else the type takes; what the request
    /// leaves out stays.
    pub async fn update<B: Serialize + Sync>(&self, id: u64, body: &B) -> Result<Arc<T>, Error> {
        let path = |id: &str| format!("/{}/{id}", T::COLLECTION);
        let call = Call::change(Method::PUT, path(&id.to_string()), Priority::Update);
        let call = call.endpoint(path("{id}")).json(body)?;
        let name = call.name();
        let sent = self.begin(Some(id)).await.send(call).await?;
        let object = self.changed(&sent.answer, name)?;
        sent.settle();
        Ok(object)
    }

    /// `POST /<collection>/<id>/actions/<command>`, waits for its actions, and reads the object.
    pub async fn act<B: Serialize + Sync>(
        &self,
        id: u64,
        command: &str,
        body: &B,
    ) -> Result<Arc<T>, Error> {
        let call = command_call::<T>(id, command).json(body)?;
        let name = call.name();
        let sent = self.begin(Some(id)).await.send(call).await?;
        let actions = actions(&sent.answer);
        self.client.finish(actions, Priority::Update).await?;
        let object = self.read(id, Priority::Update).await?;
        sent.settle();
        object.ok_or(Error::Vanished { call: name })
    }

    /// As [`Self::act`], without reading the object: it is read when it is next asked for, unless a later change in
    /// the same sequence returns it. `None` sends no body.
    pub async fn run<B: Serialize + Sync>(
        &self,
        id: u64,
        command: &str,
        body: Option<&B>,
    ) -> Result<(), Error> {
        let mut call = command_call::<T>(id, command);
        if let Some(body) = body {
            call = call.json(body)?;
        }
        let sent = self.begin(Some(id)).await.send(call).await?;
        let actions = actions(&sent.answer);
        self.client.finish(actions, Priority::Update).await
    }

    /// As [`Self::run`], without waiting for the actions. Returns the answer.
    pub(super) async fn begin_action<B: Serialize + Sync>(
        &self,
        id: u64,
        command: &str,
        body: &B,
    ) -> Result<Bytes, Error> {
        let call = command_call::<T>(id, command).json(body)?;
        let sent = self.begin(Some(id)).await.send(call).await?;
        // Not settled: the object changes from now on.
        Ok(sent.answer)
    }

    /// Begins a change of an object, or the creation of one that has no id yet.
    ///
    /// Changes of one object take turns: the API refuses a second one while the first goes on.
    async fn begin(&self, id: Option<u64>) -> Change<'_, T> {
        let turn = match id {
            Some(id) => Some(self.client.turn(T::COLLECTION, id).await),
            None => None,
        };
        Change {
            doubt: Doubt {
                resources: self,
                id,
                settled: false,
            },
            _turn: turn,
        }
    }

    /// A change of another object has changed this one too: it is read before it is used again.
    pub fn doubt(&self, id: u64) {
        self.snapshot.doubt(id, self.client.seen());
    }

    pub(super) fn client(&self) -> &'a Client {
        self.client
    }

    fn changed(&self, answer: &[u8], name: String) -> Result<Arc<T>, Error> {
        let object =
            member(answer, T::OBJECT).map_err(|source| Error::decode(name, true, source))?;
        Ok(self.snapshot.put(object, self.client.seen()))
    }

    fn since(&self, max_age: Duration) -> Duration {
        self.snapshot.since(self.client.seen().at, max_age)
    }

    /// Makes sure that the list is known as of `since`. Those who ask meanwhile share the answer, also a failure.
    async fn refresh(&self, since: Duration) -> Result<(), Error> {
        if self.snapshot.listed_since(since) {
            return Ok(());
        }
        let came = self.client.seen();
        let _flight = self.snapshot.flight.lock().await;
        if self.snapshot.listed_since(since) {
            return Ok(());
        }
        let started = self.client.seen();
        if let Some(error) = self.snapshot.failure(came.order, started.at) {
            return Err(error);
        }
        match page::list(self.client, "", Priority::Poll).await {
            Ok(objects) => {
                self.snapshot.replace(objects, started);
                Ok(())
            }
            Err(error) => {
                self.snapshot.fail(error.clone(), self.client.seen());
                Err(error)
            }
        }
    }
}

/// `POST /<collection>/<id>/actions/<command>`.
fn command_call<T: Resource>(id: u64, command: &str) -> Call {
    let path = |id: &str| format!("/{}/{id}/actions/{command}", T::COLLECTION);
    Call::change(Method::POST, path(&id.to_string()), Priority::Update).endpoint(path("{id}"))
}

/// The turn to change an object.
#[derive(Debug)]
struct Change<'a, T: Resource> {
    doubt: Doubt<'a, T>,
    _turn: Option<OwnedMutexGuard<()>>,
}

impl<'a, T: Resource> Change<'a, T> {
    /// Sends the call. A refusal settles everything, because nothing happened.
    async fn send(self, call: Call) -> Result<Sent<'a, T>, Error> {
        match self.doubt.resources.client.send(call).await {
            Ok(answer) => Ok(Sent {
                change: self,
                answer,
            }),
            Err(error) => {
                if error.class() != Class::OutcomeUnknown {
                    self.settle();
                }
                Err(error)
            }
        }
    }

    fn settle(mut self) {
        self.doubt.settled = true;
    }
}

/// A change that was accepted. It has ended when it is settled.
#[derive(Debug)]
struct Sent<'a, T: Resource> {
    change: Change<'a, T>,
    answer: Bytes,
}

impl<T: Resource> Sent<'_, T> {
    /// What has become of the object is known. Returns the answer.
    fn settle(self) -> Bytes {
        self.change.settle();
        self.answer
    }
}

/// Unless the change is settled, also when it is given up midway, what is known of its object, or the list when there is
/// no id yet, counts no more.
#[derive(Debug)]
struct Doubt<'a, T: Resource> {
    resources: &'a Resources<'a, T>,
    id: Option<u64>,
    settled: bool,
}

impl<T: Resource> Drop for Doubt<'_, T> {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let Resources { client, snapshot } = self.resources;
        match self.id {
            Some(id) => snapshot.doubt(id, client.seen()),
            None => snapshot.invalidate(client.seen()),
        }
    }
}

type Members<'a> = BTreeMap<String, &'a RawValue>;

/// Reads one member of an answer.
pub(super) fn member<'a, V: serde::Deserialize<'a>>(
    answer: &'a [u8],
    key: &str,
) -> Result<V, serde_json::Error> {
    let members: Members<'a> = serde_json::from_slice(answer)?;
    let value = members
        .get(key)
        .ok_or_else(|| serde_json::Error::custom(format!("missing member `{key}`")))?;
    serde_json::from_str(value.get())
}

/// The actions that an answer announces, in the order in which they run.
fn actions(answer: &[u8]) -> Vec<Action> {
    let Ok(members) = serde_json::from_slice::<Members<'_>>(answer) else {
        return Vec::new();
    };
    let read = |key: &str| members.get(key).map(|value| value.get());
    let one = read("action").and_then(|text| serde_json::from_str::<Action>(text).ok());
    let several = ["actions", "next_actions"]
        .into_iter()
        .filter_map(read)
        .filter_map(|text| serde_json::from_str::<Vec<Action>>(text).ok());
    one.into_iter().chain(several.flatten()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_found_wherever_an_answer_has_them() {
        let action = |id: u64| format!(r#"{{"id":{id},"command":"c","status":"running"}}"#);
        let table = [
            (String::new(), vec![]),
            (r#"{"network":{}}"#.to_owned(), vec![]),
            (r#"{"action":null}"#.to_owned(), vec![]),
            (format!(r#"{{"action":{}}}"#, action(1)), vec![1]),
            (
                format!(r#"{{"actions":[{},{}]}}"#, action(1), action(2)),
                vec![1, 2],
            ),
            (
                format!(
                    r#"{{"server":{{}},"next_actions":[{}],"action":{},"x":1}}"#,
                    action(3),
                    action(2)
                ),
                vec![2, 3],
            ),
        ];
        for (answer, ids) in table {
            let found: Vec<u64> = actions(answer.as_bytes())
                .iter()
                .map(|action| action.id)
                .collect();
            assert_eq!(found, ids, "{answer}");
        }
    }

    #[test]
    fn a_missing_member_is_named() {
        let error = member::<u64>(br#"{"other":1}"#, "network").unwrap_err();
        assert_eq!(error.to_string(), "missing member `network`");
    }
}
