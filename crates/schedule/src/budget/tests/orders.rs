//! Orders against the limits of production.

use super::*;

fn issue(budgets: &mut Budgets, charges: &Charges, now: SystemTime) {
    let reservation = budgets.reserve(charges, now).unwrap();
    budgets.commit(reservation, &Outcome::Done, now);
}

fn free(budgets: &Budgets, key: &BucketKey, now: SystemTime) -> u32 {
    let Rule::Limited(limit) = budgets.limits().rule_for(key) else { panic!("{key} is not limited") };
    let bucket = budgets.row(key).map_or(Bucket::FULL, |row| row.bucket);
    bucket.spend(&limit, now, 0).remaining() - budgets.row(key).map_or(0, |row| row.held)
}

/// The first time at which each of `count` orders can be had, one after the other.
fn times(count: usize, charges: impl Fn(&Budgets, usize) -> Charges) -> Vec<Duration> {
    let mut budgets = production();
    let mut now = start();
    let times = (0..count).map(|number| {
        let charges = charges(&budgets, number);
        if let Some(denied) = budgets.denial(&charges, now) {
            now = denied.retry_at().unwrap();
        }
        issue(&mut budgets, &charges, now);
        now.duration_since(start()).unwrap()
    });
    times.collect()
}

#[test]
fn three_hundred_orders_at_once_then_one_in_36_seconds() {
    // Each name under a public suffix of its own counts apart, so that only the orders bind.
    let times = times(303, |budgets, number| new_order(budgets, &format!("d{number}.github.io")));
    assert!(times[..300].iter().all(Duration::is_zero));
    assert_eq!(times[300..], [36, 72, 108].map(Duration::from_secs));
}

#[test]
fn fifty_certificates_of_a_domain_at_once_then_one_in_12096_seconds() {
    let times = times(52, |budgets, number| new_order(budgets, &format!("d{number}.fleet.example.com")));
    assert!(times[..50].iter().all(Duration::is_zero));
    assert_eq!(times[50..], [12_096, 24_192].map(Duration::from_secs));
}

#[test]
fn five_certificates_of_a_set_at_once_then_one_in_120960_seconds() {
    let times = times(7, |budgets, number| {
        let names = if number % 2 == 0 {
            ["a.example.com", "b.example.com"]
        } else {
            ["B.example.com", "a.example.com"]
        };
        Charges::order(budgets.limits(), OrderKind::SameSet, &account(), &set(&names))
    });
    assert!(times[..5].iter().all(Duration::is_zero));
    assert_eq!(times[5..], [120_960, 241_920].map(Duration::from_secs));
}

#[test]
fn kind_of_order_decides_its_charges() {
    let limits = Limits::lets_encrypt_production();
    let cost = |limits: &Limits, kind| {
        let charges = Charges::order(limits, kind, &account(), &set(&["a.example.com"]));
        charges.iter().map(|charge| (charge.key.kind(), charge.checked, charge.spent)).collect::<Vec<_>>()
    };
    let orders = (LimitKind::NewOrdersPerAccount, true, Spent::AtRequest);
    let domain = |checked| (LimitKind::CertificatesPerDomain, checked, Spent::AtIssuance);
    let exact = |checked| (LimitKind::CertificatesPerFqdnSet, checked, Spent::AtIssuance);
    let failed =
        |checked| (LimitKind::FailedAuthorizationsPerDomainPerAccount, checked, Spent::AtFailedValidation);
    let pausing =
        (LimitKind::FailedAuthorizationsForPausingPerDomainPerAccount, true, Spent::AtFailedValidation);
    assert_eq!(cost(&limits, OrderKind::New), [orders, domain(true), exact(true), failed(true), pausing]);
    assert_eq!(cost(&limits, OrderKind::SameSet), [exact(true), failed(true), pausing]);
    let ari = |same_set| OrderKind::AriWindow { same_set };
    assert_eq!(cost(&limits, ari(true)), [exact(false), failed(false), pausing]);
    assert_eq!(cost(&limits, ari(false)), [domain(false), exact(false), failed(false), pausing]);

    let mut granted = limits;
    let tier = Limit::new(5000, 5000, WEEK).unwrap();
    granted.set_override(Override::CertificatesPerDomainPerAccount(account()), tier);
    let own = (LimitKind::CertificatesPerDomainPerAccount, true, Spent::AtIssuance);
    assert_eq!(
        cost(&granted, OrderKind::New),
        [orders, own, domain(false), exact(true), failed(true), pausing]
    );
}

