//! One connection to charon's VICI socket.

use std::io;
use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::message::{Message, MessageError};

/// Packet types (VICI protocol, "Packet layer").
mod packet {
    pub const CMD_REQUEST: u8 = 0;
    pub const CMD_RESPONSE: u8 = 1;
    pub const CMD_UNKNOWN: u8 = 2;
    pub const EVENT_REGISTER: u8 = 3;
    pub const EVENT_UNREGISTER: u8 = 4;
    pub const EVENT_CONFIRM: u8 = 5;
    pub const EVENT_UNKNOWN: u8 = 6;
    pub const EVENT: u8 = 7;
}

/// The longest packet charon sends or takes, in octets.
const MAX_PACKET: usize = 512 * 1024;

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ViciError {
    /// The socket failed, or charon closed it.
    #[error("the VICI socket failed: {0}")]
    Socket(#[from] io::Error),
    /// A message could not be read or written.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// charon sent a packet that does not answer what was asked.
    #[error("charon answered `{asked}` with a VICI packet of type {found} and {octets} octets")]
    Packet {
        /// The command or event asked for.
        asked: String,
        /// The packet type found.
        found: u8,
        /// The packet's length after its type.
        octets: usize,
    },
    /// This charon does not know the command or event.
    #[error("this charon knows no VICI command or event `{0}`")]
    Unknown(String),
    /// charon carried the command out and says that it failed.
    #[error("`{command}` failed: {reason}")]
    Failed {
        /// The command.
        command: String,
        /// charon's `errmsg`.
        reason: String,
    },
}

/// A connection to charon. Only one command runs at a time, as the protocol has no sequence numbers.
///
/// A command whose future is dropped before it ends leaves its reply unread: the connection must then be dropped too.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
}

impl Client {
    /// Connects to the socket at `path`.
    pub async fn connect(path: &Path) -> io::Result<Self> {
        Ok(Self { stream: UnixStream::connect(path).await? })
    }

    /// Sends `command` and waits for its reply; a reply of `success = no` is the error [`ViciError::Failed`].
    pub async fn request(&mut self, command: &str, arguments: &Message) -> Result<Message, ViciError> {
        self.request_with_events(command, arguments, |_, _| ()).await
    }

    /// Sends `command`, passes the events of the kind `event` to `on_event` until the reply comes, and gives that.
    pub async fn stream(
        &mut self,
        command: &str,
        arguments: &Message,
        event: &str,
        mut on_event: impl FnMut(Message),
    ) -> Result<Message, ViciError> {
        self.switch_event(packet::EVENT_REGISTER, event).await?;
        let reply = self
            .request_with_events(command, arguments, |name, message| {
                if name == event {
                    on_event(message);
                }
            })
            .await;
        if !matches!(reply, Err(ViciError::Socket(_))) {
            self.switch_event(packet::EVENT_UNREGISTER, event).await?;
        }
        reply
    }

    async fn request_with_events(
        &mut self,
        command: &str,
        arguments: &Message,
        mut on_event: impl FnMut(&str, Message),
    ) -> Result<Message, ViciError> {
        self.send(packet::CMD_REQUEST, command, arguments).await?;
        let reply = loop {
            let (kind, body) = self.receive().await?;
            match kind {
                packet::EVENT => {
                    let (name, message) = named(command, &body)?;
                    on_event(&name, message);
                }
                packet::CMD_RESPONSE => break Message::decode(&body)?,
                packet::CMD_UNKNOWN => return Err(ViciError::Unknown(command.to_owned())),
                found => return Err(ViciError::Packet { asked: command.to_owned(), found, octets: body.len() }),
            }
        };
        match reply.text("success").as_deref() {
            Some("no") => {
                let reason = reply.text("errmsg").unwrap_or_else(|| "no reason given".to_owned());
                Err(ViciError::Failed { command: command.to_owned(), reason })
            }
            _ => Ok(reply),
        }
    }

    async fn switch_event(&mut self, kind: u8, event: &str) -> Result<(), ViciError> {
        self.send(kind, event, &Message::new()).await?;
        loop {
            let (kind, body) = self.receive().await?;
            match kind {
                packet::EVENT_CONFIRM => return Ok(()),
                packet::EVENT_UNKNOWN => return Err(ViciError::Unknown(event.to_owned())),
                // An event of the kind that is being unregistered may still be on its way.
                packet::EVENT => {}
                found => return Err(ViciError::Packet { asked: event.to_owned(), found, octets: body.len() }),
            }
        }
    }

    async fn send(&mut self, kind: u8, name: &str, message: &Message) -> Result<(), ViciError> {
        let bytes = framed(kind, name, message)?;
        Ok(self.stream.write_all(&bytes).await?)
    }

