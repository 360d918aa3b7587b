//! `/isos`: read-only, the same for every project.

use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    collection::Id,
    error::ApiError,
    listing::Listing,
    resource::{
        Kind,
        server_type::Architecture::{self, Arm, X86},
    },
    route::{Call, Reply, Route},
};

pub(crate) static KIND: Kind = Kind {
    name: "iso",
    plural: "isos",
    routes: &[Route::get("/isos", list), Route::get("/isos/{id}", get)],
    changes: None,
};

/// A disk image that can be put into the drive of a server.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Iso {
    /// The ISO's id.
    pub id: Id,
    /// Its name.
    pub name: &'static str,
    /// Its description.
    pub description: &'static str,
    /// The servers that it runs on; any when absent.
    pub architecture: Option<Architecture>,
}

/// Some of the public ISOs of autumn 2026.
pub const ISOS: &[Iso] = &[
    iso(
        26_062,
        "systemrescue-11.00-amd64.iso",
        "SystemRescue 11.00",
        X86,
    ),
    iso(
        87_014,
        "SW_DVD9_Win_Server_STD_CORE_2022__64Bit_German_DC_STD_MLF_X22-74292.iso",
        "Windows Server 2022 German",
        X86,
    ),
    iso(
        120_301,
        "debian-13.1.0-amd64-netinst.iso",
        "Debian 13.1 (amd64/netinstall)",
        X86,
    ),
    iso(
        120_302,
        "debian-13.1.0-arm64-netinst.iso",
        "Debian 13.1 (arm64/netinstall)",
        Arm,
    ),
    iso(
        122_629,
        "talos-v1.12.0-metal-arm64.iso",
        "Talos Linux v1.12.0 (arm64)",
        Arm,
    ),
    iso(
        122_630,
        "talos-v1.12.0-metal-amd64.iso",
        "Talos Linux v1.12.0 (amd64)",
        X86,
    ),
];

const fn iso(
    id: Id,
    name: &'static str,
    description: &'static str,
    architecture: Architecture,
) -> Iso {
    Iso {
        id,
        name,
        description,
        architecture: Some(architecture),
    }
}

/// The ISO with this id.
pub fn by_id(id: Id) -> Option<&'static Iso> {
    ISOS.iter().find(|iso| iso.id == id)
}

/// The ISO that a request names by id or name.
pub fn find(id_or_name: &str) -> Option<&'static Iso> {
    let named = ISOS.iter().find(|iso| iso.name == id_or_name);
    named.or_else(|| by_id(id_or_name.parse().ok()?))
}

impl Iso {
    pub(crate) fn body(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "type": "public",
            "architecture": self.architecture,
            "deprecation": null,
        })
    }
}

fn list(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let isos = ISOS.iter().map(Iso::body);
    Listing::new("isos", call.request, isos.collect())
        .filter("name")
        .filter("architecture")
        .page()
}

fn get(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let id = call.id("id")?;
    let iso = by_id(id).ok_or_else(|| ApiError::not_found("iso", id))?;
    Ok(Reply::json(StatusCode::OK, json!({ "iso": iso.body() })))
}