#[test]
fn names_of_one_domain_cost_one_token_of_the_domain() {
    let names = set(&["b.example.com", "a.example.com", "x.github.io", "A.example.com"]);
    assert_eq!(names.canonical(), "a.example.com,b.example.com,x.github.io");
    let charges = Charges::order(&Limits::lets_encrypt_production(), OrderKind::New, &account(), &names);
    let keys: Vec<_> = charges.iter().map(|charge| charge.key.to_string()).collect();
    let domains: Vec<_> = keys.iter().filter(|key| key.starts_with("CertificatesPerDomain ")).collect();
    assert_eq!(domains, ["CertificatesPerDomain example.com", "CertificatesPerDomain x.github.io"]);
    assert_eq!(keys.len(), 1 + 2 + 1 + 2 * 3);
}

#[test]
fn exact_set_of_a_wildcard_is_not_that_of_its_base() {
    let limits = Limits::lets_encrypt_production();
    let keys = |names: &[&str]| -> Vec<String> {
        let charges = Charges::order(&limits, OrderKind::New, &account(), &set(names));
        charges.iter().map(|charge| charge.key.to_string()).collect()
    };
    let (base, both) = (keys(&["a.example.com"]), keys(&["*.a.example.com", "a.example.com"]));
    assert_eq!(both.len(), base.len(), "one domain, one name to validate");
    let differs: Vec<_> = both.iter().filter(|key| !base.contains(key)).collect();
    assert_eq!(differs, ["CertificatesPerFQDNSet *.a.example.com,a.example.com"]);
    assert!(both.iter().all(|key| key.parse::<BucketKey>().unwrap().to_string() == *key));
}

#[test]
fn account_without_a_visible_ascii_url_is_refused_with_the_reason() {
    for (url, reason) in [
        ("", AccountError::Length(0)),
        (&*"x".repeat(513), AccountError::Length(513)),
        ("https://ca.test/a b", AccountError::Character(' ')),
        ("https://ca.test/é", AccountError::Character('é')),
    ] {
        assert_eq!(Account::new(url), Err(reason), "{url}");
    }
}

#[test]
fn exact_set_is_a_renewal_for_120_days() {
    let issued = start();
    let kind = |age| OrderKind::of(false, Some(issued), issued + age);
    assert_eq!(kind(SAME_SET_WINDOW - Duration::from_nanos(1)), OrderKind::SameSet);
    assert_eq!(kind(SAME_SET_WINDOW), OrderKind::New);
    assert_eq!(OrderKind::of(false, None, issued), OrderKind::New);
    assert_eq!(OrderKind::of(true, None, issued), OrderKind::AriWindow { same_set: false });
}

#[test]
fn registration_costs_an_address_and_its_range() {
    let keys = |address: &str| -> Vec<String> {
        Charges::registration(address.parse().unwrap()).iter().map(|charge| charge.key.to_string()).collect()
    };
    assert_eq!(keys("192.0.2.1"), ["NewRegistrationsPerIPAddress 192.0.2.1"]);
    assert_eq!(
        keys("2001:db8:1:2::3"),
        ["NewRegistrationsPerIPAddress 2001:db8:1:2::3", "NewRegistrationsPerIPv6Range 2001:db8:1::/48"]
    );
}