    async fn receive(&mut self) -> Result<(u8, Vec<u8>), ViciError> {
        let length = usize::try_from(self.stream.read_u32().await?).unwrap_or(usize::MAX);
        if length == 0 || length > MAX_PACKET {
            let text = format!("packet of {length} octets: expected 1 to {MAX_PACKET}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text).into());
        }
        let kind = self.stream.read_u8().await?;
        let mut body = vec![0; length - 1];
        self.stream.read_exact(&mut body).await?;
        Ok((kind, body))
    }
}

/// The packet of that kind and name with its length in front.
fn framed(kind: u8, name: &str, message: &Message) -> Result<Vec<u8>, ViciError> {
    let name_length = u8::try_from(name.len()).map_err(|_| MessageError::Name(name.to_owned()))?;
    let mut bytes = vec![0, 0, 0, 0, kind, name_length];
    bytes.extend_from_slice(name.as_bytes());
    message.encode(&mut bytes)?;
    let length = bytes.len() - 4;
    if length > MAX_PACKET {
        let text = format!("`{name}` has {length} octets: charon takes {MAX_PACKET}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text).into());
    }
    let length = u32::try_from(length).expect("a packet is shorter than 512 KiB");
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    Ok(bytes)
}

/// The name and the message of an event's body.
fn named(asked: &str, body: &[u8]) -> Result<(String, Message), ViciError> {
    let malformed = || ViciError::Packet { asked: asked.to_owned(), found: packet::EVENT, octets: body.len() };
    let (&length, rest) = body.split_first().ok_or_else(malformed)?;
    let (name, message) = rest.split_at_checked(usize::from(length)).ok_or_else(malformed)?;
    Ok((String::from_utf8_lossy(name).into_owned(), Message::decode(message)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection to a peer that answers each packet it reads with the next of `answers`.
    fn connected_to(answers: Vec<Vec<Vec<u8>>>) -> (Client, tokio::task::JoinHandle<Vec<Vec<u8>>>) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let peer = tokio::spawn(async move {
            let mut seen = Vec::new();
            for answer in answers {
                let length = theirs.read_u32().await.unwrap();
                let mut packet = vec![0; length as usize];
                theirs.read_exact(&mut packet).await.unwrap();
                seen.push(packet);
                for bytes in answer {
                    theirs.write_all(&bytes).await.unwrap();
                }
            }
            seen
        });
        (Client { stream: ours }, peer)
    }

    fn unnamed(kind: u8, message: &Message) -> Vec<u8> {
        let mut body = vec![kind];
        message.encode(&mut body).unwrap();
        let mut bytes = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend(body);
        bytes
    }

    #[tokio::test]
    async fn events_are_passed_on_until_the_reply() {
        let line = |text: &str| framed(packet::EVENT, "control-log", &Message::new().with("msg", text)).unwrap();
        let confirm = unnamed(packet::EVENT_CONFIRM, &Message::new());
        let (mut client, peer) = connected_to(vec![
            vec![confirm.clone()],
            vec![line("one"), line("two"), unnamed(packet::CMD_RESPONSE, &Message::new().with("success", "yes"))],
            vec![line("late"), confirm],
        ]);
        let mut lines = Vec::new();
        let arguments = Message::new().with("child", "net-1");
        let reply = client.stream("initiate", &arguments, "control-log", |event| lines.extend(event.text("msg"))).await;
        assert!(reply.unwrap().flag("success"));
        assert_eq!(lines, ["one", "two"]);
        let seen = peer.await.unwrap();
        assert_eq!(seen[0], b"\x03\x0bcontrol-log");
        assert_eq!(seen[1], b"\x00\x08initiate\x03\x05child\x00\x05net-1");
        assert_eq!(seen[2], b"\x04\x0bcontrol-log");
    }

    #[tokio::test]
    async fn failures_are_told_apart() {
        let refused = Message::new().with("success", "no").with("errmsg", "CHILD_SA config 'x' not found");
        let (mut client, _) = connected_to(vec![
            vec![unnamed(packet::CMD_RESPONSE, &refused)],
            vec![unnamed(packet::CMD_UNKNOWN, &Message::new())],
            vec![unnamed(packet::EVENT_CONFIRM, &Message::new())],
            vec![vec![0xff; 4]],
        ]);
        let nothing = Message::new();
        let error = client.request("initiate", &nothing).await.unwrap_err();
        assert_eq!(error.to_string(), "`initiate` failed: CHILD_SA config 'x' not found");
        assert!(matches!(client.request("nonsense", &nothing).await, Err(ViciError::Unknown(_))));
        assert!(matches!(client.request("stats", &nothing).await, Err(ViciError::Packet { found: 5, .. })));
        let error = client.request("stats", &nothing).await.unwrap_err().to_string();
        assert!(error.contains("4294967295 octets"), "{error}");
        assert!(matches!(client.request("stats", &nothing).await, Err(ViciError::Socket(_))), "the peer has hung up");
    }
}
