//! What a service may reach on Google Cloud: a service account that the service's Kubernetes account acts as, and one
//! binding per declared dependency.