#[test]
fn text_of_a_key_parses_to_the_key() {
    let mut limits = Limits::lets_encrypt_production();
    let tier = Limit::new(5000, 5000, WEEK).unwrap();
    limits.set_override(Override::CertificatesPerDomainPerAccount(account()), tier);
    let order =
        Charges::order(&limits, OrderKind::New, &account(), &set(&["b.example.com", "a.example.com"]));
    let registration = Charges::registration("2001:db8:1:2::3".parse().unwrap());
    let mut kinds = Vec::new();
    for key in order.keys().chain(registration.keys()) {
        assert_eq!(key.to_string().parse(), Ok(key.clone()));
        kinds.push(key.kind());
    }
    assert!(LimitKind::ALL.iter().all(|kind| kinds.contains(kind)));
    // Tables of limits are in this order.
    assert!(LimitKind::ALL.iter().enumerate().all(|(place, kind)| *kind as usize == place));
    let many: Vec<String> = (0..101).map(|number| format!("d{number:03}.example.com")).collect();
    for text in [
        "",
        "NewOrders a",
        "NewOrdersPerAccount",
        "NewOrdersPerAccount a b",
        "CertificatesPerDomain Example.com",
        "CertificatesPerFQDNSet b.example.com,a.example.com",
        "CertificatesPerFQDNSet a.example.com,a.example.com",
        &format!("CertificatesPerFQDNSet {}", many.join(",")),
        "NewRegistrationsPerIPv6Range 2001:db8::",
        "NewRegistrationsPerIPv6Range 2001:db8:1:2::/48",
    ] {
        assert_eq!(text.parse::<BucketKey>(), Err(BucketKeyError), "{text}");
    }
}

#[test]
fn denied_reservation_holds_nothing() {
    let mut budgets = production();
    for number in 0..50 {
        let charges = new_order(&budgets, &format!("d{number}.example.com"));
        issue(&mut budgets, &charges, start());
    }
    let before = rows(&budgets);
    let denied = budgets.reserve(&new_order(&budgets, "d50.example.com"), start()).unwrap_err();
    let key = BucketKey::CertificatesPerDomain("example.com".parse().unwrap());
    assert_eq!(denied.by(), &DeniedBy::Limit { key, remaining: 0, held: 0 });
    assert_eq!(denied.retry_at(), Some(start() + Duration::from_secs(12_096)));
    assert_eq!(rows(&budgets), before);
}

#[test]
fn denial_names_the_limit_that_clears_last() {
    let mut budgets = production();
    let same = Charges::order(budgets.limits(), OrderKind::SameSet, &account(), &set(&["a.example.com"]));
    for _ in 0..5 {
        let held = budgets.reserve(&same, start()).unwrap();
        // A failure and a certificate: more than one order can do, and the worst that may have happened.
        budgets.commit(held, &Outcome::Unknown, start());
    }
    let denied = budgets.reserve(&same, start()).unwrap_err();
    assert!(
        denied.to_string().starts_with("CertificatesPerFQDNSet a.example.com has 0 tokens left"),
        "{denied}"
    );
    assert_eq!(denied.retry_at(), Some(start() + Duration::from_secs(120_960)));
}

#[test]
fn denial_by_held_tokens_has_no_time() {
    let mut budgets = production();
    let same = Charges::order(budgets.limits(), OrderKind::SameSet, &account(), &set(&["a.example.com"]));
    let mut held: Vec<_> = (0..5).map(|_| budgets.reserve(&same, start()).unwrap()).collect();
    let denied = budgets.reserve(&same, start() + WEEK * 9).unwrap_err();
    assert_eq!(denied.retry_at(), None);
    budgets.release(held.pop().unwrap(), start());
    assert!(budgets.reserve(&same, start()).is_ok());
}

