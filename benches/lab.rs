//! How long the lab takes to stand up and to go: each phase by itself, then a whole topology.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use ike_interop::lab::link::{Links, VethEnd};
use ike_interop::lab::ping::{Ping, ping};
use ike_interop::lab::process::{self, Program};
use ike_interop::lab::topology::{Plan, Stub, Topology, Uplink};
use ike_interop::lab::{Clock, LabError, Namespace, sandbox};
use ike_interop::wire::ethernet::MacAddress;

const ROUNDS: usize = 40;

fn main() {
    let before = Instant::now();
    match sandbox::enter() {
        Ok(_) => println!("{:32} {:>9.2?}", "sandbox::enter", before.elapsed()),
        Err(error) => {
            eprintln!("{}", error.diagnostic());
            std::process::exit(3);
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure()).expect("the lab stands up");
}

/// Durations of one phase.
struct Phase(&'static str, Vec<Duration>);

impl Phase {
    fn new(name: &'static str) -> Self {
        Self(name, Vec::new())
    }

    async fn time<T>(&mut self, work: impl Future<Output = T>) -> T {
        let before = Instant::now();
        let result = work.await;
        self.1.push(before.elapsed());
        result
    }

    fn print(mut self) {
        self.1.sort_unstable();
        let at = |percent: usize| self.1[(self.1.len() - 1) * percent / 100];
        println!("{:32} median {:>9.2?}   95 % {:>9.2?}   most {:>9.2?}", self.0, at(50), at(95), at(100));
    }
}

fn plan() -> Plan {
    let stub = |last, second| Stub {
        host: Ipv4Addr::new(10, second, 0, last),
        gateway: Ipv4Addr::new(10, second, 0, 1),
        prefix_len: 24,
        gateway_mac: None,
    };
    let uplink = |a, b, c, last| Uplink {
        address: Ipv4Addr::new(a, b, c, last),
        prefix_len: 24,
        gateway: Ipv4Addr::new(a, b, c, 254),
    };
    Plan {
        left: vec![stub(10, 1)],
        dut: uplink(192, 0, 2, 10),
        cisco: uplink(198, 51, 100, 1),
        right: vec![stub(10, 2)],
        protected: Vec::new(),
        mtu: 1500,
    }
}

async fn measure() -> Result<(), LabError> {
    parts().await?;
    let clock = Clock::start();
    let nothing = Program::new("true", [""; 0]);
    let (mut build, mut first_ping) = (Phase::new("topology: build"), Phase::new("ping of the next hop"));
    let (mut program, mut teardown) = (Phase::new("program: start to end"), Phase::new("topology: drop"));
    for _ in 0..ROUNDS {
        let topology = build.time(Topology::build(plan())).await?;
        let ask = Ping::new(Ipv4Addr::new(10, 1, 0, 10), Ipv4Addr::new(192, 0, 2, 10));
        let report = first_ping.time(ping(&topology.left, ask, clock)).await?;
        assert_eq!(report.answered(), 1);
        let run = process::run(&topology.dut, &nothing, Duration::from_secs(5), clock);
        program.time(run).await?;
        teardown.time(async { drop(topology) }).await;
    }
    [build, first_ping, program, teardown].into_iter().for_each(Phase::print);
    Ok(())
}

async fn parts() -> Result<(), LabError> {
    let (mut namespace, mut thread) = (Phase::new("one namespace"), Phase::new("one thread in a namespace"));
    let (mut open, mut veth) = (Phase::new("one netlink connection"), Phase::new("one link, both ends set up"));
    let (mut up, mut gone) = (Phase::new("wait for operstate up"), Phase::new("drop of two namespaces"));
    for _ in 0..ROUNDS {
        let left = namespace.time(async { Namespace::new("left") }).await?;
        let right = namespace.time(async { Namespace::new("right") }).await?;
        thread.time(async { left.on_thread(|| Ok(())) }).await?;
        let mut links = open.time(async { Links::open(&left) }).await?;
        let a = VethEnd { namespace: &left, interface: "a", mac: MacAddress([2, 0, 0, 0, 0, 1]) };
        let b = VethEnd { namespace: &right, interface: "b", mac: MacAddress([2, 0, 0, 0, 0, 2]) };
        veth.time(links.add_veth(a, b, 1500)).await?;
        up.time(links.wait_up(&["a"])).await?;
        gone.time(async { drop((left, right)) }).await;
    }
    [namespace, thread, open, veth, up, gone].into_iter().for_each(Phase::print);
    Ok(())
}
