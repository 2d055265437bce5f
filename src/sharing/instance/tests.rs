use std::sync::Arc;

use super::Instance;

/// Calls it twice, as nobody does who does not keep it.
fn keep(instance: &mut Instance<&'static str>) {
    drop([Arc::clone(instance.called()), Arc::clone(instance.called())]);
}

#[test]
fn clones_that_are_kept_do_not_write_to_one_count() {
    let mut kept = Instance::new("shared");
    keep(&mut kept);
    let mut other = kept.clone();
    keep(&mut other);
    let calls = [Arc::clone(kept.called()), Arc::clone(other.called())];
    assert!(!Arc::ptr_eq(&calls[0], &calls[1]));
    assert_eq!(calls.map(|call| call.0), ["shared"; 2]);
}

#[test]
fn a_clone_for_one_call_shares_the_count() {
    let mut kept = Instance::new("shared");
    keep(&mut kept);
    for _ in 0..3 {
        let call = Arc::clone(kept.clone().called());
        assert!(Arc::ptr_eq(&call, &kept.pointer));
    }
}

#[test]
fn a_call_under_way_keeps_what_is_shared_when_its_service_is_gone() {
    let shared = Arc::new(());
    let mut service = Instance::new(Arc::clone(&shared));
    let calls = [Arc::clone(service.called()), Arc::clone(service.called())];
    drop(service);
    assert_eq!(Arc::strong_count(&shared), 3, "ours, and one for each of the two counts");
    drop(calls);
    assert_eq!(Arc::strong_count(&shared), 1);
}
