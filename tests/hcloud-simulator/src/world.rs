//! The world of one simulator: its projects, the tokens that open them, and who is let in.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::Method;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    action::{Action, ActionError, ActionMode},
    api_date::ApiDate,
    clock::Clock,
    collection::Id,
    error::ApiError,
    fault::ActionFault,
    project::Project,
    rate_limit::{Bucket, RateLimit, Standing},
    request::{ApiRequest, Token},
    resource::primary_ip::AddressPool,
    route::{Call, Lookup, Matched, Reply, Router},
};

/// Ids of one project start this far from those of the next, so that no id exists in two projects.
const IDS_PER_PROJECT: Id = 1_000_000;

/// What a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everything.
    ReadWrite,
    /// Only GET; other methods are answered 403 `token_readonly`.
    ReadOnly,
}

/// Everything that a simulator knows.
#[derive(Debug)]
pub struct World {
    clock: Clock,
    /// When actions finish.
    pub actions: ActionMode,
    /// Which state of the API is served.
    pub api_date: ApiDate,
    /// Where new public addresses are taken from.
    pub addresses: AddressPool,
    /// The request budget of each project.
    pub rate_limit: RateLimit,
    projects: BTreeMap<String, Project>,
    tokens: BTreeMap<Token, (String, Access)>,
    /// The request budget of those who have no token, or none that opens a project.
    strangers: Bucket,
    /// How long what was there is remembered.
    pub(crate) memory: Option<Duration>,
}

/// The world of a running simulator, for what works beside its clients: the machines that servers stand for.
#[derive(Clone, Debug)]
pub struct SharedWorld(pub(crate) Arc<Mutex<World>>);

impl SharedWorld {
    /// The world, locked: look at it, change it, and let it go before awaiting anything.
    pub fn lock(&self) -> MutexGuard<'_, World> {
        World::lock(&self.0)
    }
}

/// The state of all projects, to be stored as JSON. Tokens are not part of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct SavedState {
    projects: BTreeMap<String, serde_json::Value>,
}

/// Why a saved state cannot be restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A project is not in the form that [`World::save`] writes.
    #[error("read the state of project {project}")]
    Project {
        /// The project's name.
        project: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// How far a request came before a handler is asked.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) project: Option<String>,
    pub(crate) standing: Option<Standing>,
    pub(crate) verdict: Result<Admitted, ApiError>,
}

/// A request that is let in: whose it is and what answers it.
#[derive(Debug)]
pub(crate) struct Admitted {
    project: String,
    matched: Matched,
}

impl World {
    pub(crate) const fn new(
        clock: Clock,
        actions: ActionMode,
        rate_limit: RateLimit,
        api_date: ApiDate,
    ) -> Self {
        Self {
            clock,
            actions,
            api_date,
            addresses: AddressPool::Unrouted,
            rate_limit,
            projects: BTreeMap::new(),
            tokens: BTreeMap::new(),
            strangers: Bucket::new(),
            memory: None,
        }
    }

