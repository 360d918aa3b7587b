//! Labels that a server carries for us: what it was made of where the API does not tell, and what is going on with it.
//!
//! They survive the end of this process, so everything that takes several steps goes on where it was left.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::{hcloud::labels::Labels, kind::parse_id};

/// The server is not yet what its creation promised. Never set again once it is gone.
pub(super) const SETUP: &str = "hcloud.openova.io/setup";
/// The value of a mark while what it is about goes on.
pub(super) const PENDING: &str = "pending";
/// The value of [`SETUP`] when an action of it has failed.
pub(super) const FAILED: &str = "failed";
/// The server is being switched off for a change, and on again; a [`Stamp`].
pub(super) const MAINTENANCE: &str = "hcloud.openova.io/maintenance";
/// A change that needs the server off was refused; a [`Stamp`].
pub(super) const REFUSED: &str = "hcloud.openova.io/refused";
/// The server has to be reset for this field to take effect.
pub(super) const RESTART: &str = "hcloud.openova.io/restart";
/// The server is being rebuilt; a [`Rebuild`].
pub(super) const REBUILD: &str = "hcloud.openova.io/rebuild";
/// Digest of the rescue that was last carried out.
pub(super) const RESCUE: &str = "hcloud.openova.io/rescue";
/// Digest of the user data that the server was made with.
pub(super) const USER_DATA: &str = "hcloud.openova.io/user-data";
/// Digest of the SSH keys that the server was made with.
pub(super) const SSH_KEYS: &str = "hcloud.openova.io/ssh-keys";
/// Digest of the label selector that chose the image that the server was made of.
pub(super) const IMAGE_SELECTOR: &str = "hcloud.openova.io/image-selector";
/// The digest of what the server was made without. A server without the label may have been made with anything.
pub(super) const WITHOUT: &str = "none";
/// In place of the digest of what the server was made with, when that is not known any more.
pub(super) const UNKNOWN: &str = "unknown";

/// Primary IP that was taken away from the server, and is deleted if it was made with it.
pub(super) const RELEASED_IPV4: &str = "hcloud.openova.io/released-ipv4";
/// The same for the IPv6 network.
pub(super) const RELEASED_IPV6: &str = "hcloud.openova.io/released-ipv6";
/// A Primary IP is being made for the server; [`PENDING`] until it is assigned.
pub(super) const NEW_IPV4: &str = "hcloud.openova.io/new-ipv4";
/// The same for the IPv6 network.
pub(super) const NEW_IPV6: &str = "hcloud.openova.io/new-ipv6";

/// On a Primary IP that was made for a server, and is deleted when the server does not need it: the UID of the server's
/// managed resource. It is not [`UID_LABEL`](api::UID_LABEL), which says that the object itself is managed.
pub(super) const MADE_FOR: &str = "hcloud.openova.io/made-for";

/// A label and its new value; `None` removes it.
pub(super) type Mark = (&'static str, Option<String>);

/// The marks of a server.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks<'a> {
    pub(super) setup: bool,
    pub(super) setup_failed: bool,
    pub(super) maintenance: Option<Stamp>,
    pub(super) refused: Option<Stamp>,
    pub(super) restart: Option<&'a str>,
    pub(super) rescue: Option<&'a str>,
    pub(super) rebuild: Option<Rebuild>,
    pub(super) user_data: Option<&'a str>,
    pub(super) ssh_keys: Option<&'a str>,
    pub(super) image_selector: Option<&'a str>,
    pub(super) ipv4: AddressMarks,
    pub(super) ipv6: AddressMarks,
}

/// The marks of one family of public addresses.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AddressMarks {
    /// The Primary IP that was taken away.
    pub(super) released: Option<u64>,
    /// Whether a Primary IP is being made.
    pub(super) new: bool,
}

impl<'a> Marks<'a> {
    pub(super) fn of(labels: &'a Labels) -> Self {
        let get = |key: &str| labels.get(key).map(String::as_str);
        Self {
            setup: get(SETUP).is_some(),
            setup_failed: get(SETUP) == Some(FAILED),
            maintenance: get(MAINTENANCE).and_then(Stamp::parse),
            refused: get(REFUSED).and_then(Stamp::parse),
            restart: get(RESTART),
            rescue: get(RESCUE),
            rebuild: get(REBUILD).and_then(Rebuild::parse),
            user_data: get(USER_DATA),
            ssh_keys: get(SSH_KEYS),
            image_selector: get(IMAGE_SELECTOR),
            ipv4: AddressMarks {
                released: get(RELEASED_IPV4).and_then(parse_id),
                new: get(NEW_IPV4).is_some(),
            },
            ipv6: AddressMarks {
                released: get(RELEASED_IPV6).and_then(parse_id),
                new: get(NEW_IPV6).is_some(),
            },
        }
    }
}

/// A rebuild that was approved: what for, and the action of the last rebuild before it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Rebuild {
    /// Id of that action, 0 when there was none. A rebuild with a later id is this one.
    pub(super) after: u64,
    of: String,
}

impl Rebuild {
    /// The rebuild that brings about `wanted`, which is a digest.
    pub(super) fn new(after: u64, wanted: &str) -> Self {
        let of = wanted.to_owned();
        Self { after, of }
    }

