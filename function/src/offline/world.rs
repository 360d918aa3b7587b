//! A world in which everything works: Crossplane, which calls the function for every
//! composite resource until nothing changes any more, and the [`Cloud`].
//!
//! A composite resource is called when it, or what it composed, is not as it was at the
//! last call; what has not changed is left alone.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bytes::Bytes;
use serde_json::{Value, json};

use super::call::{Situation, call};
use super::cloud::Cloud;
use super::document::{Claims, Object, identity, is_composite, kind_and_name, text};
use super::error::Error;
use super::facts::{self, Facts};
use super::node::{Node, secret_data};
use super::recorded::Recorded;
use crate::structpb::{decode, encode};

/// Key of the price list among what an `XPlatform` composes.
const PRICING: &str = "pricing";

/// More calls than any composite needs: servers of a pool may change one after the other.
const CALLS: usize = 1000;

/// Everything that exists.
pub struct World<'a> {
    cloud: Cloud<'a>,
    roots: Vec<Member>,
}

impl std::fmt::Debug for World<'_> {
    /// Without what exists: there are Secrets in it.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("World").finish_non_exhaustive()
    }
}

/// An object that exists.
struct Member {
    /// As it was composed.
    object: Object,
    /// The same, encoded.
    desired: Bytes,
    status: Object,
    /// The object with its status, encoded.
    observed: Bytes,
    /// The cloud's version that the status was made at.
    told: Option<u64>,
    /// What it composes, for a composite resource of ours.
    below: Option<Below>,
}

#[derive(Default)]
struct Below {
    children: BTreeMap<String, Member>,
    /// What the last call was about.
    asked: Option<Situation>,
}

impl<'a> World<'a> {
    /// A world in which nothing exists yet.
    pub fn new(facts: &'a Facts) -> Self {
        Self {
            cloud: Cloud::new(facts),
            roots: Vec::new(),
        }
    }

    /// A world in which an earlier rendering exists.
    ///
    /// # Errors
    ///
    /// When the function refuses what is in it.
    pub(super) fn of(recorded: &[Recorded], facts: &'a Facts) -> Result<Self, Error> {
        let mut world = Self::new(facts);
        world.roots = recorded.iter().map(Member::recorded).collect();
        world.settle()?;
        world.renumber()?;
        Ok(world)
    }

    /// Makes these claims the only ones, and waits until everything is as they ask for.
    /// Gives the number of calls of the function that it took.
    ///
    /// # Errors
    ///
    /// When the function refuses a claim, or what follows from it.
    pub fn apply(&mut self, claims: &Claims) -> Result<usize, Error> {
        let is_new = self.roots.is_empty();
        let mut before = std::mem::take(&mut self.roots);
        for root in claims.roots() {
            let place = before
                .iter()
                .position(|member| identity(&member.object) == identity(root));
            let member = match place {
                Some(place) => {
                    let mut member = before.swap_remove(place);
                    member.change(root.clone(), encode(root).into());
                    member
                }
                None => Member::root(root.clone(), self.cloud.facts()),
            };
            self.roots.push(member);
        }
        before.iter().for_each(|gone| gone.leave(&mut self.cloud));
        let mut calls = self.settle()?;
        if is_new {
            calls += self.renumber()?;
        }
        Ok(calls)
    }

    /// What exists, as trees.
    pub fn nodes(&self) -> Vec<Node> {
        let roots = self.roots.iter();
        roots.map(|root| root.node(String::new())).collect()
    }

    fn settle(&mut self) -> Result<usize, Error> {
        let mut all = 0;
        for _ in 0..CALLS {
            let mut calls = 0;
            for root in &mut self.roots {
                calls += root.settle(&mut self.cloud)?;
            }
            if calls == 0 {
                return Ok(all);
            }
            all += calls;
        }
        let first = self.roots.first().map(|root| kind_and_name(&root.object));
        let (kind, name) = first.unwrap_or_default();
        Err(Error::Unsettled { kind, name })
    }

    fn renumber(&mut self) -> Result<usize, Error> {
        self.cloud.renumber();
        self.roots.iter_mut().for_each(Member::ask_again);
        self.settle()
    }
}

impl Member {
    fn new(object: Object, desired: Bytes) -> Self {
        let below = is_composite(&object).then(Below::default);
        Self {
            observed: desired.clone(),
            object,
            desired,
            status: Object::new(),
            told: None,
            below,
        }
    }

    /// An `XPlatform` finds the facts as the price list that it observed before.
    fn root(object: Object, facts: &Facts) -> Self {
        let is_platform = text(&object, &["kind"]) == "XPlatform";
        let desired = encode(&object).into();
        let mut root = Self::new(object, desired);
        let pricing = facts.pricing().filter(|_| is_platform);
        if let (Some(below), Some(pricing)) = (&mut root.below, pricing) {
            let name = text(pricing, &["metadata", "name"]);
            let mut object = Object::new();
            object.insert("apiVersion".to_owned(), json!(facts::API_VERSION));
            object.insert("kind".to_owned(), json!("Pricing"));
            object.insert("metadata".to_owned(), json!({"name": name}));
            let desired = encode(&object).into();
            let member = Self::new(object, desired);
            below.children.insert(PRICING.to_owned(), member);
        }
        root
    }

