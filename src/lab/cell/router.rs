//! Drives the router in real time.

use std::io;

use tokio::sync::{mpsc, oneshot};

use super::recorder::Recorder;
use crate::evidence::log::Happening;
use crate::ios::config::InterfaceName;
use crate::ios::console::{Console, Line};
use crate::ios::router::{Input, Output, Router};
use crate::lab::Clock;
use crate::lab::frame_port::FramePort;

/// A command typed on the router's console, and where its answer goes.
pub(super) type Typed = (String, oneshot::Sender<String>);

pub(super) struct RouterDriver {
    pub(super) machine: Router,
    /// The port of the outside interface.
    pub(super) outside: (InterfaceName, FramePort),
    /// The port of the network behind the router, and the interfaces that are on it.
    pub(super) inside: (Vec<InterfaceName>, FramePort),
    /// What is typed on the console.
    pub(super) typed: mpsc::Receiver<Typed>,
    /// What the console prints.
    pub(super) console: Console,
    pub(super) recorder: Recorder,
    pub(super) clock: Clock,
}

impl RouterDriver {
    /// Routes until nobody can type on the console any more, and gives the ports back.
    ///
    /// # Errors
    ///
    /// When a port fails.
    pub(super) async fn run(mut self) -> io::Result<[FramePort; 2]> {
        self.flush().await?;
        loop {
            let wake = self.machine.next_timeout();
            tokio::select! {
                received = self.outside.1.recv() => {
                    let octets = received?.bytes;
                    let interface = &self.outside.0;
                    self.machine.handle(self.clock.now(), Input::Frame { interface, octets: &octets });
                }
                received = self.inside.1.recv() => {
                    // Every interface on the network sees the frame; each takes what is for its own hardware address.
                    let octets = received?.bytes;
                    for interface in &self.inside.0 {
                        self.machine.handle(self.clock.now(), Input::Frame { interface, octets: &octets });
                    }
                }
                typed = self.typed.recv() => {
                    let Some((line, answer)) = typed else { return Ok([self.outside.1, self.inside.1]) };
                    let text = self.machine.execute(self.clock.now(), &mut self.console, &line);
                    // Whoever typed it may have gone already.
                    let _ = answer.send(text);
                }
                () = self.clock.wait_until(wake) => self.machine.handle(self.clock.now(), Input::Timeout),
            }
            self.flush().await?;
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        while let Some(output) = self.machine.poll() {
            match output {
                Output::Frame { interface, octets } => {
                    let port = if interface == self.outside.0 {
                        &self.outside.1
                    } else if self.inside.0.contains(&interface) {
                        &self.inside.1
                    } else {
                        // An interface of the configuration that leads nowhere in the lab.
                        continue;
                    };
                    port.send(&octets).await?;
                }
                Output::Event(event) => {
                    let lines = self.console.render(self.clock.now(), &event);
                    self.recorder.now(Happening::Router { event: Box::new(event) });
                    for Line { text, mark, source, .. } in lines {
                        self.recorder.now(Happening::Console { text, mark, source });
                    }
                }
                Output::Keys(record) => self.recorder.now(Happening::Keys { record: Box::new(record) }),
            }
        }
        Ok(())
    }
}
