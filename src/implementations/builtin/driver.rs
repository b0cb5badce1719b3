//! A running gateway and its control.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Builtin, SETTINGS, sas};
use crate::gateway::control::{Reply, Request};
use crate::ike::RequestFailure;
use crate::implementations::{BoxFuture, CellContext, Failure, Implementation, Phase, Refusal, Running, SaState};
use crate::lab::process::{Process, Program};
use crate::lab::server::READY;
use crate::scenario::Tunnel;
use crate::wire::isakmp::NotifyType;

/// The program's name in failures.
const GATEWAY: &str = "the built-in gateway";

/// Where the gateway finds its settings, and where its socket is, in its own mount namespace.
const SETTINGS_INSIDE: &str = "/run/gateway.json";
const SOCKET_INSIDE: &str = "/run/gateway.sock";

/// How long the gateway may take to start. It takes 3 ms on an idle machine.
const START_LIMIT: Duration = Duration::from_secs(10);

/// How long a command that negotiates nothing may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(5);

/// How long the gateway may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(3);

/// How many of its last lines a failure quotes.
const LINES_QUOTED: usize = 20;

pub(super) struct Gateway {
    process: Process,
    replies: Lines<BufReader<OwnedReadHalf>>,
    requests: OwnedWriteHalf,
    tunnel: Tunnel,
    patience: Duration,
    forwarding: JoinHandle<()>,
}

impl Gateway {
    /// Starts the gateway in the cell and waits until it answers.
    pub(super) async fn start(driver: &Builtin, cell: &CellContext<'_>) -> Result<Self, Failure> {
        let files = match cell.native {
            Some(native) => native.clone(),
            None => driver.configure(cell.tunnel, &cell.options),
        };
        cell.write_files(GATEWAY, &files)?;
        let arguments = ["gateway", "--settings", SETTINGS_INSIDE, "--control", SOCKET_INSIDE];
        let program = Program::new(cell.program, arguments).bind(cell.folder.join(SETTINGS), SETTINGS_INSIDE);
        let (mut process, mut lines) = Process::spawn(cell.namespace, &program, cell.clock)
            .map_err(|error| Failure::Spawn { program: GATEWAY.to_owned(), source: error.source })?;
        let mut said = VecDeque::new();
        let ready = async {
            while let Some(line) = lines.recv().await {
                if line.text == READY {
                    return true;
                }
                said.push_back(line.text.clone());
                // A cell that ends does not want the lines any more.
                let _ = cell.log.send(line);
            }
            false
        };
        let last_lines = |said: VecDeque<String>| said.into_iter().rev().take(LINES_QUOTED).rev().collect();
        match timeout(START_LIMIT, ready).await {
            Ok(true) => {}
            Ok(false) => {
                let status = process.wait().await.map_or_else(|error| error.to_string(), |status| status.to_string());
                return Err(Failure::DaemonExited {
                    program: GATEWAY.to_owned(),
                    status,
                    last_lines: last_lines(said),
                });
            }
            Err(_) => {
                let (program, waited) = (GATEWAY.to_owned(), START_LIMIT);
                return Err(Failure::NotReady { program, waited, last_lines: last_lines(said) });
            }
        }
        let log = cell.log.clone();
        let forwarding = tokio::spawn(async move {
            while let Some(line) = lines.recv().await {
                if log.send(line).is_err() {
                    break;
                }
            }
        });
        let stream =
            UnixStream::connect(process.file(Path::new(SOCKET_INSIDE))).await.map_err(|error| control(&error))?;
        let (reader, requests) = stream.into_split();
        Ok(Self {
            process,
            replies: BufReader::new(reader).lines(),
            requests,
            tunnel: cell.tunnel.clone(),
            patience: cell.patience,
            forwarding,
        })
    }