    fn recorded(recorded: &Recorded) -> Self {
        let desired = encode(&recorded.object).into();
        let mut member = Self::new(recorded.object.clone(), desired);
        if let Some(below) = &mut member.below {
            let children = recorded.children.iter();
            below.children = children
                .map(|child| (child.key.clone(), Self::recorded(child)))
                .collect();
        }
        member
    }

    fn node(&self, key: String) -> Node {
        let children = self.below.iter().flat_map(|below| &below.children);
        Node::new(
            key,
            self.object.clone(),
            self.status.clone(),
            self.observed.clone(),
            children
                .map(|(key, child)| child.node(key.clone()))
                .collect(),
        )
    }

    fn change(&mut self, object: Object, desired: Bytes) {
        if self.desired == desired {
            return;
        }
        self.object = object;
        self.desired = desired;
        self.told = None;
        self.observe();
    }

    fn tell(&mut self, status: Object) {
        if self.status != status {
            self.status = status;
            self.observe();
        }
    }

    fn observe(&mut self) {
        self.observed = if self.status.is_empty() {
            self.desired.clone()
        } else {
            let mut whole = self.object.clone();
            whole.insert("status".to_owned(), Value::Object(self.status.clone()));
            encode(&whole).into()
        };
    }

    fn leave(&self, cloud: &mut Cloud<'_>) {
        cloud.remove(&self.object);
        let children = self.below.iter().flat_map(|below| below.children.values());
        children.for_each(|child| child.leave(cloud));
    }

    fn ask_again(&mut self) {
        self.told = None;
        let below = self.below.iter_mut();
        let children = below.flat_map(|below| below.children.values_mut());
        children.for_each(Self::ask_again);
    }

    /// Brings the object and all below it up to date with the cloud as it is; how many
    /// calls that took.
    fn settle(&mut self, cloud: &mut Cloud<'_>) -> Result<usize, Error> {
        let Some(mut below) = self.below.take() else {
            if self
                .told
                .is_none_or(|version| cloud.is_outdated(&self.object, version))
            {
                let status = cloud.status(&self.object);
                self.told = Some(cloud.version());
                self.tell(status);
            }
            return Ok(0);
        };
        let calls = self.settle_below(&mut below, cloud);
        self.below = Some(below);
        calls
    }

    fn settle_below(&mut self, below: &mut Below, cloud: &mut Cloud<'_>) -> Result<usize, Error> {
        if below.asked.is_none() {
            self.restore_secrets(below)?;
        }
        let mut calls = 0;
        for _ in 0..CALLS {
            for child in below.children.values_mut() {
                calls += child.settle(cloud)?;
            }
            let children = below.children.iter();
            let situation = Situation {
                composite: self.observed.clone(),
                children: children
                    .map(|(key, child)| (key.clone(), child.observed.clone()))
                    .collect(),
            };
            if below.asked.as_ref() == Some(&situation) {
                return Ok(calls);
            }
            let answer = call(&self.object, &situation)?;
            calls += 1;
            below.asked = Some(situation);
            below.take_over(answer.children, cloud);
            self.tell(answer.status);
        }
        let (kind, name) = kind_and_name(&self.object);
        Err(Error::Unsettled { kind, name })
    }

    /// An earlier rendering does not show the values of Secrets. They are made of the same
    /// entropy again, as for an object that composes for the first time.
    fn restore_secrets(&self, below: &mut Below) -> Result<(), Error> {
        let mut concealed: Vec<_> = below
            .children
            .iter_mut()
            .filter(|(_, child)| is_concealed(&child.object))
            .collect();
        if concealed.is_empty() {
            return Ok(());
        }
        let situation = Situation {
            composite: self.desired.clone(),
            children: BTreeMap::new(),
        };
        let mut answer = call(&self.object, &situation)?;
        for (key, child) in &mut concealed {
            if let Some(desired) = answer.children.remove(*key)
                && let Ok(object) = decode(&desired)
            {
                child.change(object, desired);
            }
        }
        Ok(())
    }
}

fn is_concealed(object: &Object) -> bool {
    secret_data(object)
        .is_some_and(|data| !data.is_empty() && data.values().all(|value| value == ""))
}

impl Below {
    /// Makes what the function wants exist, and nothing else.
    fn take_over(&mut self, desired: BTreeMap<String, Bytes>, cloud: &mut Cloud<'_>) {
        self.children.retain(|key, child| {
            let stays = desired.contains_key(key);
            if !stays {
                child.leave(cloud);
            }
            stays
        });
        for (key, desired) in desired {
            // What the function encoded can be decoded.
            let decoded = || decode(&desired).unwrap_or_default();
            match self.children.entry(key) {
                Entry::Occupied(child) if child.get().desired == desired => {}
                Entry::Occupied(mut child) => {
                    let object = decoded();
                    child.get_mut().change(object, desired);
                }
                Entry::Vacant(place) => {
                    let object = decoded();
                    place.insert(Member::new(object, desired));
                }
            }
        }
    }
}
