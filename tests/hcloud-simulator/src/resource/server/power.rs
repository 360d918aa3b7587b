//! Starting, stopping and entering a server.

use serde_json::json;

use super::{Power, change::Change, find_free, refusal, rule, start};
use crate::{
    collection::Id,
    error::ApiError,
    route::{Call, Reply},
};

pub(super) fn poweron(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    switch(call, "start_server", &Change::Start)
}

pub(super) fn poweroff(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    switch(call, "stop_server", &Change::Stop)
}

/// The action ends when the operating system has been asked; whether it stops is another matter.
pub(super) fn shutdown(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    switch(call, "shutdown_server", &Change::Shutdown)
}

pub(super) fn reboot(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    switch(call, "reboot_server", &Change::Reboot)
}

pub(super) fn reset(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    switch(call, "reset_server", &Change::Reset)
}

fn switch(call: &mut Call<'_>, command: &'static str, change: &Change) -> Result<Reply, ApiError> {
    let id = find_free(call)?.id;
    start(call, command, id, change)
}

pub(super) fn reset_password(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let server = find_free(call)?;
    let id = server.id;
    if server.power == Power::Off {
        return Err(refusal("invalid_input", "server must be running"));
    }
    let mut reply = start(call, "reset_password", id, &Change::Nothing)?;
    add(&mut reply, "root_password", &rule::password(id));
    Ok(reply)
}

pub(super) fn request_console(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let id = find_free(call)?.id;
    let mut reply = start(call, "request_console", id, &Change::Nothing)?;
    let url = format!("wss://console.hetzner.cloud/?server_id={id}");
    add(&mut reply, "wss_url", &url);
    add(&mut reply, "password", &rule::password(id));
    Ok(reply)
}

pub(super) fn enable_rescue(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let id = find_free(call)?.id;
    let mut fields = call.fields_or_none()?;
    fields.parsed_optional("type", |kind| match kind {
        "linux64" => Ok(()),
        other => Err(format!("'{other}' is not linux64")),
    });
    fields.optional::<Vec<Id>>("ssh_keys");
    fields.check()?;
    let enabled = Change::Rescue { enabled: true };
    let mut reply = start(call, "enable_rescue", id, &enabled)?;
    add(&mut reply, "root_password", &rule::password(id));
    Ok(reply)
}

pub(super) fn disable_rescue(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    switch(call, "disable_rescue", &Change::Rescue { enabled: false })
}

fn add(reply: &mut Reply, key: &str, value: &str) {
    if let Some(body) = &mut reply.body {
        body[key] = json!(value);
    }
}
