//! The IPVS schedulers as pure logic.
