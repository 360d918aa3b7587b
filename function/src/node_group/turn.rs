//! Whose turn it is to be interrupted: one at a time.

/// Something that may have to be interrupted for a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    /// Whether a change that interrupts it waits for its turn.
    pub(crate) waits: bool,
    /// Whether it works and nothing is being changed about it.
    pub(crate) works: bool,
}

/// Which of the members may be changed now: the first that waits while all others work.
/// One that does not work may itself be changed, which perhaps mends it.
pub(crate) fn of(members: &[Member]) -> Option<usize> {
    let mut broken = (0..members.len()).filter(|index| !members[*index].works);
    match (broken.next(), broken.next()) {
        (None, _) => members.iter().position(|member| member.waits),
        (Some(only), None) if members[only].waits => Some(only),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_member_is_interrupted_at_a_time() {
        let member = |letter| Member {
            waits: matches!(letter, 'w' | 'b'),
            works: matches!(letter, 'w' | 'o'),
        };
        // o works, w works and waits, b is broken and waits, x is broken or being changed.
        let cases = [
            ("", None),
            ("ooo", None),
            ("oww", Some(1)),
            ("xww", None),
            ("wxw", None),
            ("wwb", Some(2)),
            ("wbb", None),
            ("bxo", None),
            ("x", None),
            ("b", Some(0)),
        ];
        for (members, expected) in cases {
            let members: Vec<_> = members.chars().map(member).collect();
            assert_eq!(of(&members), expected, "{members:?}");
        }
    }
}
