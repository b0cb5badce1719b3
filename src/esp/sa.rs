//! One security association in one direction.

use std::net::Ipv4Addr;

use rand::CryptoRng;
use serde::{Deserialize, Serialize};

use super::lifetime::Spent;
use super::transform::KeyedTransform;
use super::{
    EspError, Flow, Lifetime, LifetimeKind, Limits, Mode, ReplayWindow, SaError, Selector, Severity, Spi, Transform,
    UdpEncapsulation,
};
use crate::crypto::SaKeys;
use crate::time::Instant;
use crate::wire::ipv4::{Ipv4Packet, protocol};

/// What an SA is made of. The same for both directions; addresses, ports and selector are those of the packets that pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaParameters {
    /// The SPI, which the receiver chose.
    pub spi: Spi,
    /// Source of the outer header.
    pub source: Ipv4Addr,
    /// Destination of the outer header.
    pub destination: Ipv4Addr,
    /// Tunnel or transport.
    pub mode: Mode,
    /// The algorithms.
    pub transform: Transform,
    /// Their keys.
    pub keys: SaKeys,
    /// The ports, where there is a NAT between the peers.
    pub udp: Option<UdpEncapsulation>,
    /// Which packets may pass inbound, as they were negotiated; `None` lets all pass.
    pub selector: Option<Selector>,
    /// How long it lives.
    pub lifetime: Lifetime,
    /// Packets of the anti-replay window; 0 switches it off, and so does a transform that does not authenticate
    /// (RFC 4303 3.4.3).
    pub replay_window: u32,
    /// Whether padding that is not 1, 2, 3, ... is refused, as RFC 4303 2.4 recommends. Linux refuses none.
    pub check_padding: bool,
}

impl SaParameters {
    /// An SA in tunnel mode without NAT, selector and lifetime, with a window of 64 packets.
    pub fn new(spi: Spi, source: Ipv4Addr, destination: Ipv4Addr, transform: Transform, keys: SaKeys) -> Self {
        Self {
            spi,
            source,
            destination,
            mode: Mode::Tunnel,
            transform,
            keys,
            udp: None,
            selector: None,
            lifetime: Lifetime::default(),
            replay_window: 64,
            check_padding: true,
        }
    }
}

/// What passed an SA and what did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Packets that passed.
    pub packets: u64,
    /// Their octets before encapsulation or after decapsulation: the inner packet in tunnel mode, its payload in transport
    /// mode. This is what Linux counts against the volume lifetime. For IOS it is recalled, not seen **\[R\]**: `show crypto
    /// ipsec sa` with 4 packets and 4607999 KB left fits, and so would the outer lengths.
    pub bytes: u64,
    /// Packets whose ICV did not match.
    pub integrity_failures: u64,
    /// Packets that the anti-replay window refused.
    pub replays: u64,
    /// Packets that were authentic (or not authenticated) and yet of no use: length, padding, next header, inner packet.
    pub malformed: u64,
    /// Packets outside of the selectors.
    pub selector_mismatches: u64,
}

/// What came out of an ESP packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decapsulated {
    /// The inner packet in tunnel mode, the payload in transport mode.
    pub payload: Vec<u8>,
    /// The protocol of the payload: 4 in tunnel mode.
    pub next_header: u8,
    /// The sequence number of the ESP packet.
    pub sequence: u32,
}

/// One security association in one direction: parameters, keyed ciphers, sequence number or window, counters.
#[derive(Debug)]
pub struct SecurityAssociation {
    parameters: SaParameters,
    keyed: KeyedTransform,
    created: Instant,
    first_used: Option<Instant>,
    sent: u64,
    window: ReplayWindow,
    counters: Counters,
}

impl SecurityAssociation {
    /// Makes the SA; its lifetime starts now.
    ///
    /// # Errors
    ///
    /// When a key has the wrong length, GCM has an integrity algorithm beside it, or the SPI is reserved.
    pub fn new(now: Instant, parameters: SaParameters) -> Result<Self, SaError> {
        if parameters.spi < Spi::FIRST_FREE {
            return Err(SaError::ReservedSpi(parameters.spi));
        }
        let transform = parameters.transform;
        let keyed = KeyedTransform::new(transform, &parameters.keys)?;
        let window = if transform.authenticates() { parameters.replay_window } else { 0 };
        Ok(Self {
            parameters,
            keyed,
            created: now,
            first_used: None,
            sent: 0,
            window: ReplayWindow::new(window),
            counters: Counters::default(),
        })
    }

