//! A part of 127.0.0.0/8 for the servers of one simulator, so that several are played on a host at the same time.
//!
//! One of 100 blocks 127.N.0.0/16 is owned by listening on its last host address; the kernel takes it back when the process
//! dies. The lower half is for the simulator's public addresses, the upper half for what has none.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};
use hcloud_simulator::AddressPool;
use ipnet::Ipv4Net;

const FIRST: u8 = 128;
const BLOCKS: u8 = 100;
const PORT: u16 = 6443;
const PUBLIC_PREFIX: u8 = 17;

/// Addresses for the machines of one fleet.
#[derive(Debug)]
pub struct Range {
    block: u8,
    public: Ipv4Net,
    next: AtomicU32,
    _claim: TcpListener,
}

impl Range {
    /// Takes a free range.
    ///
    /// # Errors
    ///
    /// When all are taken.
    pub fn claim() -> Result<Self> {
        let start = u8::try_from(std::process::id() % u32::from(BLOCKS))?;
        for offset in 0..BLOCKS {
            let block = FIRST + (start + offset) % BLOCKS;
            if let Ok(claim) = TcpListener::bind((Ipv4Addr::new(127, block, 255, 254), PORT)) {
                return Ok(Self {
                    block,
                    public: Ipv4Net::new(Ipv4Addr::new(127, block, 0, 0), PUBLIC_PREFIX)
                        .context("name the public addresses")?,
                    next: AtomicU32::new(0),
                    _claim: claim,
                });
            }
        }
        bail!("port {PORT} is taken on every address 127.N.255.254")
    }

    /// Where the simulator is to take public addresses from.
    pub const fn public(&self) -> AddressPool {
        AddressPool::Range(self.public)
    }

    /// Whether an address is one that something here can listen on.
    pub(super) fn contains(&self, address: Ipv4Addr) -> bool {
        self.public.contains(&address)
    }

    /// An address that the simulator does not know.
    pub(super) fn hidden(&self) -> Ipv4Addr {
        let number = self.next.fetch_add(1, Ordering::Relaxed) % (126 * 254);
        let [.., high, low] = (number / 254 * 256 + number % 254 + 1).to_be_bytes();
        Ipv4Addr::new(127, self.block, 128 + high, low)
    }
}
