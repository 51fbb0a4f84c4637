//! The objects of the protocol and how they hang together (RFC 8555 section 7.1).

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use fleetcert_jose::{Jwk, Thumbprint};
use fleetcert_names::{Identifier, IdentifierSet};
use fleetcert_x509::{CertificateId, Chain};

use crate::table::{Full, Id, Table};
use crate::{AcmeOptions, Problem};

/// A client (RFC 8555 section 7.1.2).
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) key: Jwk,
    pub(crate) thumbprint: Thumbprint,
    pub(crate) contact: Vec<String>,
    pub(crate) deactivated: bool,
}

/// What makes two orders the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OrderKey {
    pub(crate) account: Id,
    pub(crate) profile: Option<String>,
    pub(crate) identifiers: IdentifierSet,
}

/// RFC 8555 section 7.1.3.
#[derive(Clone, Debug)]
pub(crate) struct AcmeOrder {
    pub(crate) key: OrderKey,
    pub(crate) replaces: Option<CertificateId>,
    pub(crate) authorizations: Vec<Id>,
    pub(crate) expires: SystemTime,
    pub(crate) progress: Progress,
}

/// How far an order is, apart from what its authorizations say.
#[derive(Clone, Debug)]
pub(crate) enum Progress {
    /// Not finalized yet.
    Open,
    /// Finalized; the issuer is at work.
    Processing,
    /// Done.
    Valid { certificate: Id },
    /// Failed.
    Invalid { error: Problem },
}

/// RFC 8555 section 7.1.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrderStatus {
    Pending,
    Ready,
    Processing,
    Valid,
    Invalid,
}

impl OrderStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ready => "ready",
            Self::Processing => "processing",
            Self::Valid => "valid",
            Self::Invalid => "invalid",
        }
    }
}

/// RFC 8555 section 7.1.4, with its one challenge.
#[derive(Clone, Debug)]
pub(crate) struct Authorization {
    pub(crate) account: Id,
    pub(crate) profile: Option<String>,
    pub(crate) identifier: Identifier,
    pub(crate) expires: SystemTime,
    pub(crate) token: String,
    pub(crate) state: AuthorizationState,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AuthorizationState {
    Pending,
    /// Pending to the outside, while its challenge is processing.
    Validating,
    Valid {
        at: SystemTime,
    },
    Invalid {
        error: Problem,
    },
    Deactivated,
}

/// A certificate that was issued here.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    pub(crate) account: Id,
    pub(crate) chain: Chain,
    pub(crate) revoked: bool,
}

/// An object stays readable for this time after its end, so that a client can see how it ended.
const READABLE: Duration = Duration::from_secs(3600);

/// All objects. Every identifier in an index leads to an object: `sweep` takes both out.
#[derive(Debug)]
pub(crate) struct Objects {
    pub(crate) accounts: Table<Account>,
    pub(crate) orders: Table<AcmeOrder>,
    pub(crate) authorizations: Table<Authorization>,
    pub(crate) certificates: Table<Certificate>,
    by_thumbprint: HashMap<Thumbprint, Id>,
    latest_orders: HashMap<OrderKey, Id>,
    valid_authorizations: HashMap<OrderKey, Id>,
    replacements: HashMap<CertificateId, Id>,
    by_certificate_id: HashMap<CertificateId, Id>,
}

impl Objects {
    pub(crate) fn new(options: &AcmeOptions) -> Self {
        Self {
            accounts: Table::new(options.max_accounts),
            orders: Table::new(options.max_orders),
            authorizations: Table::new(options.max_orders),
            certificates: Table::new(options.max_certificates),
            by_thumbprint: HashMap::new(),
            latest_orders: HashMap::new(),
            valid_authorizations: HashMap::new(),
            replacements: HashMap::new(),
            by_certificate_id: HashMap::new(),
        }
    }

    pub(crate) fn account_by_key(&self, thumbprint: &Thumbprint) -> Option<Id> {
        self.by_thumbprint.get(thumbprint).copied()
    }

    pub(crate) fn add_account(&mut self, id: Id, account: Account) -> Result<(), Full> {
        let thumbprint = account.thumbprint.clone();
        self.accounts.insert(id, account, None)?;
        self.by_thumbprint.insert(thumbprint, id);
        Ok(())
    }

    pub(crate) fn add_authorization(&mut self, id: Id, authorization: Authorization) -> Result<(), Full> {
        let end = authorization.expires + READABLE;
        self.authorizations.insert(id, authorization, Some(end))
    }

    pub(crate) fn add_order(&mut self, id: Id, order: AcmeOrder) -> Result<(), Full> {
        let (key, replaces) = (order.key.clone(), order.replaces.clone());
        let end = order.expires + READABLE;
        self.orders.insert(id, order, Some(end))?;
        self.latest_orders.insert(key, id);
        if let Some(replaces) = replaces {
            self.replacements.insert(replaces, id);
        }
        Ok(())
    }

