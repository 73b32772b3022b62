//! A network on Azure: a virtual network with one subnet per tier, NAT gateways with their public addresses, network
//! security groups generated from the graph's edges, flow logs.
//!
//! Subnets span zones on Azure; zones are asked for by what stands in them.
