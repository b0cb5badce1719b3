//! The ways ESP takes to and from an implementation.

use std::fmt;

use crate::lab::probe::Lack;

/// Who encrypts and decrypts the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataPath {
    /// The implementation itself, in user space behind a TUN device; the built-in one does without such a device as well.
    Tun,
    /// The kernel's ESP.
    Kernel,
    /// Our key engine, which is the kernel for an implementation that speaks PF_KEY.
    KeyEngine,
    /// Nobody: the implementation negotiates, and no traffic can be sent.
    None,
}

impl DataPath {
    /// Every data path.
    pub const ALL: [Self; 2] = [Self::Tun, Self::Kernel];
}

impl fmt::Display for DataPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Tun => "tun",
            Self::Kernel => "kernel",
            Self::KeyEngine => "key engine",
            Self::None => "none",
        })
    }
}

/// A data path on a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The data path.
    pub data_path: DataPath,
    /// What the machine lacks for it.
    pub lack: Option<Lack>,
}

impl Way {
    /// `data_path`, which takes what `found` found or lacks. What it lacks first counts.
    pub(super) fn taking<'a>(data_path: DataPath, found: impl IntoIterator<Item = &'a Result<(), Lack>>) -> Self {
        let lack = found.into_iter().find_map(|found| found.as_ref().err()).cloned();
        Self { data_path, lack }
    }

    /// The first of `ways` that can be taken.
    ///
    /// # Errors
    /// What all of them lack.
    pub(super) fn first(ways: &[Self]) -> Result<DataPath, Lack> {
        let mut lacks = Vec::new();
        for way in ways {
            match &way.lack {
                None => return Ok(way.data_path),
                Some(lack) => lacks.push((way.data_path, lack)),
            }
        }
        let reasons: Vec<String> =
            lacks.iter().map(|(data_path, lack)| format!("{data_path}: {}", lack.reason)).collect();
        let mut remedies: Vec<&str> = lacks.iter().map(|(_, lack)| &*lack.remedy).collect();
        // Several ways may lack the same.
        remedies.dedup();
        let remedy = remedies.join("; or ");
        Err(Lack { reason: format!("there is no data path ({})", reasons.join("; ")), remedy })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_way_without_a_lack_is_taken_or_all_that_is_lacking_told() {
        let lack = |what: &str| Lack { reason: format!("no {what}"), remedy: format!("get {what}") };
        let kernel = Way::taking(DataPath::Kernel, [&Ok(()), &Err(lack("ESP")), &Err(lack("PF_KEY"))]);
        let tun = Way::taking(DataPath::Tun, [&Ok(())]);
        assert_eq!(Way::first(&[kernel.clone(), tun]), Ok(DataPath::Tun));
        let tun = Way::taking(DataPath::Tun, [&Err(lack("TUN"))]);
        let all = Way::first(&[kernel, tun]).unwrap_err();
        assert_eq!(all.reason, "there is no data path (kernel: no ESP; tun: no TUN)");
        assert_eq!(all.remedy, "get ESP; or get TUN");
    }
}