    pub(crate) fn add_certificate(
        &mut self,
        id: Id,
        certificate_id: CertificateId,
        certificate: Certificate,
    ) -> Result<(), Full> {
        let end = certificate.chain.leaf().not_after() + READABLE;
        self.certificates.insert(id, certificate, Some(end))?;
        self.by_certificate_id.insert(certificate_id, id);
        Ok(())
    }

    pub(crate) fn certificate_by_id(&self, id: &CertificateId) -> Option<Id> {
        self.by_certificate_id.get(id).copied()
    }

    /// Marks the authorization valid, from now until `expires`, for this and for further orders.
    pub(crate) fn authorize(&mut self, id: Id, now: SystemTime, expires: SystemTime) {
        if let Some(authorization) = self.authorizations.get_mut(id) {
            authorization.state = AuthorizationState::Valid { at: now };
            authorization.expires = authorization.expires.max(expires);
            let end = authorization.expires + READABLE;
            let key = authorization.key();
            self.authorizations.set_end(id, end);
            self.valid_authorizations.insert(key, id);
        }
    }

    /// An authorization that is still valid at `now`, with the time of its validation.
    pub(crate) fn valid_authorization(&self, key: &OrderKey, now: SystemTime) -> Option<(Id, SystemTime)> {
        let id = *self.valid_authorizations.get(key)?;
        let authorization = self.authorizations.get(id)?;
        match authorization.state {
            AuthorizationState::Valid { at } if now < authorization.expires => Some((id, at)),
            _ => None,
        }
    }

    /// The order for the same thing that is still pending or ready.
    pub(crate) fn open_order(&self, key: &OrderKey, now: SystemTime) -> Option<Id> {
        let id = *self.latest_orders.get(key)?;
        let status = self.status(self.orders.get(id)?, now);
        matches!(status, OrderStatus::Pending | OrderStatus::Ready).then_some(id)
    }

    /// Whether an order that has not failed replaces the certificate.
    pub(crate) fn is_replaced(&self, certificate: &CertificateId, now: SystemTime) -> bool {
        self.replacements
            .get(certificate)
            .and_then(|id| self.orders.get(*id))
            .is_some_and(|order| self.status(order, now) != OrderStatus::Invalid)
    }

    /// The status of an order: what it says itself, and else what its authorizations say together.
    pub(crate) fn status(&self, order: &AcmeOrder, now: SystemTime) -> OrderStatus {
        match order.progress {
            Progress::Valid { .. } => return OrderStatus::Valid,
            Progress::Invalid { .. } => return OrderStatus::Invalid,
            _ if order.expires <= now => return OrderStatus::Invalid,
            Progress::Processing => return OrderStatus::Processing,
            Progress::Open => {}
        }
        let mut status = OrderStatus::Ready;
        for id in &order.authorizations {
            match self.authorizations.get(*id) {
                Some(authorization) if now < authorization.expires => match authorization.state {
                    AuthorizationState::Valid { .. } => {}
                    AuthorizationState::Pending | AuthorizationState::Validating => {
                        status = OrderStatus::Pending;
                    }
                    AuthorizationState::Invalid { .. } | AuthorizationState::Deactivated => {
                        return OrderStatus::Invalid;
                    }
                },
                _ => return OrderStatus::Invalid,
            }
        }
        status
    }

    /// Takes out what has ended, and its places in the indexes.
    pub(crate) fn sweep(&mut self, now: SystemTime) {
        while let Some((id, order)) = self.orders.take_ended(now) {
            remove_if(&mut self.latest_orders, &order.key, id);
            if let Some(replaces) = &order.replaces {
                remove_if(&mut self.replacements, replaces, id);
            }
        }
        while let Some((id, authorization)) = self.authorizations.take_ended(now) {
            remove_if(&mut self.valid_authorizations, &authorization.key(), id);
        }
        while let Some((id, certificate)) = self.certificates.take_ended(now) {
            if let Ok(certificate_id) = certificate.chain.leaf().certificate_id() {
                remove_if(&mut self.by_certificate_id, &certificate_id, id);
            }
        }
    }
}

impl Authorization {
    fn key(&self) -> OrderKey {
        OrderKey {
            account: self.account,
            profile: self.profile.clone(),
            identifiers: self.identifier.clone().into(),
        }
    }
}

/// An index may lead to a later object by now.
fn remove_if<K: std::hash::Hash + Eq>(index: &mut HashMap<K, Id>, key: &K, id: Id) {
    if index.get(key) == Some(&id) {
        index.remove(key);
    }
}