#[test]
fn outcome_decides_which_tokens_are_spent() {
    let name = host("a.example.com");
    let keys = [
        BucketKey::NewOrdersPerAccount(account()),
        BucketKey::CertificatesPerDomain("example.com".parse().unwrap()),
        BucketKey::CertificatesPerFqdnSet(set(&["a.example.com"])),
        BucketKey::FailedAuthorizationsPerDomainPerAccount(account(), name.clone()),
        BucketKey::FailedAuthorizationsForPausingPerDomainPerAccount(account(), name.clone()),
    ];
    let left = |outcome: &Outcome| {
        let mut budgets = production();
        let held = budgets.reserve(&new_order(&budgets, "a.example.com"), start()).unwrap();
        assert_eq!(keys.each_ref().map(|key| free(&budgets, key, start())), [299, 49, 4, 4, 1151]);
        budgets.commit(held, outcome, start());
        keys.each_ref().map(|key| free(&budgets, key, start()))
    };
    assert_eq!(left(&Outcome::Done), [299, 49, 4, 5, 1152]);
    assert_eq!(left(&Outcome::NotIssued { failed: vec![name] }), [299, 50, 5, 4, 1151]);
    assert_eq!(left(&Outcome::NotIssued { failed: vec![] }), [299, 50, 5, 5, 1152]);
    assert_eq!(left(&Outcome::Unknown), [299, 49, 4, 4, 1151]);
}

#[test]
fn token_of_a_late_issuance_is_spent_at_issuance() {
    let mut budgets = production();
    let held = budgets.reserve(&new_order(&budgets, "a.example.com"), start()).unwrap();
    let late = start() + DAY;
    budgets.commit(held, &Outcome::Done, late);
    let key = BucketKey::CertificatesPerDomain("example.com".parse().unwrap());
    assert_eq!(free(&budgets, &key, late), 49);
}

#[test]
fn reservation_resumes_after_a_crash() {
    let mut before = production();
    let charges = new_order(&before, "a.example.com");
    let mut held = before.reserve(&charges, start()).unwrap();
    before.ordered(&mut held, start());

    let mut after = production();
    assert!(before.rows().all(|row| after.restore(row, start())));
    let resumed = Reservation::resume(charges, true);
    assert_eq!(resumed, held);
    after.commit(resumed, &Outcome::Done, start());
    before.commit(held, &Outcome::Done, start());
    assert_eq!(rows(&before), rows(&after));
    assert_eq!(after.rows().map(|row| row.held).sum::<u32>(), 0);
}

#[test]
fn refusal_corrects_the_mirror() {
    let mut budgets = production();
    let charges = new_order(&budgets, "a.example.com");
    let key = BucketKey::NewOrdersPerAccount(account());
    let wait = Duration::from_secs(17);
    let hours = Duration::from_secs(3 * 3600);
    let refusal = Refusal { retry_after: wait, seen: Some((300, hours)) };
    assert_eq!(budgets.correct(&key, refusal, start()), Some(Correction { learned: None }));
    assert_eq!(budgets.reserve(&charges, start()).unwrap_err().retry_at(), Some(start() + wait));
    assert_eq!(budgets.denial(&charges, start() + wait), None);

    let refusal = Refusal { retry_after: wait, seen: Some((1000, WEEK)) };
    let learned = Limit::new(1000, 1000, WEEK).ok();
    assert_eq!(budgets.correct(&key, refusal, start()), Some(Correction { learned }));
    assert_eq!(Some(budgets.limits().rule_for(&key)), learned.map(Rule::Limited));

    // Nonsense is not believed, and no wait is longer than a bucket needs.
    let refusal = Refusal { retry_after: Duration::MAX, seen: Some((0, Duration::MAX)) };
    assert_eq!(budgets.correct(&key, refusal, start()), Some(Correction { learned: None }));
    assert_eq!(budgets.reserve(&charges, start()).unwrap_err().retry_at(), Some(start() + WEEK));
}