    async fn ask(&mut self, request: &Request, limit: Duration) -> Result<Reply, Failure> {
        let mut text = serde_json::to_vec(request).map_err(|error| control(&error))?;
        text.push(b'\n');
        let conversation = async {
            self.requests.write_all(&text).await.map_err(|error| control(&error))?;
            let line = self.replies.next_line().await.map_err(|error| control(&error))?;
            let line = line.ok_or_else(|| control(&"it closed its control socket"))?;
            serde_json::from_str(&line).map_err(|error| control(&error))
        };
        match timeout(limit, conversation).await {
            Ok(Ok(Reply::Error(reason))) => Err(control(&reason)),
            Ok(reply) => reply,
            Err(_) => Err(Failure::TimedOut { waited: limit, lines: Vec::new() }),
        }
    }
}

impl Running for Gateway {
    fn initiate(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async {
            let pairs = u32::try_from(self.tunnel.traffic.len()).unwrap_or(u32::MAX);
            match self.ask(&Request::Initiate, self.patience * pairs).await? {
                Reply::Initiated(results) => {
                    match results.into_iter().find_map(|(index, result)| Some((index, result.err()?))) {
                        None => Ok(()),
                        Some((index, failure)) => Err(refused(index, failure)),
                    }
                }
                other => Err(control(&format!("it answered {other:?} to a request to initiate"))),
            }
        })
    }

    fn sas(&mut self) -> BoxFuture<'_, Result<SaState, Failure>> {
        Box::pin(async {
            match self.ask(&Request::Sas, COMMAND_LIMIT).await? {
                Reply::Sas { isakmp, pairs } => Ok(sas::state(&self.tunnel, isakmp, pairs)),
                other => Err(control(&format!("it answered {other:?} to a request for its SAs"))),
            }
        })
    }

    fn terminate(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async { self.ask(&Request::Terminate, COMMAND_LIMIT).await.map(|_| ()) })
    }

    fn stop(mut self: Box<Self>) -> BoxFuture<'static, Result<(), Failure>> {
        Box::pin(async move {
            self.ask(&Request::Stop, COMMAND_LIMIT).await?;
            let ended = match timeout(STOP_LIMIT, self.process.wait()).await {
                Ok(ended) => ended.map_err(|error| control(&error))?,
                Err(_) => {
                    self.process.terminate(STOP_LIMIT).await.map_err(|error| control(&error))?;
                    return Err(control(&format!("it did not end in {STOP_LIMIT:?}")));
                }
            };
            // Its last lines are still on their way when it is gone; the channel ends behind them.
            let _ = self.forwarding.await;
            if ended.success() { Ok(()) } else { Err(control(&format!("it ended with {ended}"))) }
        })
    }
}

fn control(reason: &dyn std::fmt::Display) -> Failure {
    Failure::Control { program: GATEWAY.to_owned(), reason: reason.to_string(), last_lines: Vec::new() }
}

/// What the engine says of a request, in the contract's words.
fn refused(index: usize, failure: RequestFailure) -> Failure {
    let no_answer = || Refusal::NoAnswer { unanswered: None, retransmissions: 0 };
    let (phase, refusal) = match failure {
        RequestFailure::Phase1Timeout => (Phase::One, no_answer()),
        RequestFailure::Phase2Timeout => (Phase::Two, no_answer()),
        RequestFailure::Phase1Refused => (Phase::One, Refusal::Notify(NotifyType::NoProposalChosen)),
        RequestFailure::Phase2Refused(kind) => (Phase::Two, Refusal::Notify(kind.into())),
        RequestFailure::Phase1Authentication => (Phase::One, Refusal::Authentication(failure.to_string())),
        RequestFailure::Phase2BadAnswer => (Phase::Two, Refusal::Unacceptable(failure.to_string())),
        RequestFailure::SaGone => (Phase::Two, Refusal::Deleted),
        RequestFailure::NoPreSharedKey | RequestFailure::NoPolicy | RequestFailure::TooMany => {
            (Phase::One, Refusal::Local(failure.to_string()))
        }
    };
    Failure::Refused { phase, connection: format!("traffic {}", index + 1), refusal, lines: Vec::new() }
}
