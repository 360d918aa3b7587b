//! What the API allows servers to be. Pure functions; nothing here changes anything.

use jiff::Timestamp;

use super::{model::UserData, refusal};
use crate::{
    collection::Id,
    error::ApiError,
    project::Project,
    request::Fields,
    resource::{
        image::{self, Image},
        placement_group,
        server_type::{self, Architecture, ServerType},
    },
};

const MAX_HOST_NAME: usize = 253;
const MAX_LABEL: usize = 63;
/// 32 KiB.
const MAX_USER_DATA: usize = 32 << 10;

/// A host name as of RFC 1123.
pub(super) fn host_name(text: &str) -> Result<String, String> {
    let is_label = |label: &str| {
        let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=MAX_LABEL).contains(&label.len())
            && label.bytes().all(is_inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if text.len() <= MAX_HOST_NAME && text.split('.').all(is_label) {
        Ok(text.to_owned())
    } else {
        Err(format!("'{text}' is not a valid hostname"))
    }
}

/// The server type that a request names.
pub(super) fn server_type(id_or_name: &str) -> Result<&'static ServerType, ApiError> {
    server_type::find(id_or_name).ok_or_else(|| refusal("invalid_input", "server type not found"))
}

/// The image that a request names, when it runs on the architecture and fits on the disk.
pub(super) fn image<'a>(
    project: &'a Project,
    id_or_name: &str,
    architecture: Architecture,
    disk: u32,
    now: Timestamp,
) -> Result<&'a Image, ApiError> {
    let invalid = |message: &str| refusal("invalid_input", message);
    let image =
        image::find(project, id_or_name, architecture).ok_or_else(|| invalid("image not found"))?;
    if !image.is_usable(now) {
        return Err(invalid("image is not available"));
    }
    if image.architecture != architecture {
        return Err(invalid("image has incompatible architecture"));
    }
    if image.disk_size > disk {
        return Err(invalid("image disk is bigger than server type disk"));
    }
    Ok(image)
}

/// What cloud-init is to be given.
pub(super) fn user_data(fields: &mut Fields) -> Option<UserData> {
    let text = fields.optional::<String>("user_data")?;
    if text.len() > MAX_USER_DATA {
        fields.refuse("user_data", format!("is longer than {MAX_USER_DATA} bytes"));
    }
    Some(UserData::from(text))
}

/// Refuses a placement group that does not exist or is full.
pub(super) fn check_placement_group(project: &Project, group: Id) -> Result<(), ApiError> {
    placement_group::find(project, group)?.check_room(project)
}

/// What the API makes up as a password; the same for the same seed.
pub(super) fn password(seed: Id) -> String {
    format!("password-of-{seed}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_follow_rfc_1123() {
        let longest = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "a".repeat(61));
        for good in ["a", "web-1", "1.example.com", "A.b", &longest] {
            assert_eq!(host_name(good), Ok(good.to_owned()));
        }
        let label = "a".repeat(64);
        for bad in ["", "-a", "a-", "a_b", "a..b", "a.", "ä", "a b", &label] {
            assert!(host_name(bad).is_err(), "{bad}");
        }
        assert!(host_name(&format!("{longest}a")).is_err());
    }
}
