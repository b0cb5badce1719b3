//! What stands in a UDP datagram on port 4500 (RFC 3948 2).

/// The four zero octets before IKE on port 4500 (RFC 3948 2.2).
pub const NON_ESP_MARKER: [u8; 4] = [0; 4];

/// The payload of a keepalive (RFC 3948 2.3).
pub const KEEPALIVE: [u8; 1] = [0xff];

/// The payload of a datagram to or from port 4500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port4500<'a> {
    /// IKE, without its marker.
    Ike(&'a [u8]),
    /// ESP, SPI first.
    Esp(&'a [u8]),
    /// A keepalive.
    Keepalive,
    /// None of these: too short for an SPI.
    Malformed(&'a [u8]),
}

/// Tells what stands in the payload of a datagram on port 4500.
pub fn classify(payload: &[u8]) -> Port4500<'_> {
    if payload == KEEPALIVE {
        return Port4500::Keepalive;
    }
    match payload.split_first_chunk::<4>() {
        Some((&NON_ESP_MARKER, ike)) => Port4500::Ike(ike),
        Some(_) => Port4500::Esp(payload),
        None => Port4500::Malformed(payload),
    }
}

/// `ike` behind the non-ESP marker.
pub fn with_marker(ike: &[u8]) -> Vec<u8> {
    [&NON_ESP_MARKER, ike].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_ike_esp_and_keepalive_apart() {
        assert_eq!(classify(&[0xff]), Port4500::Keepalive);
        assert_eq!(classify(&[0, 0, 0, 0, 9]), Port4500::Ike(&[9]));
        assert_eq!(classify(&[0, 0, 1, 0, 9]), Port4500::Esp(&[0, 0, 1, 0, 9]));
        assert_eq!(classify(&[0, 0]), Port4500::Malformed(&[0, 0]));
        assert_eq!(classify(&with_marker(&[9])), Port4500::Ike(&[9]));
    }
}
