//! IPMI v2.0 (RMCP+) and v1.5 over UDP: a sans-I/O protocol core, a tokio driver, a fleet engine and a BMC simulator.
