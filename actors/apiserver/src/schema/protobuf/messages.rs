//! The messages that are read: numbers, names and shapes of their fields.

use model::objects::kinds::Kind;

/// A message: its fields.
#[derive(Debug)]
pub(super) struct Message(pub(super) &'static [Field]);

/// A field of a message.
#[derive(Debug)]
pub(super) struct Field {
    /// Its number on the wire.
    pub(super) number: u32,
    /// Its name in JSON.
    pub(super) name: &'static str,
    /// What it holds.
    pub(super) shape: Shape,
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// A text.
    Text,
    /// Texts.
    Texts,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Number,
    /// A time by the second.
    Time,
    /// Texts by key.
    TextMap,
    /// Bytes by key.
    BytesMap,
    /// A message.
    One(&'static Message),
    /// Messages.
    Many(&'static Message),
}

use Shape::{BytesMap, Flag, Many, Number, One, Text, TextMap, Texts, Time};

macro_rules! message {
    ($($number:literal $name:literal $shape:expr),* $(,)?) => {
        Message(&[$(Field { number: $number, name: $name, shape: $shape }),*])
    };
}

/// The message of a kind, if its bodies are read.
pub(super) fn of(kind: &Kind) -> Option<&'static Message> {
    match (kind.group, kind.kind) {
        ("", "Namespace") => Some(&NAMESPACE),
        ("", "ConfigMap") => Some(&CONFIG_MAP),
        ("", "Secret") => Some(&SECRET),
        ("", "ServiceAccount") => Some(&SERVICE_ACCOUNT),
        _ => None,
    }
}

pub(super) static TYPE_META: Message = message! { 1 "apiVersion" Text, 2 "kind" Text };

static OBJECT_META: Message = message! {
    1 "name" Text, 2 "generateName" Text, 3 "namespace" Text, 5 "uid" Text, 6 "resourceVersion" Text,
    7 "generation" Number, 8 "creationTimestamp" Time, 9 "deletionTimestamp" Time,
    10 "deletionGracePeriodSeconds" Number, 11 "labels" TextMap, 12 "annotations" TextMap,
    13 "ownerReferences" Many(&OWNER_REFERENCE), 14 "finalizers" Texts,
};

static OWNER_REFERENCE: Message = message! {
    1 "kind" Text, 3 "name" Text, 4 "uid" Text, 5 "apiVersion" Text, 6 "controller" Flag,
    7 "blockOwnerDeletion" Flag,
};

static NAMESPACE: Message = message! {
    1 "metadata" One(&OBJECT_META), 2 "spec" One(&NAMESPACE_SPEC), 3 "status" One(&NAMESPACE_STATUS),
};
static NAMESPACE_SPEC: Message = message! { 1 "finalizers" Texts };
static NAMESPACE_STATUS: Message = message! { 1 "phase" Text };

static CONFIG_MAP: Message = message! {
    1 "metadata" One(&OBJECT_META), 2 "data" TextMap, 3 "binaryData" BytesMap, 4 "immutable" Flag,
};

static SECRET: Message = message! {
    1 "metadata" One(&OBJECT_META), 2 "data" BytesMap, 3 "type" Text, 4 "stringData" TextMap, 5 "immutable" Flag,
};

static SERVICE_ACCOUNT: Message = message! {
    1 "metadata" One(&OBJECT_META), 2 "secrets" Many(&OBJECT_REFERENCE), 3 "imagePullSecrets" Many(&LOCAL_REFERENCE),
    4 "automountServiceAccountToken" Flag,
};
static OBJECT_REFERENCE: Message = message! {
    1 "kind" Text, 2 "namespace" Text, 3 "name" Text, 4 "uid" Text, 5 "apiVersion" Text, 6 "resourceVersion" Text,
    7 "fieldPath" Text,
};
static LOCAL_REFERENCE: Message = message! { 1 "name" Text };
