//! The driver of a connection: moves octets between socket and callers.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::{mpsc, oneshot};

use super::in_flight::InFlight;
use crate::exchange::Failure;
use crate::frame;

/// Maximum octets of one write.
const MAX_WRITE: usize = 64 * 1024;

/// Writes the messages of a [`Connection`](super::Connection) and reads its replies while it is polled. Dropping it
/// ends the connection and fails every caller.
#[must_use = "nothing is sent unless it is polled: spawn it"]
pub struct Driver {
    work: Pin<Box<dyn Future<Output = Failure> + Send>>,
    in_flight: Arc<InFlight>,
}

/// The channels between the handles and the driver.
pub(super) struct DriverChannels {
    pub(super) messages: mpsc::Receiver<Vec<u8>>,
    pub(super) end_of_life: oneshot::Receiver<Infallible>,
    pub(super) in_flight: Arc<InFlight>,
}

impl Driver {
    pub(super) fn new(stream: impl AsyncRead + AsyncWrite + Send + 'static, lines: DriverChannels) -> Self {
        let DriverChannels { messages, end_of_life, in_flight } = lines;
        let (reading, writing) = tokio::io::split(stream);
        let work = {
            let in_flight = in_flight.clone();
            async move {
                // Both at the same time: a server that waits for us to read must not block our writing.
                tokio::select! {
                    failure = read_all(reading, &in_flight) => failure,
                    failure = write_all(writing, messages) => failure,
                    _ = end_of_life => closed(),
                }
            }
        };
        Self { work: Box::pin(work), in_flight }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.work.as_mut().poll(context).map(|failure| self.in_flight.end(&failure))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.in_flight.end(&closed());
    }
}

async fn read_all(reading: impl AsyncRead + Unpin, in_flight: &InFlight) -> Failure {
    let mut reading = BufReader::with_capacity(MAX_WRITE, reading);
    loop {
        match frame::read(&mut reading).await {
            Ok(Some(reply)) => {
                if let Err(foreign) = in_flight.deliver(reply) {
                    return foreign;
                }
            }
            Ok(None) => return closed(),
            Err(error) => return Failure::broken_off(error),
        }
    }
}

async fn write_all(mut writing: impl AsyncWrite + Unpin, mut messages: mpsc::Receiver<Vec<u8>>) -> Failure {
    while let Some(mut octets) = messages.recv().await {
        while octets.len() < MAX_WRITE
            && let Ok(more) = messages.try_recv()
        {
            octets.extend(more);
        }
        let written = async {
            writing.write_all(&octets).await?;
            writing.flush().await
        };
        if let Err(error) = written.await {
            return Failure::broken_off(error);
        }
    }
    closed()
}

fn closed() -> Failure {
    Failure::broken_off(io::ErrorKind::UnexpectedEof.into())
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}
