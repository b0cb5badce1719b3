//! The internet in real time: the state machine between the two ports of the internet's namespace.

use std::io;

use tokio::sync::mpsc;

use crate::lab::LabError;
use crate::lab::clock::Clock;
use crate::lab::frame_port::{Direction, FramePort, PortOptions, Received};
use crate::lab::internet::{Command, Config, Event, Input, Internet, Output, Side};
use crate::lab::topology::{TO_CISCO, TO_DUT, Topology};
use crate::time::Instant;

/// What the internet saw or did, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observed {
    /// A frame crossed one of its ports.
    Frame {
        /// The port.
        side: Side,
        /// [`Direction::In`] is into the internet.
        direction: Direction,
        /// By the kernel's time stamp for one that came in.
        at: Instant,
        /// The whole Ethernet frame.
        bytes: Vec<u8>,
    },
    /// Something worth recording.
    Event {
        /// When.
        at: Instant,
        /// What.
        event: Event,
    },
}

/// The internet of one cell.
#[derive(Debug)]
pub struct Forwarder {
    internet: Internet,
    dut: FramePort,
    cisco: FramePort,
    clock: Clock,
}

impl Forwarder {
    /// Takes the internet's ends of the links of `topology`; from now on nothing that is sent there is lost.
    ///
    /// # Errors
    /// When packet sockets are refused.
    pub fn open(topology: &Topology, config: Config, clock: Clock) -> Result<Self, LabError> {
        let port = |interface| FramePort::open(&topology.internet, interface, PortOptions::default(), clock);
        Ok(Self { internet: Internet::new(config), dut: port(TO_DUT)?, cisco: port(TO_CISCO)?, clock })
    }

    /// Forwards until the last sender of `commands` is dropped, and then what has come in by then.
    ///
    /// # Errors
    /// When a port fails. A link that is down is no failure: what is sent there is lost.
    pub async fn run(
        &mut self,
        commands: &mut mpsc::UnboundedReceiver<Command>,
        mut observe: impl FnMut(Observed),
    ) -> Result<(), LabError> {
        loop {
            let wake = self.internet.next_timeout();
            tokio::select! {
                received = self.dut.recv() => self.take(Side::Dut, received, &mut observe).await?,
                received = self.cisco.recv() => self.take(Side::Cisco, received, &mut observe).await?,
                command = commands.recv() => match command {
                    Some(command) => self.step(Input::Command(command), &mut observe).await?,
                    None => break,
                },
                () = self.clock.wait_until(wake) => self.step(Input::Timeout, &mut observe).await?,
            }
        }
        while let Some(received) = self.dut.try_recv().map_err(failed)? {
            self.take(Side::Dut, Ok(received), &mut observe).await?;
        }
        while let Some(received) = self.cisco.try_recv().map_err(failed)? {
            self.take(Side::Cisco, Ok(received), &mut observe).await?;
        }
        Ok(())
    }

    /// Frames that came in and were lost because the harness was too slow; evidence with any is no evidence.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn lost(&self) -> Result<u64, LabError> {
        let lost = || -> io::Result<u64> { Ok(self.dut.lost()? + self.cisco.lost()?) };
        lost().map_err(failed)
    }

    /// Its ports, when it is done with them.
    pub fn into_ports(self) -> [FramePort; 2] {
        [self.dut, self.cisco]
    }

    async fn take(
        &mut self,
        side: Side,
        received: io::Result<Received>,
        observe: &mut impl FnMut(Observed),
    ) -> Result<(), LabError> {
        let Received { at, direction, bytes } = match received {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::NetworkDown => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        observe(Observed::Frame { side, direction, at, bytes: bytes.clone() });
        self.step(Input::Frame { side, bytes }, observe).await
    }

    async fn step(&mut self, input: Input, observe: &mut impl FnMut(Observed)) -> Result<(), LabError> {
        self.internet.handle(self.clock.now(), input);
        while let Some(output) = self.internet.poll() {
            let at = self.clock.now();
            match output {
                Output::Event(event) => observe(Observed::Event { at, event }),
                Output::Frame { side, bytes } => {
                    let port = match side {
                        Side::Dut => &self.dut,
                        Side::Cisco => &self.cisco,
                    };
                    match port.send(&bytes).await {
                        Ok(()) => observe(Observed::Frame { side, direction: Direction::Out, at, bytes }),
                        Err(error) if error.kind() == io::ErrorKind::NetworkDown => {}
                        Err(error) => return Err(failed(error)),
                    }
                }
            }
        }
        Ok(())
    }
}

fn failed(source: io::Error) -> LabError {
    LabError::new("forwarding between the implementation and the router", source)
}
