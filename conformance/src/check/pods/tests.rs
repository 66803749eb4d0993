//! Pods that come and go for long.

use model::objects::key::ObjectKey;
use model::objects::kinds;

use super::*;

fn committed(id: u64, uid: &str, effect: Effect) -> Moment {
    let key = ObjectKey::new(kinds::pods(), "default", "web");
    let (uid, revision) = (uid.to_owned(), id);
    Moment {
        place: Place {
            component: "apiserver".into(),
            machine: "transaction".into(),
            incarnation: 1,
            sequence: id,
        },
        revision,
        at_ms: 0,
        said: Said::Transaction(TransactionAction::Committed {
            id,
            key,
            uid,
            revision,
            effect,
        }),
    }
}

/// Every word of a write.
fn write(pods: &mut Pods, id: u64, uid: &str, expected: u64, effect: Effect) {
    let committed = committed(id, uid, effect.clone());
    let Said::Transaction(TransactionAction::Committed { key, .. }) = &committed.said else {
        unreachable!("a commit was made");
    };
    let key = key.clone();
    let words = [
        TransactionAction::Submitted {
            id,
            verb: "any".to_owned(),
            key: key.clone(),
        },
        TransactionAction::Attempted {
            id,
            key,
            uid: uid.to_owned(),
            expected,
            effect,
        },
    ];
    for word in words {
        let moment = Moment {
            said: Said::Transaction(word),
            ..committed.clone()
        };
        pods.see(&moment);
    }
    pods.see(&committed);
}

#[test]
fn pods_that_were_over_long_ago_are_forgotten_and_counted() {
    let mut pods = Pods::new(true);
    let all = REMEMBERED + 50;
    for number in 0..all {
        let uid = format!("u{number}");
        let at = 2 * number as u64 + 1;
        write(&mut pods, at, &uid, 0, Effect::Created);
        write(&mut pods, at + 1, &uid, at, Effect::Deleted);
    }
    assert!(pods.rejections.is_empty(), "{:?}", pods.rejections);
    assert_eq!(pods.state.pods.len(), REMEMBERED);
    assert_eq!(pods.before.len(), REMEMBERED);
    let again = 2 * all as u64 + 1;
    write(&mut pods, again, "u60", again - 1, Effect::Updated);
    assert_eq!(pods.rejections.len(), 1, "one that is remembered is gone");
    write(&mut pods, again + 1, "u7", 14, Effect::Updated);
    assert_eq!(pods.rejections.len(), 2, "so is one that is forgotten");
    assert_eq!(Box::new(pods).verdict().subjects, all + 1);
}
