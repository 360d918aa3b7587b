//! Waiting for a condition, with a deadline and a reason.

use std::fmt;
use std::time::Duration;

use anyhow::{Error, Result, anyhow};
use tokio::time::{Instant, sleep, timeout_at};

/// A failure that no waiting mends. A check that returns it ends [`eventually`].
#[derive(Debug)]
pub struct Hopeless(pub String);

impl fmt::Display for Hopeless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Hopeless {}

/// Repeats `check` until it returns `Ok`, and returns its value.
///
/// # Errors
///
/// When `deadline` has passed, or the check is [`Hopeless`]: names `what` was awaited and why the last check was not content.
pub async fn eventually<T, F>(
    what: &str,
    deadline: Duration,
    mut check: impl FnMut() -> F,
) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let end = Instant::now() + deadline;
    let mut pause = Duration::from_millis(10);
    let mut last: Option<Error> = None;
    loop {
        match timeout_at(end, check()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) if error.is::<Hopeless>() => {
                return Err(error.context(format!("waiting until {what}")));
            }
            Ok(Err(error)) => last = Some(error),
            Err(_) => {
                last.get_or_insert_with(|| anyhow!("the first check did not end"));
            }
        }
        if Instant::now() + pause > end {
            let last = last.unwrap_or_else(|| anyhow!("it was never checked"));
            return Err(last.context(format!("not within {} s: {what}", deadline.as_secs_f32())));
        }
        sleep(pause).await;
        pause = (pause * 3 / 2).min(Duration::from_millis(250));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn it_returns_the_first_value_that_there_is() {
        let checks = Cell::new(0);
        let value = eventually("three", Duration::from_secs(5), || async {
            checks.set(checks.get() + 1);
            if checks.get() < 3 {
                Err(anyhow!("only {}", checks.get()))
            } else {
                Ok(checks.get())
            }
        });
        assert_eq!(value.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_deadline_tells_what_was_awaited_and_why_in_vain() {
        let checked = eventually::<(), _>("it rains", Duration::from_millis(20), || async {
            Err(anyhow!("no clouds"))
        });
        assert_eq!(
            format!("{:#}", checked.await.unwrap_err()),
            "not within 0.02 s: it rains: no clouds"
        );
    }

    #[tokio::test]
    async fn what_is_hopeless_is_not_awaited() {
        let checked = eventually::<(), _>("it lives", Duration::from_secs(3600), || async {
            Err(Hopeless("it ended".to_owned()).into())
        });
        assert_eq!(
            format!("{:#}", checked.await.unwrap_err()),
            "waiting until it lives: it ended"
        );
    }
}