    /// The ESP packet, SPI to ICV, of an IPv4 packet: of all of it in tunnel mode, of its payload in transport mode.
    ///
    /// # Errors
    ///
    /// When the SA is past its hard lifetime or out of sequence numbers, or the packet is too long, or in transport mode
    /// no IPv4 packet.
    pub fn encapsulate(
        &mut self,
        now: Instant,
        packet: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, EspError> {
        match self.parameters.mode {
            Mode::Tunnel => self.seal(now, packet, protocol::IPIP, rng),
            Mode::Transport => {
                let packet = Ipv4Packet::parse(packet).map_err(|error| EspError::InnerMalformed(error.to_string()))?;
                self.seal(now, &packet.payload, packet.protocol, rng)
            }
        }
    }

    /// The ESP packet of a payload of the given protocol, whatever the mode.
    ///
    /// # Errors
    ///
    /// As [`encapsulate`](Self::encapsulate).
    pub fn seal(
        &mut self,
        now: Instant,
        payload: &[u8],
        next_header: u8,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, EspError> {
        self.check_hard_lifetime(now)?;
        let total = self.outer_overhead() + self.transform().esp_len(payload.len());
        if total > usize::from(u16::MAX) {
            return Err(EspError::TooLong(total));
        }
        // A receiver without a window does not mind that the numbers start again (RFC 4303 3.3.3).
        if self.sent >= u64::from(u32::MAX) && self.window.size() > 0 {
            return Err(EspError::SequenceExhausted);
        }
        self.sent += 1;
        self.first_used.get_or_insert(now);
        self.counters.packets += 1;
        self.counters.bytes += payload.len() as u64;
        Ok(self.keyed.seal(self.parameters.spi, self.sent, payload, next_header, rng))
    }

    /// Verifies and decrypts an ESP packet, SPI to ICV, and counts it. In tunnel mode what comes out is a whole IPv4 packet
    /// of the right length, though its header checksum is not looked at, and lies within the selectors.
    ///
    /// The SPI is the caller's: whoever found this SA by it need not be told again.
    ///
    /// # Errors
    ///
    /// See [`EspError`]; in this order lifetime, length, window, ICV, padding, next header, inner packet, selectors.
    pub fn decapsulate(&mut self, now: Instant, esp: &[u8]) -> Result<Decapsulated, EspError> {
        let result = self.open(now, esp);
        let counters = &mut self.counters;
        match &result {
            Ok(decapsulated) => {
                self.first_used.get_or_insert(now);
                counters.packets += 1;
                counters.bytes += decapsulated.payload.len() as u64;
            }
            Err(EspError::IntegrityFailed { .. }) => counters.integrity_failures += 1,
            Err(EspError::Replay { .. }) => counters.replays += 1,
            Err(EspError::SelectorMismatch { .. }) => counters.selector_mismatches += 1,
            Err(EspError::HardLifetime(_)) => {}
            Err(_) => counters.malformed += 1,
        }
        result
    }

    fn open(&mut self, now: Instant, esp: &[u8]) -> Result<Decapsulated, EspError> {
        self.check_hard_lifetime(now)?;
        let (expected, found) = (self.keyed.min_len(), esp.len());
        if found < expected {
            return Err(EspError::TooShort { expected, found });
        }
        let sequence = u32::from_be_bytes([esp[4], esp[5], esp[6], esp[7]]);
        if !self.window.check(sequence) {
            return Err(EspError::Replay { sequence, newest: self.window.newest() });
        }
        let mut opened = self.keyed.open(esp, sequence, self.parameters.check_padding)?;
        self.window.update(sequence);
        if self.parameters.mode == Mode::Tunnel {
            if opened.next_header != protocol::IPIP {
                return Err(EspError::WrongNextHeader { expected: protocol::IPIP, found: opened.next_header });
            }
            let length = inner_length(&opened.payload)?;
            // What lies behind the packet is traffic flow confidentiality padding (RFC 4303 2.7).
            opened.payload.truncate(length);
            self.check_selector(&opened.payload)?;
        }
        Ok(Decapsulated { payload: opened.payload, next_header: opened.next_header, sequence })
    }

    fn check_selector(&self, packet: &[u8]) -> Result<(), EspError> {
        match (self.parameters.selector, Flow::of_octets(packet)) {
            (Some(selector), Some(flow)) if !selector.matches(&flow) => {
                Err(EspError::SelectorMismatch { flow, selector })
            }
            _ => Ok(()),
        }
    }

    fn check_hard_lifetime(&self, now: Instant) -> Result<(), EspError> {
        self.lifetime_reached(Severity::Hard, now).map_or(Ok(()), |kind| Err(EspError::HardLifetime(kind)))
    }

    /// Gives the packets another outer destination and other ports, as a NAT that changed its mapping asks for
    /// (RFC 3948 5, RFC 3947 7).
    pub fn move_peer(&mut self, destination: Ipv4Addr, udp: Option<UdpEncapsulation>) {
        self.parameters.destination = destination;
        self.parameters.udp = udp;
    }

    /// Gives it another lifetime, which counts from when it was made. In a database [`Sad::set_lifetime`](super::Sad::set_lifetime)
    /// does this.
    pub(super) fn set_lifetime(&mut self, lifetime: Lifetime) {
        self.parameters.lifetime = lifetime;
    }

    /// What it was made of.
    pub fn parameters(&self) -> &SaParameters {
        &self.parameters
    }

    /// Its SPI.
    pub fn spi(&self) -> Spi {
        self.parameters.spi
    }

    /// Its algorithms.
    pub fn transform(&self) -> Transform {
        self.keyed.transform()
    }

    /// What passed it.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// When it was made.
    pub fn created(&self) -> Instant {
        self.created
    }

    /// When the first packet passed it.
    pub fn first_used(&self) -> Option<Instant> {
        self.first_used
    }

    /// The sequence number of the packet sent last; 0 before the first.
    pub fn last_sent(&self) -> u32 {
        self.sent as u32
    }

    /// The anti-replay window.
    pub fn window(&self) -> &ReplayWindow {
        &self.window
    }

    /// Which limit of the soft or the hard lifetime is reached, if any.
    pub fn lifetime_reached(&self, severity: Severity, now: Instant) -> Option<LifetimeKind> {
        self.limits(severity).reached(&self.spent(), now)
    }

    /// What is left of the hard lifetime.
    pub fn remaining(&self, now: Instant) -> Limits {
        self.parameters.lifetime.hard.remaining(&self.spent(), now)
    }

    /// When the soft or the hard limit of time is reached, and which of the two there are.
    pub fn ends(&self, severity: Severity) -> Option<(Instant, LifetimeKind)> {
        self.limits(severity).time_ends(&self.spent())
    }

    /// Which of the two limits of volume is reached, the hard one first.
    pub(super) fn volume_reached(&self) -> Option<(Severity, LifetimeKind)> {
        let reached = |severity| Some((severity, self.limits(severity).volume_reached(&self.spent())?));
        reached(Severity::Hard).or_else(|| reached(Severity::Soft))
    }

    fn spent(&self) -> Spent {
        let Counters { bytes, packets, .. } = self.counters;
        Spent { created: self.created, first_used: self.first_used, bytes, packets }
    }

    /// The longest IPv4 packet that fits into one of `path_mtu` octets once encapsulated; `None` when none does. IOS shows
    /// it as `plaintext mtu` **\[S\]**: 1438 for AES and SHA-1 in tunnel mode, 1442 for AES-256 and SHA-1 in transport mode in
    /// UDP, each of 1500.
    pub fn plaintext_mtu(&self, path_mtu: usize) -> Option<usize> {
        let payload = self.transform().max_payload(path_mtu.checked_sub(self.outer_overhead())?)?;
        match self.parameters.mode {
            Mode::Tunnel => Some(payload),
            Mode::Transport => Some(payload + Ipv4Packet::HEADER_LEN),
        }
    }

    /// Octets of IPv4 and UDP header before the SPI.
    pub(super) fn outer_overhead(&self) -> usize {
        Ipv4Packet::HEADER_LEN + self.parameters.udp.map_or(0, |_| UdpEncapsulation::OVERHEAD)
    }

    fn limits(&self, severity: Severity) -> &Limits {
        match severity {
            Severity::Soft => &self.parameters.lifetime.soft,
            Severity::Hard => &self.parameters.lifetime.hard,
        }
    }
}

/// The total length of the IPv4 packet at the front of `octets`.
fn inner_length(octets: &[u8]) -> Result<usize, EspError> {
    let malformed = |why: String| EspError::InnerMalformed(why);
    let &[version_and_length, _, high, low, ..] = octets else {
        return Err(malformed(format!("{} octets are no IPv4 packet", octets.len())));
    };
    let header = usize::from(version_and_length & 0xf) * 4;
    let total = usize::from(u16::from_be_bytes([high, low]));
    if version_and_length >> 4 != 4 || header < Ipv4Packet::HEADER_LEN {
        return Err(malformed(format!("version and header length are {version_and_length:#04x}")));
    }
    if total < header || total > octets.len() {
        return Err(malformed(format!("total length {total} of {} octets, header {header}", octets.len())));
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::crypto::{Cipher, Hash, Secret};

    fn sa(replay_window: u32) -> SecurityAssociation {
        let transform = Transform::new(Cipher::Null, Some(Hash::Md5));
        let keys = SaKeys { encryption: Secret::new(Vec::new()), integrity: Secret::new(vec![1; 16]) };
        let ends = (Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST);
        let parameters = SaParameters::new(Spi(0x100), ends.0, ends.1, transform, keys);
        SecurityAssociation::new(Instant::ZERO, SaParameters { replay_window, ..parameters }).unwrap()
    }

    #[test]
    fn the_first_number_is_one_and_the_last_is_not_passed() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut send = |sa: &mut SecurityAssociation| {
            sa.seal(Instant::ZERO, &[], 59, &mut rng).map(|esp| u32::from_be_bytes(esp[4..8].try_into().unwrap()))
        };
        let mut sa_with_window = sa(64);
        assert_eq!(send(&mut sa_with_window), Ok(1));
        sa_with_window.sent = u64::from(u32::MAX) - 1;
        assert_eq!(send(&mut sa_with_window), Ok(u32::MAX));
        assert_eq!(send(&mut sa_with_window), Err(EspError::SequenceExhausted));
        assert_eq!(sa_with_window.last_sent(), u32::MAX);

        let mut sa_without = sa(0);
        sa_without.sent = u64::from(u32::MAX) - 1;
        assert_eq!((0..3).map(|_| send(&mut sa_without).unwrap()).collect::<Vec<_>>(), [u32::MAX, 0, 1]);
    }
}
