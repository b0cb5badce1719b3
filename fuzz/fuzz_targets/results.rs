#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| ike_interop_fuzz::results(octets));
