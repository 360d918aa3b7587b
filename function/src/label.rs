//! Labels of composed objects.

use crate::name;

/// The platform that an object belongs to.
pub const PLATFORM: &str = "compose.openova.io/platform";
/// The region that an object belongs to.
pub const REGION: &str = "compose.openova.io/region";

/// A name as the value of a label, which is shorter than a name may be.
pub fn value(text: &str) -> String {
    if text.len() <= name::MAX {
        return text.to_owned();
    }
    name::join(text, &[])
}
