//! What fits into the world in the place of a shipped machine.

use std::fmt::Debug;
use std::hash::Hash;

use model::actions::reflector::ReflectorAction;
use model::actions::store::StoreAction;
use model::actions::watch_cache::WatchCacheAction;
use model::machine::Machine;
use model::machines::{reflector, store, watch_cache};

use super::super::history::Object;
use super::held::Held;

/// What every part of the world can do besides.
pub trait Part: Clone + Debug + Eq + Hash + Send + Sync + 'static {}

impl<T: Clone + Debug + Eq + Hash + Send + Sync + 'static> Part for T {}

/// A machine that speaks as the store does.
pub trait Stores:
    Part
    + Machine<
        Durable = store::Durable<Object>,
        State: Send + Sync,
        Input = store::Input<Object>,
        Output = store::Output<Object>,
        Timer = store::Timer,
        Action = StoreAction,
    >
{
}

impl<M> Stores for M where
    M: Part
        + Machine<
            Durable = store::Durable<Object>,
            State: Send + Sync,
            Input = store::Input<Object>,
            Output = store::Output<Object>,
            Timer = store::Timer,
            Action = StoreAction,
        >
{
}

/// A machine that speaks as the watch cache does.
pub trait Caches:
    Part
    + Machine<
        Durable = (),
        State: Send + Sync,
        Input = watch_cache::Input<Held>,
        Output = watch_cache::Output<Held>,
        Timer = watch_cache::Timer,
        Action = WatchCacheAction,
    >
{
}

impl<M> Caches for M where
    M: Part
        + Machine<
            Durable = (),
            State: Send + Sync,
            Input = watch_cache::Input<Held>,
            Output = watch_cache::Output<Held>,
            Timer = watch_cache::Timer,
            Action = WatchCacheAction,
        >
{
}

/// A machine that speaks as the reflector does.
pub trait Reflectors:
    Part
    + Machine<
        Durable = (),
        State: Send + Sync,
        Input = reflector::Input<Object>,
        Output = reflector::Output<Object>,
        Timer = reflector::Timer,
        Action = ReflectorAction,
    >
{
}

impl<M> Reflectors for M where
    M: Part
        + Machine<
            Durable = (),
            State: Send + Sync,
            Input = reflector::Input<Object>,
            Output = reflector::Output<Object>,
            Timer = reflector::Timer,
            Action = ReflectorAction,
        >
{
}
