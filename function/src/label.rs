//! Labels of composed objects.

use crate::name;

/// The platform that an object belongs to.
pub const PLATFORM: &str = "compose.openova.io/platform";
/// The region that an object belongs to.
pub const REGION: &str = "compose.openova.io/region";
/// The cluster that an object belongs to, by its name in its region. On servers in the
/// cloud: the value of [`in_cloud`], by which load balancers and others find them.
pub const CLUSTER: &str = "compose.openova.io/cluster";
/// The pool that an object belongs to.
pub const POOL: &str = "compose.openova.io/pool";
/// What a node does: control-plane or worker.
pub const ROLE: &str = "compose.openova.io/role";

/// The labels that say what an object belongs to.
pub const OWNERS: [&str; 4] = [PLATFORM, REGION, CLUSTER, POOL];

/// The value of [`CLUSTER`] in the cloud, where namespaces do not exist, for the cluster
/// whose object has this name.
pub fn in_cloud(namespace: &str, cluster: &str) -> String {
    name::in_cloud(namespace, cluster)
}

/// A name as the value of a label, which is shorter than a name may be.
pub fn value(text: &str) -> String {
    if text.len() <= name::MAX {
        return text.to_owned();
    }
    name::join(text, &[])
}
