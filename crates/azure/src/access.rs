//! What a service may reach on Azure: a user-assigned identity, federated with the service's Kubernetes account, and
//! one role assignment per declared dependency.
