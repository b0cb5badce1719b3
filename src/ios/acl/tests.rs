use std::net::Ipv4Addr;

use super::*;

#[test]
fn a_subnet_mask_in_place_of_a_wildcard_zeroes_the_address() {
    let mistaken = AddressMatch::new(Ipv4Addr::new(192, 168, 3, 0), Ipv4Addr::new(255, 255, 255, 0));
    assert_eq!(mistaken.to_string(), "0.0.0.0 255.255.255.0");
    assert!(mistaken.matches(Ipv4Addr::new(9, 9, 9, 0)));
    assert!(!mistaken.matches(Ipv4Addr::new(192, 168, 3, 1)));
    assert_eq!(mistaken.as_network(), None);
}