#[test]
fn refusal_of_an_unknown_ca_closes_its_bucket() {
    let mut budgets = Budgets::new(Limits::unknown(), 100);
    let charges = new_order(&budgets, "a.example.com");
    issue(&mut budgets, &charges, start());
    assert_eq!(budgets.rows().count(), 0);
    let key = BucketKey::NewOrdersPerAccount(account());
    let wait = Duration::from_secs(60);
    budgets.correct(&key, Refusal { retry_after: wait, seen: None }, start()).unwrap();
    assert_eq!(budgets.reserve(&charges, start()).unwrap_err().retry_at(), Some(start() + wait));
    issue(&mut budgets, &charges, start() + wait);
}

#[test]
fn order_at_an_unknown_ca_is_never_exempt() {
    let cost = |limits: &Limits, kind| Charges::order(limits, kind, &account(), &set(&["a.example.com"]));
    let unknown = Limits::unknown();
    let new = cost(&unknown, OrderKind::New);
    assert!(new.iter().all(|charge| charge.checked));
    for same_set in [false, true] {
        assert_eq!(cost(&unknown, OrderKind::AriWindow { same_set }), new);
    }
    assert_eq!(cost(&unknown, OrderKind::SameSet), new);
    // A known limit does not make the others known.
    let orders = Rule::Limited(Limit::new(10, 10, DAY).unwrap());
    let known = unknown.with_rule(LimitKind::NewOrdersPerAccount, orders);
    let kinds: Vec<_> = cost(&known, OrderKind::SameSet).iter().map(|charge| charge.key.kind()).collect();
    assert!(!kinds.contains(&LimitKind::NewOrdersPerAccount));
    assert!(kinds.contains(&LimitKind::CertificatesPerDomain));
}

#[test]
fn account_refused_as_a_whole_waits_without_losing_tokens() {
    let mut budgets = production();
    let kind = OrderKind::AriWindow { same_set: true };
    let charges = Charges::order(budgets.limits(), kind, &account(), &set(&["a.example.com"]));
    let refusal = Refusal { retry_after: DAY, seen: Some((1, DAY)) };
    let correction = budgets.correct(&BucketKey::WholeAccount(account()), refusal, start()).unwrap();
    assert_eq!(correction.learned, None);
    let denied = budgets.denial(&charges, start()).unwrap();
    assert_eq!(denied.retry_at(), Some(start() + DAY));
    assert!(denied.to_string().starts_with("WholeAccount https://"), "{denied}");
    assert_eq!(budgets.available_at(&charges, 1, start()), Some(start() + DAY));
    let new = new_order(&budgets, "b.example.com");
    assert_eq!(budgets.available_at(&new, 1, start()), Some(start() + DAY));
    assert_eq!(
        budgets.available_at(&new, 51, start() + DAY).unwrap(),
        start() + DAY + Duration::from_secs(12_096)
    );
    // The next refusal in the same rest does not shorten it, and the rest is a row as any other.
    let shorter = Refusal { retry_after: Duration::from_secs(1), seen: None };
    budgets.correct(&BucketKey::WholeAccount(account()), shorter, start()).unwrap();
    let mut after = production();
    assert!(budgets.rows().all(|row| after.restore(row, start())));
    assert_eq!(after.denial(&charges, start()).unwrap().retry_at(), Some(start() + DAY));
    assert_eq!(after.denial(&charges, start() + DAY), None);
}

#[test]
fn paused_name_is_denied_without_a_time() {
    let mut budgets = production();
    assert!(budgets.pause(account(), host("a.example.com")));
    // Not even a renewal in the ARI window is exempt.
    let kind = OrderKind::AriWindow { same_set: true };
    let charges = Charges::order(budgets.limits(), kind, &account(), &set(&["a.example.com"]));
    let denied = budgets.reserve(&charges, start()).unwrap_err();
    assert!(matches!(denied.by(), DeniedBy::Paused { .. }));
    assert_eq!(denied.retry_at(), None);
    assert!(budgets.reserve(&new_order(&budgets, "b.example.com"), start()).is_ok());
}