    /// Whether it brings this about.
    pub(super) fn is_of(&self, wanted: &str) -> bool {
        self.of == wanted
    }

    fn parse(text: &str) -> Option<Self> {
        let (after, of) = text.split_once('.')?;
        Some(Self::new(after.parse().ok()?, of))
    }
}

impl fmt::Display for Rebuild {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.after, self.of)
    }
}

/// How long a server is given to react to a shutdown before it is asked again.
const PATIENCE: SignedDuration = SignedDuration::from_secs(15);

/// Since when something goes on, for which changes, and when the server was last asked to shut down for them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Stamp {
    since: Timestamp,
    of: String,
    asked: Option<Timestamp>,
}

impl Stamp {
    /// For the changes that `of` names, from `since` on.
    pub(super) fn new(since: Timestamp, of: &str) -> Self {
        let mut digest = digest(of.as_bytes());
        digest.truncate(8);
        Self {
            since: whole_second(since),
            of: digest,
            asked: None,
        }
    }

    /// The same, once the server was asked to shut down.
    pub(super) fn asked(mut self, now: Timestamp) -> Self {
        self.asked = Some(whole_second(now));
        self
    }

    /// Whether to ask the server to shut down: it never was, or did not hear it, as one that is still booting.
    pub(super) fn is_to_be_asked(&self, now: Timestamp) -> bool {
        let until = self.asked.map(|asked| after(asked, PATIENCE));
        until.is_none_or(|until| until <= now)
    }

    /// Whether it is for these changes.
    pub(super) fn is_of(&self, changes: &str) -> bool {
        digest(changes.as_bytes()).starts_with(&self.of)
    }

    /// The moment `after` its beginning.
    pub(super) fn after(&self, span: SignedDuration) -> Timestamp {
        after(self.since, span)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let moment = |seconds: &str| Timestamp::from_second(seconds.parse().ok()?).ok();
        let mut parts = text.splitn(3, '.');
        Some(Self {
            since: moment(parts.next()?)?,
            of: parts.next()?.to_owned(),
            asked: parts.next().and_then(moment),
        })
    }
}

fn whole_second(moment: Timestamp) -> Timestamp {
    Timestamp::from_second(moment.as_second()).unwrap_or(moment)
}

fn after(moment: Timestamp, span: SignedDuration) -> Timestamp {
    moment.saturating_add(span).unwrap_or(Timestamp::MAX)
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.since.as_second(), self.of)?;
        match self.asked {
            Some(asked) => write!(f, ".{}", asked.as_second()),
            None => Ok(()),
        }
    }
}

/// What can be recorded in a label of something that cannot be recorded itself.
pub(super) fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hcloud::labels;

    #[test]
    fn a_stamp_is_a_label_and_is_read_as_it_is_written() {
        let now = "2026-11-21T08:00:00.7Z".parse().unwrap();
        let stamp = Stamp::new(now, "serverType=cx33");
        let text = stamp.to_string();
        assert_eq!(labels::check_value(&text), Ok(()), "{text}");
        let read = Stamp::parse(&text).unwrap();
        assert_eq!(read, stamp);
        assert!(read.is_of("serverType=cx33") && !read.is_of("serverType=cx43"));
        assert_eq!(
            read.after(SignedDuration::from_secs(60)).to_string(),
            "2026-11-21T08:01:00Z"
        );
        for odd in ["", "1", "x.abc", "99999999999999999999.abc"] {
            assert_eq!(Stamp::parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_server_is_asked_again_when_it_was_not_heard() {
        let at = |second: i64| Timestamp::from_second(1_000 + second).unwrap();
        let stamp = Stamp::new(at(0), "serverType=cx33");
        assert!(stamp.is_to_be_asked(at(0)), "never asked");
        let asked = stamp.asked(at(2));
        let text = asked.to_string();
        assert_eq!(labels::check_value(&text), Ok(()), "{text}");
        assert_eq!(Stamp::parse(&text).as_ref(), Some(&asked));
        assert!(asked.is_of("serverType=cx33"));
        assert_eq!(asked.after(SignedDuration::from_secs(60)), at(60));
        assert!(!asked.is_to_be_asked(at(16)));
        assert!(asked.is_to_be_asked(at(17)));
    }

    #[test]
    fn a_rebuild_is_a_label_and_is_read_as_it_is_written() {
        let rebuild = Rebuild::new(u64::MAX, &digest(b"debian-13"));
        let text = rebuild.to_string();
        assert_eq!(labels::check_value(&text), Ok(()), "{text}");
        assert_eq!(Rebuild::parse(&text), Some(rebuild));
        for odd in ["", "1", "x.abc", "-1.abc"] {
            assert_eq!(Rebuild::parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn keys_and_digests_are_labels() {
        for key in [
            SETUP,
            MAINTENANCE,
            REFUSED,
            RESTART,
            RESCUE,
            REBUILD,
            USER_DATA,
            SSH_KEYS,
            IMAGE_SELECTOR,
            RELEASED_IPV4,
            RELEASED_IPV6,
            NEW_IPV4,
            NEW_IPV6,
            MADE_FOR,
        ] {
            assert_eq!(labels::check_key(key), Ok(()), "{key}");
        }
        let digest = digest(b"#cloud-config");
        assert_eq!((digest.len(), labels::check_value(&digest)), (32, Ok(())));
    }
}
