//! Pointers to a backend forward every method.

use super::*;

/// A backend whose results differ from every default.
#[derive(Debug)]
struct Peculiar;

#[async_trait]
impl DnsBackend for Peculiar {
    async fn apply(&self, zone: &DomainName, _: &[Change]) -> Result<(), BackendError> {
        Err(self.error(crate::Operation::Apply, zone))
    }

    async fn read(
        &self,
        zone: &DomainName,
        _: &DomainName,
        _: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        Err(self.error(crate::Operation::Read, zone))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { max_changes: 4711, ..Capabilities::ALL }
    }

    async fn advice(&self, _: &DomainName) -> Result<Vec<Advice>, BackendError> {
        Ok(vec![Advice { finding: "It is peculiar.".into(), remedy: "Accept it.".into() }])
    }
}

impl Peculiar {
    fn error(&self, operation: crate::Operation, zone: &DomainName) -> BackendError {
        BackendError::new(crate::BackendErrorKind::Conflict, operation, zone, "peculiar")
    }
}

async fn assert_peculiar(backend: impl DnsBackend) {
    let zone: DomainName = "fleet.test".parse().unwrap();
    let error = backend.apply(&zone, &[]).await.unwrap_err();
    assert_eq!(
        (error.operation(), error.kind()),
        (crate::Operation::Apply, crate::BackendErrorKind::Conflict)
    );
    let error = backend.read(&zone, &zone, RecordType::A).await.unwrap_err();
    assert_eq!(error.operation(), crate::Operation::Read);
    assert_eq!(backend.capabilities().max_changes, 4711);
    assert_eq!(backend.advice(&zone).await.unwrap()[0].remedy, "Accept it.");
}

#[tokio::test]
async fn pointers_forward_every_method() {
    assert_peculiar(&Peculiar).await;
    assert_peculiar(Arc::new(Peculiar)).await;
    assert_peculiar(Box::new(Peculiar)).await;
    let dynamic: Arc<dyn DnsBackend> = Arc::new(Peculiar);
    assert_peculiar(&dynamic).await;
    assert_peculiar(dynamic).await;
    let dynamic: Box<dyn DnsBackend> = Box::new(Peculiar);
    assert_peculiar(dynamic).await;
}

#[test]
fn list_is_split_by_the_maximum_of_a_call() {
    let cut = |max_changes, list: &[u8]| {
        let capabilities = Capabilities { max_changes, ..Capabilities::ALL };
        capabilities.parts(list).map(<[u8]>::len).collect::<Vec<_>>()
    };
    assert_eq!(cut(2, &[1, 2, 3]), [2, 1]);
    assert_eq!(cut(usize::MAX, &[1, 2, 3]), [3]);
    assert_eq!(cut(0, &[1, 2]), [1, 1]);
    assert_eq!(cut(2, &[]), [0; 0]);
}
