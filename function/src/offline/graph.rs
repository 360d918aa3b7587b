//! Trees as pictures: Mermaid, and SVG.

mod layout;
mod mermaid;
mod svg;

pub use mermaid::mermaid;
pub use svg::svg;

/// What an object is for; it decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    Composite,
    Network,
    Machine,
    Storage,
    Balancer,
    Data,
    Guard,
    Other,
}

impl Family {
    const ALL: [Self; 8] = [
        Self::Composite,
        Self::Network,
        Self::Machine,
        Self::Storage,
        Self::Balancer,
        Self::Data,
        Self::Guard,
        Self::Other,
    ];

    fn of(kind: &str) -> Self {
        match kind {
            "XPlatform" | "XRegion" | "XCluster" | "XNodePool" | "XNodeGroup" | "XLoadBalancer" => {
                Self::Composite
            }
            "Network" | "Subnet" | "Route" | "PrimaryIP" | "ReverseDNS" | "ServerNetwork"
            | "Inventory" => Self::Network,
            "Server" | "PlacementGroup" => Self::Machine,
            "Volume" | "VolumeAttachment" => Self::Storage,
            "LoadBalancer"
            | "LoadBalancerNetwork"
            | "LoadBalancerService"
            | "LoadBalancerTarget" => Self::Balancer,
            "Secret" | "ConfigMap" => Self::Data,
            "Firewall" | "SSHKey" | "Usage" => Self::Guard,
            _ => Self::Other,
        }
    }

    /// A name for style sheets.
    fn class(self) -> &'static str {
        match self {
            Self::Composite => "composite",
            Self::Network => "network",
            Self::Machine => "machine",
            Self::Storage => "storage",
            Self::Balancer => "balancer",
            Self::Data => "data",
            Self::Guard => "guard",
            Self::Other => "other",
        }
    }

    /// Colours of the box and of its border. Text on it is [`INK`], so a picture can be
    /// read on light and on dark paper.
    fn colours(self) -> (&'static str, &'static str) {
        match self {
            Self::Composite => ("#e6e0fb", "#6d4fc4"),
            Self::Network => ("#d9ebfc", "#2f74b5"),
            Self::Machine => ("#dcf3dd", "#3a8a40"),
            Self::Storage => ("#fbeecb", "#a87a12"),
            Self::Balancer => ("#d2f1ee", "#1f8378"),
            Self::Data => ("#eceff1", "#6b7880"),
            Self::Guard => ("#fde0dc", "#b8493a"),
            Self::Other => ("#f4f4f4", "#7a7a7a"),
        }
    }
}

/// Colour of text.
const INK: &str = "#1c1c24";
/// Colour of lines, which lie on the paper itself.
const LINE: &str = "#8a8a94";

#[cfg(test)]
mod tests;
