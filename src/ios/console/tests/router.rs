//! The router's own events.

use super::*;
use crate::crypto::{Cipher, Hash};
use crate::ios::event::{InterfaceState, SaRequest};

fn request() -> SaRequest {
    SaRequest {
        map: "CMAP".to_owned(),
        sequence: 10,
        local: "203.0.113.1".parse().unwrap(),
        remote: "198.51.100.1".parse().unwrap(),
        local_proxy: Story::network(102),
        remote_proxy: Story::network(101),
        cipher: Some(Cipher::Aes256),
        integrity: Some(Hash::Sha512),
        transport: false,
        seconds: 3600,
        kilobytes: 4_608_000,
    }
}

#[test]
fn sas_are_requested() {
    let events = [
        RouterEvent::SaRequest(request()),
        RouterEvent::RequestTimerFired { request: request(), count: 1 },
        RouterEvent::RequestAbandoned { request: request() },
    ];
    assert_traces!("sa-request", Story::of(&events));
}

#[test]
fn syslog_messages() {
    let (destination, source) = ("203.0.113.1".parse().unwrap(), "198.51.100.1".parse().unwrap());
    let interface = "GigabitEthernet1".to_owned();
    let events = [
        RouterEvent::Restarted,
        RouterEvent::InterfaceChanged { interface: interface.clone(), state: InterfaceState::Up },
        RouterEvent::InterfaceChanged { interface: interface.clone(), state: InterfaceState::AdministrativelyDown },
        RouterEvent::IsakmpSwitched { on: true },
        RouterEvent::Configured { from: "console".to_owned() },
        RouterEvent::PacketNotIpsec { interface: interface.clone(), destination, source, protocol: 1 },
        RouterEvent::InvalidSpi { interface, destination, source, protocol: 50, spi: 0x3ea7_1aed },
        RouterEvent::ReplayError { connection: 2001, spi: 1, sequence: 2 },
        RouterEvent::MacError { connection: 2001, spi: 1, sequence: 2 },
        RouterEvent::InvalidIdentity {
            destination,
            source,
            protocol: 1,
            local_proxy: Story::network(102),
            remote_proxy: Story::network(101),
        },
        RouterEvent::DecapsulationFailed { connection: 2001, spi: 1, why: "packet is too short".to_owned() },
        RouterEvent::SessionStatus { up: true, peer: "198.51.100.1:500".parse().unwrap(), id: "198.51.100.1".into() },
        RouterEvent::AccessListLogged {
            list: "101".to_owned(),
            permitted: false,
            protocol: 6,
            source: (source, Some(40000)),
            destination: (destination, Some(22)),
            packets: 1,
        },
    ];
    assert_traces!("syslog", Story::of(&events));
    let settings = Settings { logging_session: true, ..Settings::default() };
    let mut console = Console::new(Release::V15, "R1", settings);
    let status = &events[11];
    let lines = console.render(Instant::ZERO, status);
    assert_eq!(
        lines[0].text,
        "%CRYPTO-5-SESSION_STATUS: Crypto tunnel is UP  .  Peer 198.51.100.1:500       Id: 198.51.100.1"
    );
}
