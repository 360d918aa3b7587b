//! All tests that need more than one crate: most of them on a real control plane.
//!
//! `cargo test -p xplatform-tests -- NAME` runs those whose name contains NAME. One rig with XPlatform installed is started
//! when the first test asks for it and shared by all; each test has a namespace, a simulated cloud and credentials of its
//! own, so they run side by side and may break what is theirs.

mod boot;
mod cli;
mod client;
mod cluster;
mod dependencies;
mod enumeration;
mod faults;
mod function;
mod images;
mod input;
mod landscape;
mod layering;
mod leader;
mod lifecycle;
mod network;
mod opentofu;
mod platform;
mod proto;
mod refused;
mod rigs;
mod teardown;
mod v2;
mod world;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;
use world::World;

/// Tests mostly wait; more of them at once than there are cores.
const THREADS: usize = 6;

/// A test: its name and what it does.
struct Test {
    name: &'static str,
    run: fn(&Runtime, &World) -> anyhow::Result<()>,
}

/// Lists async test functions, each under its own name.
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        pub(crate) const TESTS: &[crate::Test] = &[$(crate::Test {
            name: concat!(module_path!(), "::", stringify!($name)),
            run: |runtime, world| runtime.block_on($name(world)),
        }),*];
    };
}
pub(crate) use tests;

fn failed(error: &anyhow::Error) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{error:#}");
    ExitCode::FAILURE
}

fn main() -> ExitCode {
    rig::launch::init();
    let runtime = match Runtime::new() {
        Ok(runtime) => Arc::new(runtime),
        Err(error) => return failed(&error.into()),
    };
    let words: Vec<_> = std::env::args().skip(1).collect();
    if let [images::MARK, name, root] = words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        return match runtime.block_on(images::run_inside(name, Path::new(root))) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error),
        };
    }
    let mut args = Arguments::from_args();
    args.test_threads.get_or_insert(THREADS);

    let world = Arc::new(World::default());
    let modules = [
        layering::TESTS,
        proto::TESTS,
        cli::TESTS,
        function::TESTS,
        images::TESTS,
        rigs::TESTS,
        platform::TESTS,
        refused::TESTS,
        v2::TESTS,
        teardown::TESTS,
        network::TESTS,
        input::TESTS,
        dependencies::TESTS,
        lifecycle::TESTS,
        landscape::TESTS,
        opentofu::TESTS,
        faults::TESTS,
        enumeration::TESTS,
        leader::TESTS,
        boot::TESTS,
        cluster::TESTS,
    ];
    let failures = Arc::new(Mutex::new(String::new()));
    let trials = modules.into_iter().flatten().map(|test| {
        let (runtime, world) = (Arc::clone(&runtime), Arc::clone(&world));
        let failures = Arc::clone(&failures);
        let name = test.name.trim_start_matches("integration::");
        Trial::test(name, move || {
            (test.run)(&runtime, &world).map_err(|error| {
                if let Ok(mut failures) = failures.lock() {
                    let _ = writeln!(failures, "{name} failed: {error:#}");
                }
                Failed::from(format!("{error:#}"))
            })
        })
    });
    let conclusion = libtest_mimic::run(&args, trials.collect());
    // The tests are gone, and with them their shares.
    if let Some(world) = Arc::into_inner(world) {
        runtime.block_on(world.stop(conclusion.has_failed()));
    }
    // Once more at the very end: the logs that were printed in between are long, and what failed is what a reader looks for.
    if let Ok(failures) = failures.lock() {
        let _ = std::io::stderr().write_all(failures.as_bytes());
    }
    conclusion.exit_code()
}