    /// Locks a world with everything settled that is due.
    pub(crate) fn lock(world: &Arc<Mutex<Self>>) -> MutexGuard<'_, Self> {
        let mut guard = world.lock().unwrap_or_else(PoisonError::into_inner);
        let now = guard.now();
        let memory = guard.memory;
        for project in guard.projects.values_mut() {
            if memory.is_some() && project.is_due(now) {
                project.remember(memory, now);
            }
            project.settle(now);
        }
        guard
    }

    /// The present moment on this world's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets `token` open the project called `project`, which is made when it does not exist.
    pub fn add_token(&mut self, project: &str, token: &str, access: Access) {
        if !self.projects.contains_key(project) {
            let block = self
                .projects
                .values()
                .map(|project| project.next_id() / IDS_PER_PROJECT)
                .max()
                .unwrap_or(0)
                + 1;
            self.projects.insert(
                project.to_owned(),
                Project::new(block * IDS_PER_PROJECT + 1),
            );
        }
        self.tokens
            .insert(Token(token.to_owned()), (project.to_owned(), access));
    }

    /// Makes a token unknown; its project stays.
    pub fn revoke_token(&mut self, token: &str) {
        self.tokens.remove(&Token(token.to_owned()));
    }

    /// The project that a token opens.
    pub fn project(&self, token: &str) -> Option<&Project> {
        let (name, _) = self.tokens.get(&Token(token.to_owned()))?;
        self.projects.get(name)
    }

    /// The project that a token opens, to be changed by hand.
    pub fn project_mut(&mut self, token: &str) -> Option<&mut Project> {
        let (name, _) = self.tokens.get(&Token(token.to_owned()))?;
        self.projects.get_mut(name)
    }

    /// The project with this name, to be changed by hand.
    pub fn project_named_mut(&mut self, name: &str) -> Option<&mut Project> {
        self.projects.get_mut(name)
    }

    /// All projects with their names.
    pub fn projects(&self) -> impl Iterator<Item = (&str, &Project)> {
        self.projects
            .iter()
            .map(|(name, project)| (name.as_str(), project))
    }

    /// Uses up the request budget of a token's project, as if others had spent it.
    pub fn exhaust_rate_limit(&mut self, token: &str) {
        let (limit, now) = (self.rate_limit, self.now());
        if let Some(project) = self.project_mut(token) {
            project.bucket.exhaust(limit, now);
        }
    }

    /// The state of all projects.
    pub fn save(&self) -> Result<SavedState, serde_json::Error> {
        let projects = self
            .projects
            .iter()
            .map(|(name, project)| Ok((name.clone(), serde_json::to_value(project)?)));
        Ok(SavedState {
            projects: projects.collect::<Result<_, serde_json::Error>>()?,
        })
    }

    /// Replaces the projects by saved ones. Tokens stay as they are: they open the project of the same name.
    pub fn restore(&mut self, state: SavedState) -> Result<(), RestoreError> {
        let mut projects = BTreeMap::new();
        for (name, value) in state.projects {
            match serde_json::from_value(value) {
                Ok(project) => projects.insert(name, project),
                Err(source) => {
                    return Err(RestoreError::Project {
                        project: name,
                        source,
                    });
                }
            };
        }
        self.projects = projects;
        Ok(())
    }

    pub(crate) fn running_actions(&self) -> Vec<Action> {
        let mut running: Vec<Action> = self
            .projects
            .values()
            .flat_map(Project::actions)
            .filter(|action| action.is_running())
            .cloned()
            .collect();
        running.sort_by_key(|action| (action.started, action.id));
        running
    }

    pub(crate) fn finish_action(&mut self, id: Id, error: Option<&ActionError>) -> Option<Action> {
        let now = self.now();
        self.projects
            .values_mut()
            .find_map(|project| project.finish_action(id, error.cloned(), now))
    }

    /// Decides, in the API's order, whether a request reaches its handler: path, token, budget, access, method. What no
    /// token lets in counts as well; the API does not say against which budget, here it is one that all of it shares.
    pub(crate) fn admit(&mut self, router: &Router, request: &ApiRequest) -> Admission {
        let lookup = match &request.path {
            Some(path) => router.lookup(&request.method, path),
            None => Lookup::UnknownPath,
        };
        if matches!(lookup, Lookup::UnknownPath) {
            return Admission {
                project: None,
                standing: None,
                verdict: Err(ApiError::unknown_path()),
            };
        }
        let now = self.now();
        let limit = self.rate_limit;
        let opened = match &request.token {
            None => Err("token is required"),
            Some(token) => self
                .tokens
                .get(token)
                .and_then(|(name, access)| Some((name, access, self.projects.get_mut(name)?)))
                .ok_or("unable to authenticate"),
        };
        let (name, access, project) = match opened {
            Ok(opened) => opened,
            Err(problem) => {
                let within_budget = self.strangers.take(limit, now);
                return Admission {
                    project: None,
                    standing: Some(self.strangers.standing(limit, now)),
                    verdict: Err(if within_budget {
                        ApiError::unauthorized(problem)
                    } else {
                        ApiError::rate_limit_exceeded(limit.limit)
                    }),
                };
            }
        };
        let within_budget = project.bucket.take(limit, now);
        let verdict = match lookup {
            _ if !within_budget => Err(ApiError::rate_limit_exceeded(limit.limit)),
            Lookup::Found(_) if *access == Access::ReadOnly && request.method != Method::GET => {
                Err(ApiError::token_readonly())
            }
            Lookup::Found(matched) => Ok(Admitted {
                project: name.clone(),
                matched,
            }),
            Lookup::WrongMethod | Lookup::UnknownPath => Err(ApiError::method_not_allowed()),
        };
        Admission {
            project: Some(name.clone()),
            standing: Some(project.bucket.standing(limit, now)),
            verdict,
        }
    }

    /// Runs the handler of an admitted request; one that only reads may see what was there some time ago, as `age` says.
    pub(crate) fn perform(
        &mut self,
        admitted: &Admitted,
        request: &ApiRequest,
        faults: Vec<ActionFault>,
        age: Option<Duration>,
    ) -> Reply {
        let Admitted { project, matched } = admitted;
        let (now, actions, api_date) = (self.now(), self.actions, self.api_date);
        let (addresses, memory) = (self.addresses, self.memory);
        // A restored state may lack the project that the token opened a moment ago.
        let Some(project) = self.projects.get_mut(project) else {
            return ApiError::unauthorized("unable to authenticate").into();
        };
        let handle = |project: &mut Project| {
            let mut call = Call {
                kind: matched.kind,
                project,
                request,
                parameters: &matched.parameters,
                now,
                actions,
                api_date,
                addresses,
                faults,
            };
            (matched.handler)(&mut call).unwrap_or_else(Reply::from)
        };
        if request.method != Method::GET {
            project.remember(memory, now);
            return handle(project);
        }
        match age {
            Some(age) => project.with_past(age, now, handle),
            None => handle(project),
        }
    }
}
