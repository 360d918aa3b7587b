//! Labels that a server carries for us: what it was made of where the API does not tell, and what is going on with it.
//!
//! They survive the end of this process, so everything that takes several steps goes on where it was left.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::wish::Wish;
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
/// The server is being rebuilt; a part of [`Rebuild`].
pub(super) const REBUILD: &str = "hcloud.openova.io/rebuild";
/// What it is rebuilt for; the other part.
pub(super) const REBUILD_OF: &str = "hcloud.openova.io/rebuild-of";
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
const UNKNOWN: &str = "unknown";

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
            rebuild: get(REBUILD)
                .zip(get(REBUILD_OF))
                .and_then(|(text, of)| Rebuild::parse(text, of)),
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

/// How long a request to rebuild may still be carried out after its answer was given up.
const SETTLE: SignedDuration = SignedDuration::from_secs(10);

/// A rebuild that was approved. [`REBUILD`] has the action before it and when it was last asked for, [`REBUILD_OF`] what
/// it is to bring about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Rebuild {
    /// Id of the last action of the server when it was approved, 0 when there was none. A rebuild with a later id is this
    /// one.
    pub(super) after: u64,
    asked: Option<Timestamp>,
    image: String,
    user_data: String,
}

impl Rebuild {
    /// The rebuild that brings about what is wished.
    pub(super) fn new(after: u64, wish: &Wish) -> Self {
        let user_data = wish.user_data.clone();
        Self {
            after,
            asked: None,
            image: image_of(wish),
            user_data: user_data.unwrap_or_else(|| WITHOUT.to_owned()),
        }
    }

    /// The same, once it was asked for.
    pub(super) fn asked(mut self, now: Timestamp) -> Self {
        self.asked = Some(whole_second(now));
        self
    }

    /// Whether an earlier request may still be carried out.
    pub(super) fn may_still_begin(&self, now: Timestamp) -> bool {
        self.asked.is_some_and(|asked| now < after(asked, SETTLE))
    }

    /// Whether it brings about what is wished.
    pub(super) fn is_of(&self, wish: &Wish) -> bool {
        let Self {
            image, user_data, ..
        } = Self::new(self.after, wish);
        self.image == image && self.user_data == user_data
    }

    /// The labels that record it.
    pub(super) fn marks(&self) -> [Mark; 2] {
        let after = self.after;
        let text = match self.asked {
            Some(asked) => format!("{after}.{}", asked.as_second()),
            None => after.to_string(),
        };
        let of = format!("{}.{}", self.image, self.user_data);
        [(REBUILD, Some(text)), (REBUILD_OF, Some(of))]
    }

    /// The labels that record what the server was made of, once it is done. What was wished for meanwhile was not.
    pub(super) fn outcome(&self, wish: &Wish) -> Vec<Mark> {
        let selector = match wish.image_selector_digest() {
            _ if self.image != image_of(wish) => UNKNOWN.to_owned(),
            Some(digest) => digest,
            None => WITHOUT.to_owned(),
        };
        let mut marks = vec![(IMAGE_SELECTOR, Some(selector))];
        // Without new user data the server keeps what it had.
        if self.user_data != WITHOUT {
            marks.push((USER_DATA, Some(self.user_data.clone())));
        }
        marks
    }

    fn parse(text: &str, of: &str) -> Option<Self> {
        let mut parts = text.splitn(2, '.');
        let after = parts.next()?.parse().ok()?;
        let asked = match parts.next() {
            Some(seconds) => Some(Timestamp::from_second(seconds.parse().ok()?).ok()?),
            None => None,
        };
        let (image, user_data) = of.split_once('.')?;
        Some(Self {
            after,
            asked,
            image: image.to_owned(),
            user_data: user_data.to_owned(),
        })
    }
}

/// What stands for the choice of an image, short enough to share a label.
fn image_of(wish: &Wish) -> String {
    let mut digest = digest(wish.image_words().as_bytes());
    digest.truncate(16);
    digest
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
    fn a_rebuild_is_two_labels_and_is_read_as_it_is_written() {
        let wish = |image: &str, user_data: Option<&[u8]>| Wish {
            image: Some(api::ServerImageChoice {
                label_selector: Some(image.to_owned()),
                ..api::ServerImageChoice::default()
            }),
            user_data: user_data.map(digest),
            ..Wish::default()
        };
        let at = |second: i64| Timestamp::from_second(1_000 + second).unwrap();
        let talos = wish("os=talos", Some(b"#cloud-config"));
        let begun = Rebuild::new(u64::MAX, &talos);
        let asked = begun.clone().asked(at(0));
        for rebuild in [&begun, &asked] {
            let [(_, text), (_, of)] = rebuild.marks();
            let (text, of) = (text.unwrap(), of.unwrap());
            assert_eq!(labels::check_value(&text), Ok(()), "{text}");
            assert_eq!(labels::check_value(&of), Ok(()), "{of}");
            assert_eq!(Rebuild::parse(&text, &of).as_ref(), Some(rebuild));
        }
        assert!(!begun.may_still_begin(at(0)));
        assert!(asked.may_still_begin(at(9)) && !asked.may_still_begin(at(10)));

        assert!(asked.is_of(&talos));
        let unreadable = wish("os=talos", None);
        let other = wish("os=flatcar", Some(b"#cloud-config"));
        assert!(!asked.is_of(&unreadable) && !asked.is_of(&other));
        assert_eq!(
            asked.outcome(&unreadable),
            [
                (IMAGE_SELECTOR, Some(digest(b"os=talos"))),
                (USER_DATA, Some(digest(b"#cloud-config")))
            ]
        );
        assert_eq!(asked.outcome(&other)[0].1.as_deref(), Some(UNKNOWN));
        for (text, of) in [
            ("", "a.b"),
            ("x", "a.b"),
            ("-1", "a.b"),
            ("1.x", "a.b"),
            ("1", "ab"),
        ] {
            assert_eq!(Rebuild::parse(text, of), None, "{text} {of}");
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
            REBUILD_OF,
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
