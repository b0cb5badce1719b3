//! Who an engine knows: its peers, and which ISAKMP SA is whose.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use super::event::{Role, SaEnd};
use crate::wire::isakmp::IdPayload;

/// What other SAs need to know of an ISAKMP SA.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Our address.
    pub local: Ipv4Addr,
    /// The peer's address and port.
    pub remote: SocketAddrV4,
    /// Our side of phase 1.
    pub role: Role,
    /// The number of the peer's record.
    pub peer: u64,
    /// The peer's identity once it is authenticated.
    pub identity: Option<IdPayload>,
    /// Why the SA is to be deleted as soon as the input is handled.
    pub doomed: Option<SaEnd>,
    /// Whether it is deleted and only remembered.
    pub deleted: bool,
}

#[derive(Clone, Debug)]
struct PeerRecord {
    number: u64,
    holders: u32,
}

/// The peers and SAs of an engine.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    sas: BTreeMap<u64, Entry>,
    peers: BTreeMap<(Ipv4Addr, SocketAddrV4), PeerRecord>,
    last_peer: u64,
    last_serial: u64,
}

/// What entering an SA changed.
pub(crate) struct Entered {
    /// The SA's serial number.
    pub serial: u64,
    /// The number of the peer's record.
    pub peer: u64,
    /// How many SAs hold the record now.
    pub holders: u32,
    /// Whether there already was an SA with the same endpoints.
    pub duplicate: bool,
}

impl Registry {
    /// Enters a new SA.
    pub fn enter(&mut self, local: Ipv4Addr, remote: SocketAddrV4, role: Role) -> Entered {
        let duplicate = self.sas.values().any(|entry| !entry.deleted && entry.local == local && entry.remote == remote);
        let next_peer = self.last_peer + 1;
        let record = self.peers.entry((local, remote)).or_insert(PeerRecord { number: next_peer, holders: 0 });
        record.holders += 1;
        self.last_peer = self.last_peer.max(record.number);
        self.last_serial += 1;
        let entered = Entered { serial: self.last_serial, peer: record.number, holders: record.holders, duplicate };
        let entry = Entry { local, remote, role, peer: entered.peer, identity: None, doomed: None, deleted: false };
        self.sas.insert(entered.serial, entry);
        entered
    }

    /// Marks an SA deleted; returns how many SAs still hold its peer's record.
    pub fn delete(&mut self, serial: u64) -> u32 {
        let Some(entry) = self.sas.get_mut(&serial).filter(|entry| !entry.deleted) else { return 0 };
        entry.deleted = true;
        entry.doomed = None;
        let number = entry.peer;
        let mut left = 0;
        self.peers.retain(|_, record| {
            if record.number == number {
                record.holders = record.holders.saturating_sub(1);
                left = record.holders;
            }
            record.holders > 0
        });
        left
    }

    /// Forgets an SA.
    pub fn forget(&mut self, serial: u64) {
        self.delete(serial);
        self.sas.remove(&serial);
    }

    /// The peer of an SA is authenticated.
    pub fn authenticated(&mut self, serial: u64, identity: &IdPayload) {
        if let Some(entry) = self.sas.get_mut(&serial) {
            entry.identity = Some(identity.clone());
        }
    }

    /// The peer of an SA is reached at another address or port.
    pub fn moved(&mut self, serial: u64, remote: SocketAddrV4) {
        let Some(entry) = self.sas.get_mut(&serial) else { return };
        let before = std::mem::replace(&mut entry.remote, remote);
        let local = entry.local;
        // A record that other SAs share, or one already at the new place, stays where it is.
        if let Some(record) = self.peers.get(&(local, before)).filter(|record| record.holders == 1).cloned()
            && !self.peers.contains_key(&(local, remote))
        {
            self.peers.remove(&(local, before));
            self.peers.insert((local, remote), record);
        }
    }

    /// Whether another SA with the same peer lives.
    pub fn others(&self, serial: u64) -> bool {
        let Some(own) = self.sas.get(&serial) else { return false };
        self.sas.iter().any(|(other, entry)| {
            *other != serial
                && !entry.deleted
                && entry.identity.is_some()
                && entry.local == own.local
                && entry.remote.ip() == own.remote.ip()
        })
    }

    /// Dooms the older SAs of a peer that says it holds none: those with its address and identity, and those it began from
    /// its address and port and has not completed. What we are just beginning with it is spared: it cannot know of it yet.
    /// Returns how many.
    pub fn doom_older(&mut self, serial: u64, identity: &IdPayload) -> u32 {
        let Some(own) = self.sas.get(&serial).cloned() else { return 0 };
        let mut count = 0;
        for (_, entry) in self.sas.range_mut(..serial) {
            let same = entry.local == own.local
                && match &entry.identity {
                    Some(known) => {
                        entry.remote.ip() == own.remote.ip()
                            && known.kind == identity.kind
                            && known.data == identity.data
                    }
                    None => entry.role == Role::Responder && entry.remote == own.remote,
                };
            if same && !entry.deleted && entry.doomed.is_none() {
                entry.doomed = Some(SaEnd::InitialContact);
                count += 1;
            }
        }
        count
    }

    /// Takes the SAs that are to be deleted.
    pub fn take_doomed(&mut self) -> Vec<(u64, SaEnd)> {
        self.sas.iter_mut().filter_map(|(serial, entry)| entry.doomed.take().map(|end| (*serial, end))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ike::Identity;

    const LOCAL: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

    fn remote(port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 10), port)
    }

    fn identity(last: u8) -> IdPayload {
        Identity::Address(Ipv4Addr::new(10, 0, 0, last)).to_id(17, 500)
    }

    #[test]
    fn a_peer_is_counted_once_and_goes_with_its_last_sa() {
        let mut registry = Registry::default();
        let first = registry.enter(LOCAL, remote(500), Role::Responder);
        let second = registry.enter(LOCAL, remote(500), Role::Responder);
        assert_eq!((first.peer, first.holders, first.duplicate), (1, 1, false));
        assert_eq!((second.peer, second.holders, second.duplicate), (1, 2, true));
        assert_eq!(registry.delete(first.serial), 1);
        assert_eq!(registry.delete(first.serial), 0, "a second time changes nothing");
        registry.forget(first.serial);
        assert_eq!(registry.delete(second.serial), 0);
        assert_eq!(registry.enter(LOCAL, remote(500), Role::Responder).peer, 2);
    }

    #[test]
    fn initial_contact_spares_other_peers_behind_the_same_nat() {
        let mut registry = Registry::default();
        let [same, other, half_open, new] =
            [4500, 4501, 4500, 4500].map(|port| registry.enter(LOCAL, remote(port), Role::Responder).serial);
        registry.authenticated(same, &identity(1));
        registry.authenticated(other, &identity(2));
        registry.authenticated(new, &identity(1));
        assert!(registry.others(new));
        assert_eq!(registry.doom_older(new, &identity(1)), 2);
        let doomed: Vec<u64> = registry.take_doomed().into_iter().map(|(serial, _)| serial).collect();
        assert_eq!(doomed, [same, half_open]);
        assert!(registry.take_doomed().is_empty());
    }
}
