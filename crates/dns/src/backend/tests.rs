//! Pointers to a backend are that backend, in every method.

use super::*;

/// Answers with what no other backend and no default answers.
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
        Ok(vec![Advice { finding: "It is peculiar.".into(), remedy: "Bear it.".into() }])
    }
}

impl Peculiar {
    fn error(&self, operation: crate::Operation, zone: &DomainName) -> BackendError {
        BackendError::new(crate::BackendErrorKind::Conflict, operation, zone, "peculiar")
    }
}

async fn is_peculiar(backend: impl DnsBackend) {
    let zone: DomainName = "fleet.test".parse().unwrap();
    let error = backend.apply(&zone, &[]).await.unwrap_err();
    assert_eq!(
        (error.operation(), error.kind()),
        (crate::Operation::Apply, crate::BackendErrorKind::Conflict)
    );
    let error = backend.read(&zone, &zone, RecordType::A).await.unwrap_err();
    assert_eq!(error.operation(), crate::Operation::Read);
    assert_eq!(backend.capabilities().max_changes, 4711);
    assert_eq!(backend.advice(&zone).await.unwrap()[0].remedy, "Bear it.");
}

#[tokio::test]
async fn every_method_is_forwarded() {
    is_peculiar(&Peculiar).await;
    is_peculiar(Arc::new(Peculiar)).await;
    is_peculiar(Box::new(Peculiar)).await;
    let dynamic: Arc<dyn DnsBackend> = Arc::new(Peculiar);
    is_peculiar(&dynamic).await;
    is_peculiar(dynamic).await;
    let dynamic: Box<dyn DnsBackend> = Box::new(Peculiar);
    is_peculiar(dynamic).await;
}

#[test]
fn a_list_is_cut_by_what_a_call_takes() {
    let cut = |max_changes, list: &[u8]| {
        let capabilities = Capabilities { max_changes, ..Capabilities::ALL };
        capabilities.parts(list).map(<[u8]>::len).collect::<Vec<_>>()
    };
    assert_eq!(cut(2, &[1, 2, 3]), [2, 1]);
    assert_eq!(cut(usize::MAX, &[1, 2, 3]), [3]);
    assert_eq!(cut(0, &[1, 2]), [1, 1]);
    assert_eq!(cut(2, &[]), [0; 0]);
}
