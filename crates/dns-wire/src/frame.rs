//! Messages on a TCP stream: two octets of length, then the message (RFC 1035 section 4.2.2).
//!
//! Length and body are read separately, because a server gives them different deadlines. The functions have no
//! deadline. Dropping a future may leave half a message read or written: close the stream then.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Reads the length of the next message; `None` if the peer closed the stream between two messages.
///
/// # Errors
/// Errors of the stream; `InvalidData` for length 0, `UnexpectedEof` after one octet.
pub async fn read_length(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<u16>> {
    let mut length = [0; 2];
    if stream.read(&mut length[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut length[1..]).await?;
    match u16::from_be_bytes(length) {
        0 => Err(io::Error::new(io::ErrorKind::InvalidData, "the message has no octets")),
        length => Ok(Some(length)),
    }
}

/// Reads a message of `length` octets. Allocates memory as octets arrive, not as the length claims.
///
/// # Errors
/// Errors of the stream; `UnexpectedEof` if it ends early.
pub async fn read_body(stream: &mut (impl AsyncRead + Unpin), length: u16) -> io::Result<Vec<u8>> {
    let mut message = Vec::with_capacity(usize::from(length.min(512)));
    stream.take(length.into()).read_to_end(&mut message).await?;
    if message.len() == usize::from(length) { Ok(message) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Reads length and message; `None` as for [`read_length`].
///
/// # Errors
/// As for [`read_length`] and [`read_body`].
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    match read_length(stream).await? {
        Some(length) => read_body(stream, length).await.map(Some),
        None => Ok(None),
    }
}

/// Writes length and message in one piece, and flushes.
///
/// # Errors
/// Errors of the stream; `InvalidInput` for a message of 0 or more than 65,535 octets.
pub async fn write(stream: &mut (impl AsyncWrite + Unpin), message: &[u8]) -> io::Result<()> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidInput, "a message must have 1 to 65535 octets");
    stream.write_all(&of(message).ok_or_else(wrong)?).await?;
    stream.flush().await
}

/// Returns length and message; `None` for a message of 0 or more than 65,535 octets.
pub(crate) fn of(message: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(message.len()).ok().filter(|length| *length > 0)?;
    let mut frame = Vec::with_capacity(2 + message.len());
    frame.extend(length.to_be_bytes());
    frame.extend(message);
    Some(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn two_messages_are_read_until_the_end() {
        let mut wire = Vec::new();
        write(&mut wire, b"first").await.unwrap();
        write(&mut wire, &[7; 65_535]).await.unwrap();
        let mut stream = wire.as_slice();
        assert_eq!(read(&mut stream).await.unwrap().unwrap(), b"first");
        assert_eq!(read(&mut stream).await.unwrap().unwrap().len(), 65_535);
        assert!(read(&mut stream).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn invalid_frames_are_rejected() {
        let kind = async |mut octets: &[u8]| read(&mut octets).await.unwrap_err().kind();
        assert_eq!(kind(&[0, 0, 1]).await, io::ErrorKind::InvalidData);
        assert_eq!(kind(&[0]).await, io::ErrorKind::UnexpectedEof);
        assert_eq!(kind(&[0, 3, 1, 2]).await, io::ErrorKind::UnexpectedEof);
        let too_long = write(&mut Vec::new(), &[0; 65_536]).await.unwrap_err();
        assert_eq!(too_long.kind(), io::ErrorKind::InvalidInput);
    }
}
