//! What every service has in common.

/// The accessors of a service that has its wrapped service in the field `inner`.
macro_rules! service_accessors {
    ($service:ident<S $(, $($rest:ident),*)?>) => {
        impl<S $(, $($rest),*)?> $service<S $(, $($rest),*)?> {
            /// The wrapped service.
            #[must_use]
            pub const fn get_ref(&self) -> &S {
                &self.inner
            }

            /// The wrapped service.
            #[must_use]
            pub const fn get_mut(&mut self) -> &mut S {
                &mut self.inner
            }

            /// The wrapped service, unwrapped.
            #[must_use]
            pub fn into_inner(self) -> S {
                self.inner
            }
        }
    };
}

pub(crate) use service_accessors;
