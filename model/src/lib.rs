//! The system as pure state machines: objects, rules, actions, machines, messages.
