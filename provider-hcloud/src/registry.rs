//! The list of kinds. CRDs, controllers and everything else that goes by kind follow from it.

use std::{future::Future, pin::Pin};

use api::{ClusterProviderConfig, ProviderConfig, ProviderConfigUsage};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use crate::{
    kind::{Hetzner, network::Networks},
    managed::{Connector, Runtime, controller},
};

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One kind of managed resource.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    crd: fn() -> CustomResourceDefinition,
    run: fn(Runtime, Hetzner) -> Running,
}

impl Kind {
    fn of<C>() -> Self
    where
        C: Connector + From<Hetzner>,
        C::Resource: CustomResourceExt,
    {
        Self {
            crd: C::Resource::crd,
            run: |runtime, hetzner| Box::pin(controller::run(runtime, C::from(hetzner))),
        }
    }

    /// Runs the controller of this kind until shutdown.
    pub fn run(&self, runtime: Runtime, hetzner: Hetzner) -> Running {
        (self.run)(runtime, hetzner)
    }
}

/// All kinds of managed resources.
pub fn kinds() -> Vec<Kind> {
    vec![Kind::of::<Networks>()]
}

/// The CRDs of the package: those of the kinds, and those of the provider configurations.
pub fn crds() -> Vec<CustomResourceDefinition> {
    let configs = [
        ProviderConfig::crd(),
        ClusterProviderConfig::crd(),
        ProviderConfigUsage::crd(),
    ];
    let kinds = kinds().into_iter().map(|kind| (kind.crd)());
    configs.into_iter().chain(kinds).collect()
}
