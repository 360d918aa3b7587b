//! From credentials to the external resources that they give access to.

use std::marker::PhantomData;

use super::{Hetzner, Project};
use crate::managed::{Connector, External, ExternalError, credentials::Config};

/// Makes access to the external resources of a kind, in the project that the credentials open.
#[derive(Clone, Debug)]
pub struct Access<E> {
    hetzner: Hetzner,
    external: PhantomData<fn() -> E>,
}

impl<E> From<Hetzner> for Access<E> {
    fn from(hetzner: Hetzner) -> Self {
        Self {
            hetzner,
            external: PhantomData,
        }
    }
}

impl<E: External + From<Project> + 'static> Connector for Access<E> {
    type Resource = E::Resource;
    type External = E;

    async fn connect(&self, config: &Config) -> Result<E, ExternalError> {
        Ok(self.hetzner.project(config)?.into())
    }
}
