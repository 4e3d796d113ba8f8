"""How to ask: one pure adapter per wire protocol, the catalog of providers, prices, and the simulator."""
