//! Watches: their events one by one, and what can happen to one of them.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{Stream, stream};
use http_body_util::BodyExt;
use hyper::body::Frame;
use kube::client::Body;
use serde_json::{Value, json};

use super::exchange::Closed;
use super::{Fault, Shared};

/// What goes wrong with an event of a watch.
#[derive(Clone, Debug)]
pub struct EventFault {
    /// The watch, by the path of its call.
    pub watch: String,
    /// Which of its events since the fault was armed, from 1 on.
    pub nth: usize,
    /// What happens.
    pub effect: EventEffect,
}

/// What happens to an event.
#[derive(Clone, Debug)]
pub enum EventEffect {
    /// It is lost with its connection.
    Cut,
    /// It is lost with its connection, and the watch cannot be resumed: what there is has to be listed anew.
    Expire,
    /// It comes late, and with it all that follow.
    Delay(Duration),
    /// It comes twice.
    Repeat,
}

type Chunk = Result<Frame<Bytes>, Closed>;

/// A watch that is being delivered.
struct Watching {
    shared: Arc<Shared>,
    life: u64,
    path: String,
    upstream: Body,
    buffer: BytesMut,
    /// To be delivered next.
    again: Option<Bytes>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        let (life, path) = (self.life, std::mem::take(&mut self.path));
        self.shared.state.send_modify(|state| {
            if state.life == life
                && let Some(open) = state.watches.get_mut(&path)
            {
                *open -= 1;
                if *open == 0 {
                    state.watches.remove(&path);
                }
            }
        });
    }
}

/// Delivers the lines of `upstream`, each of which is an event.
pub(super) fn deliver(
    shared: Arc<Shared>,
    life: u64,
    path: String,
    upstream: Body,
) -> Pin<Box<dyn Stream<Item = Chunk> + Send>> {
    shared.state.send_modify(|state| {
        if state.life == life {
            *state.watches.entry(path.clone()).or_default() += 1;
        }
    });
    let watching = Watching {
        shared,
        life,
        path,
        upstream,
        buffer: BytesMut::new(),
        again: None,
    };
    Box::pin(stream::unfold(Some(watching), async |watching| {
        let mut watching = watching?;
        match watching.next().await {
            Some(Ok(line)) => Some((Ok(Frame::data(line)), Some(watching))),
            Some(Err(closed)) => Some((Err(closed), None)),
            None => None,
        }
    }))
}

impl Watching {
    async fn next(&mut self) -> Option<Result<Bytes, Closed>> {
        if let Some(line) = self.again.take() {
            return Some(Ok(line));
        }
        let line = self.line().await?;
        if is_event(&line) {
            match self.note() {
                Some(EventEffect::Cut | EventEffect::Expire) => return Some(Err(Closed)),
                Some(EventEffect::Delay(time)) => tokio::time::sleep(time).await,
                Some(EventEffect::Repeat) => self.again = Some(line.clone()),
                None => {}
            }
        }
        if self.shared.is_dead(self.life) {
            std::future::pending::<()>().await;
        }
        Some(Ok(line))
    }

    /// Counts an event, and says what happens to it.
    fn note(&self) -> Option<EventEffect> {
        let mut happens = None;
        self.shared.state.send_modify(|state| {
            if state.life != self.life {
                return;
            }
            let count = state.events.entry(self.path.clone()).or_default();
            *count += 1;
            if let Some(Fault::Event(fault)) = &state.fault
                && !state.struck
                && fault.watch == self.path
                && fault.nth == *count
            {
                state.struck = true;
                happens = Some(fault.effect.clone());
                if matches!(fault.effect, EventEffect::Expire) {
                    state.expired.insert(self.path.clone());
                }
            }
        });
        happens
    }

    async fn line(&mut self) -> Option<Bytes> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                return Some(self.buffer.split_to(end + 1).freeze());
            }
            let frame = self.upstream.frame().await?.ok()?;
            self.buffer.extend_from_slice(frame.data_ref()?);
        }
    }
}

/// Bookmarks say only how far the watch has come.
fn is_event(line: &[u8]) -> bool {
    let event: Value = serde_json::from_slice(line).unwrap_or_default();
    event["type"] != "BOOKMARK"
}

/// What the API server says to who watches from a version that it has forgotten.
pub(super) fn expired() -> Bytes {
    let event = json!({
        "type": "ERROR",
        "object": {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": "too old resource version",
            "reason": "Expired",
            "code": 410,
        },
    });
    Bytes::from(format!("{event}\n"))
}