#[test]
fn success_resets_the_failures_in_a_row() {
    let mut budgets = production();
    let name = host("a.example.com");
    let charges = new_order(&budgets, "a.example.com");
    let held = budgets.reserve(&charges, start()).unwrap();
    budgets.commit(held, &Outcome::NotIssued { failed: vec![name.clone()] }, start());
    let key = BucketKey::FailedAuthorizationsForPausingPerDomainPerAccount(account(), name.clone());
    assert_eq!(free(&budgets, &key, start()), 1151);
    budgets.validated(&account(), &name);
    assert_eq!(free(&budgets, &key, start()), 1152);
}

#[test]
fn smaller_burst_limits_an_exact_set_to_four() {
    let ours = Rule::Limited(Limit::new(4, 5, WEEK).unwrap());
    let limits = Limits::lets_encrypt_production().with_rule(LimitKind::CertificatesPerFqdnSet, ours);
    let mut budgets = Budgets::new(limits, 100);
    let same = Charges::order(budgets.limits(), OrderKind::SameSet, &account(), &set(&["a.example.com"]));
    (0..4).for_each(|_| issue(&mut budgets, &same, start()));
    let retry_at = budgets.reserve(&same, start()).unwrap_err().retry_at();
    assert_eq!(retry_at, Some(start() + Duration::from_secs(120_960)));
}

#[test]
fn full_bucket_is_dropped_at_the_capacity() {
    let mut budgets = Budgets::new(Limits::lets_encrypt_production(), 8);
    let limits = Limits::lets_encrypt_production();
    let order = |name| Charges::order(&limits, OrderKind::New, &account(), &set(&[name]));
    let first = order("a.example.com");
    let second = order("b.example.com");
    // Five buckets, of which three stay after the issuance; the second order needs three more, and finds room.
    issue(&mut budgets, &first, start());
    issue(&mut budgets, &second, start());
    assert_eq!(budgets.rows().count(), 4);
    issue(&mut budgets, &order("c.example.com"), start());
    issue(&mut budgets, &order("d.example.com"), start());
    let denied = budgets.reserve(&order("e.example.com"), start()).unwrap_err();
    assert_eq!(denied.by(), &DeniedBy::Capacity);
    let row = Row {
        key: BucketKey::NewOrdersPerAccount(Account::new("x").unwrap()),
        bucket: Bucket::FULL,
        held: 1,
    };
    assert!(budgets.restore(row.clone(), start()));
    issue(&mut budgets, &order("e.example.com"), start() + WEEK);
    assert!(budgets.rows().count() <= 8);
    assert_eq!(budgets.row(&row.key), Some(row));
}

fn rows(budgets: &Budgets) -> Vec<(String, Bucket, u32)> {
    let mut rows: Vec<_> = budgets.rows().map(|row| (row.key.to_string(), row.bucket, row.held)).collect();
    rows.sort();
    rows
}

/// What many orders wait for together is theirs; below a public suffix a name's domain is its own.
#[test]
fn domain_bucket_is_shared_unless_it_is_the_name_itself() {
    let budgets = production();
    let kinds =
        |name: &str| -> Vec<LimitKind> { new_order(&budgets, name).shared().map(BucketKey::kind).collect() };
    let of_domain =
        [LimitKind::NewOrdersPerAccount, LimitKind::CertificatesPerDomain, LimitKind::WholeAccount];
    assert_eq!(kinds("d1.fleet.example.com"), of_domain);
    assert_eq!(kinds("www.d1.github.io"), of_domain);
    for own in ["d1.github.io", "*.d1.github.io,d1.github.io"] {
        assert_eq!(kinds(own), [LimitKind::NewOrdersPerAccount, LimitKind::WholeAccount]);
    }
}
