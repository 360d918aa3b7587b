//! Addresses and ports that belong to one rig, so that several can run on a host.
//!
//! Functions listen on fixed ports, so every pod needs an address of its own. A rig takes one of 250 blocks 127.91.N.0/24; it
//! owns the block while it listens on the first address, which the kernel gives to one process only and takes back when that
//! process dies. The block's number also selects a slice of ports on 127.0.0.1, below the range that the kernel uses for
//! outgoing connections: a port taken from that range may be gone before the program that should listen there has started.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};

use anyhow::{Context, Result, bail};

/// The port that every function serves.
pub(crate) const GRPC_PORT: u16 = 9443;

const BLOCKS: u8 = 250;
const FIRST_PORT: u16 = 20_000;
const PORTS_PER_BLOCK: u16 = 48;

/// One rig's share of the loopback network.
#[derive(Debug)]
pub(crate) struct Block {
    number: u8,
    next_port: AtomicU16,
    next_host: AtomicU8,
    /// Owning this socket is owning the block.
    _claim: TcpListener,
}

impl Block {
    /// Takes a free block.
    pub(crate) fn claim() -> Result<Self> {
        // Different processes start at different places, so that they seldom try the same block.
        let start = u8::try_from(std::process::id() % u32::from(BLOCKS))?;
        for offset in 0..BLOCKS {
            let number = u8::try_from((u16::from(start) + u16::from(offset)) % u16::from(BLOCKS))?;
            if let Ok(claim) = TcpListener::bind((Ipv4Addr::new(127, 91, number, 1), GRPC_PORT)) {
                return Ok(Self {
                    number,
                    next_port: AtomicU16::new(0),
                    next_host: AtomicU8::new(2),
                    _claim: claim,
                });
            }
        }
        bail!(
            "port {GRPC_PORT} is taken on every address 127.91.N.1: does another program listen there on all addresses?"
        )
    }

    /// A port that nobody listens on, on any address, and that this block hands out once.
    pub(crate) fn port(&self) -> Result<u16> {
        loop {
            let offset = self.next_port.fetch_add(1, Ordering::Relaxed);
            if offset >= PORTS_PER_BLOCK {
                bail!("the rig used up its {PORTS_PER_BLOCK} ports");
            }
            let port = FIRST_PORT + u16::from(self.number) * PORTS_PER_BLOCK + offset;
            if TcpListener::bind(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port)).is_ok() {
                return Ok(port);
            }
        }
    }

    /// An address for one pod. Addresses are used again after the last one: pods come and go.
    pub(crate) fn address(&self) -> Result<Ipv4Addr> {
        let host = self
            .next_host
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |host| {
                Some(if host >= 254 { 2 } else { host + 1 })
            })
            .ok()
            .context("take an address")?;
        Ok(Ipv4Addr::new(127, 91, self.number, host))
    }
}
